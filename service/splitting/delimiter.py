"""What divides the fields of a CSV file: named in its first line, or found.

The first line may be ``sep=;``, as Excel has it. Else that delimiter is taken by which the header
has the most columns that mean something; where two are as good, the lines below decide.
"""

import csv
import re
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Final

from core.formats.csv import COMMA, Row, first_row, is_delimiter
from service.splitting.dialect import Dialect
from service.splitting.header_mapping import find_fields

CANDIDATES: Final = (COMMA, ";", "\t", "|")
LOOKED_AT: Final = 64 * 1024
"""Bytes that are looked at before a delimiter is taken, so that it never matters how they came."""
_LEAST: Final = 9
"""Bytes of the longest line ``"sep=;"`` with its end."""
_ROWS: Final = 20
_SEP_LINE: Final = re.compile(rb'"?sep=(.)"?(?:\r?\n|\r(?!\n))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Start:
    """How a file begins."""

    sep_line: bytes
    """A first line that names the delimiter; usually there is none."""
    delimiter: str
    rest: bytes
    """What has come behind that line."""


class DelimiterFinder:
    """Holds a file back until it is known what divides its fields."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._held = b""
        self._wanted = _LEAST

    def feed(self, data: bytes) -> Start | None:
        """Take the next bytes; None if more are needed."""
        self._held += data
        if len(self._held) < self._wanted:
            return None
        self._wanted = 2 * len(self._held)
        return self.close() if len(self._held) >= LOOKED_AT or self._is_sure() else None

    def close(self) -> Start:
        """Tell that no more bytes come."""
        named, sep_line = _named(self._held)
        delimiter = self._dialect.delimiter or named or self._best()
        return Start(sep_line, delimiter, self._held[len(sep_line) :])

    def _is_sure(self) -> bool:
        """Whether nothing that may come could change the choice."""
        if self._dialect.delimiter or _named(self._held)[0]:
            return True
        if not all(first_row(self._held, delimiter)[1] for delimiter in CANDIDATES):
            return False
        return len(self._equally_good(self._headers())) == 1

    def _best(self) -> str:
        headers = self._headers()
        return max(
            self._equally_good(headers),
            key=lambda delimiter: self._regular(delimiter, len(headers[delimiter])),
        )

    def _headers(self) -> dict[str, Row]:
        text = self._held[:LOOKED_AT]
        return {delimiter: first_row(text, delimiter)[0] for delimiter in CANDIDATES}

    def _equally_good(self, headers: dict[str, Row]) -> list[str]:
        """By what is understood of the header, then by whether it is divided at all."""
        ranks = {
            delimiter: (len(find_fields(header, self._dialect.mapping)), len(header) > 1)
            for delimiter, header in headers.items()
        }
        best = max(ranks.values())
        good = [delimiter for delimiter in CANDIDATES if ranks[delimiter] == best]
        return good if best[1] else good[:1]

    def _regular(self, delimiter: str, fields: int) -> int:
        """How many of the first lines have so many fields."""
        text = self._held[:LOOKED_AT].decode("utf-8", "ignore")
        rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        return sum(len(row) == fields for row in islice(rows, _ROWS))


def _named(head: bytes) -> tuple[str | None, bytes]:
    """The delimiter that the first line names, and that line."""
    found = _SEP_LINE.match(head)
    named = found[1].decode("latin-1") if found else ""
    return (named, found[0]) if found and is_delimiter(named) else (None, b"")

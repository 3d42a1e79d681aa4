"""The delimiter of a CSV file: named in its first line, or detected.

The first line may be ``sep=;``, as Excel writes it. Otherwise the delimiter is the one by which the
header has most known columns; between equals, the lines after it decide.
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
SAMPLE_BYTES: Final = 64 * 1024
"""Bytes that may decide; they are awaited, so that it does not matter how the file arrives."""
_MIN_BYTES: Final = 9
"""Size of the longest line ``"sep=;"`` with its end."""
_SAMPLE_ROWS: Final = 20
_SEP_LINE: Final = re.compile(rb'"?sep=(.)"?(?:\r?\n|\r(?!\n))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a file, once its delimiter is known."""

    sep_line: bytes
    """A first line that names the delimiter; usually empty."""
    delimiter: str
    rest: bytes
    """What was received after that line."""


class DelimiterDetector:
    """Holds the beginning of a file back until its delimiter is known."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._held = b""
        self._needed_bytes = _MIN_BYTES

    def feed(self, data: bytes) -> Start | None:
        """Take the next bytes; return None if more are needed."""
        self._held += data
        if len(self._held) < self._needed_bytes:
            return None
        self._needed_bytes = 2 * len(self._held)
        return self.close() if len(self._held) >= SAMPLE_BYTES or self._is_certain() else None

    def close(self) -> Start:
        """Decide by the bytes so far."""
        named, sep_line = _named_delimiter(self._held)
        delimiter = self._dialect.delimiter or named or self._best()
        return Start(sep_line, delimiter, self._held[len(sep_line) :])

    def _is_certain(self) -> bool:
        """Return whether no further bytes can change the choice."""
        if self._dialect.delimiter or _named_delimiter(self._held)[0]:
            return True
        if not all(first_row(self._held, delimiter)[1] for delimiter in CANDIDATES):
            return False
        return len(self._equally_good(self._headers())) == 1

    def _best(self) -> str:
        headers = self._headers()
        return max(
            self._equally_good(headers),
            key=lambda delimiter: self._regular_rows(delimiter, len(headers[delimiter])),
        )

    def _headers(self) -> dict[str, Row]:
        """Return the header as each candidate divides it."""
        text = self._held[:SAMPLE_BYTES]
        return {delimiter: first_row(text, delimiter)[0] for delimiter in CANDIDATES}

    def _equally_good(self, headers: dict[str, Row]) -> list[str]:
        """Return the best candidates: by known columns, then by whether there are several."""
        ranks = {
            delimiter: (len(find_fields(header, self._dialect.mapping)), len(header) > 1)
            for delimiter, header in headers.items()
        }
        best = max(ranks.values())
        good = [delimiter for delimiter in CANDIDATES if ranks[delimiter] == best]
        return good if best[1] else good[:1]

    def _regular_rows(self, delimiter: str, fields: int) -> int:
        """Return how many of the first rows have so many fields."""
        text = self._held[:SAMPLE_BYTES].decode("utf-8", "ignore")
        rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        return sum(len(row) == fields for row in islice(rows, _SAMPLE_ROWS))


def _named_delimiter(head: bytes) -> tuple[str | None, bytes]:
    """Return the delimiter that the first line names, and that line; None and b"" if none."""
    match = _SEP_LINE.match(head)
    delimiter = match[1].decode("latin-1") if match else ""
    return (delimiter, match[0]) if match and is_delimiter(delimiter) else (None, b"")

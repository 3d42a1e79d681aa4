"""Stand-in: parses records by their plan."""

from typing import Any

import msgspec

from core.formats.csv import CsvScanner, read_rows
from core.formats.json import JsonScanner
from core.formats.ndjson import NdjsonScanner
from core.reading.plan import Field, Place, ReadingPlan
from core.states import Format

MAX = 4 * 1024 * 1024
Parser = Any


def parser_for(format_: Format, plan: ReadingPlan, byte_start: int) -> Any:  # noqa: ANN401
    """Return a parser."""
    return _Parser(format_, plan, byte_start)


class _Parser:
    def __init__(self, format_: Format, plan: ReadingPlan, offset: int) -> None:
        self.plan = plan
        decoder = msgspec.json.Decoder(list[Any])
        lines = msgspec.json.Decoder(Any).decode_lines
        self.scanner: Any
        if format_ is Format.CSV:
            delimiter = plan.csv.delimiter if plan.csv else ","
            self.scanner = CsvScanner(
                read_rows, max_record_bytes=MAX, delimiter=delimiter, offset=offset
            )
        elif format_ is Format.NDJSON:
            self.scanner = NdjsonScanner(
                lines, msgspec.json.decode, max_record_bytes=MAX, offset=offset
            )
        else:
            self.scanner = JsonScanner(
                decoder.decode, msgspec.json.decode, max_record_bytes=MAX, offset=offset
            )

    def value(self, record: Any, field: Field) -> str:  # noqa: ANN401
        """Return the first filled value."""
        for place in self.plan.places.of(field):
            if text := self._at(record, place):
                return text
        return ""

    def _at(self, record: Any, place: Place) -> str:  # noqa: ANN401
        if isinstance(place, int):
            return str(record[place]).strip() if place < len(record) else ""
        for key in place:
            record = record.get(key) if isinstance(record, dict) else None
        return str(record or "").strip()

    def texts(self, run: Any) -> list[bytes]:  # noqa: ANN401
        """Return the records as JSON."""
        return [msgspec.json.encode(record) for record in run.records]

"""Reads samples whose right result is known, before a process starts to work.

A regular expression that this Python matches wrongly, as Python 3.11.0 to 3.11.4 match some, spoils
data without any error. So each start runs all code that reads contacts on a few samples, which
takes a few milliseconds.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from core.emails import normalised_email, unusual_emails
from core.errors import SelfCheckError
from core.formats.base import RecordScanner, Span
from core.formats.csv import CsvScanner, count_rows, read_rows
from core.formats.formula_escaping import escape_formulas, unescape_formulas
from core.formats.json import JsonScanner, first_error
from core.formats.ndjson import NdjsonScanner

_PLAIN: Final = ["", "a@b.de", "A.b-c+d@0-e--f.g", "x@mail.b-c.co.uk", "y@z.a.b.c"]
_NOT_PLAIN: Final = [
    *("b@", "a@x.", "a@ex-.de", "a@-b.de", "a@b.c-.de", "a@b..de", "@b.de", "a@b", "a@B.de"),
    *("a b@c.de", "a@b.de\n", "é@b.de"),
]
_INVALID: Final = ["b@", "a@x.", "a@ex-.de", "@b.de", "a@b..de", "a b@c.de"]

_CSV: Final = b'\n"a""b",c\r\n\r\nd"e,"f\n""\r"\r"g\n",h\r"i"j,k'
_ROWS: Final = [['a"b', "c"], ['d"e', 'f\n"\r'], ["g\n", "h"], ['"i"j', "k"]]
_ROW_SPANS: Final = [(1, 11), (13, 25), (25, 32), (32, 38)]
_LINES: Final = b'{"a":1}\n\n \r\n[]\r\n{}'
_ARRAY: Final = b'{"a":"}\\""} , [],\n{}]'
_CONSTANT: Final = r'["\\", "NaN\"", Infinity]'
_CELLS: Final = {"'\u00a0 =1": "''\u00a0 =1", "a;-1": "a;'-1", "''\tx": "'''\tx", "'x": "'x"}
_PIECE: Final = 5

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


def run_self_check() -> None:
    """Raise SelfCheckError, with a message of one line, if a result is wrong."""
    failed = [name for name, check in _CHECKS.items() if not _passes(check)]
    if failed:
        raise SelfCheckError(
            f"Python {sys.version.split()[0]} at {sys.executable} reads known samples wrongly "
            f"({', '.join(failed)}) and would spoil data: run another version of Python."
        )


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 -- any exception here is a wrong result
        return False


def _emails_are_right() -> bool:
    return (
        unusual_emails(_PLAIN) == set()
        and all(unusual_emails([*_PLAIN, email, *_PLAIN]) == {len(_PLAIN)} for email in _NOT_PLAIN)
        and all(normalised_email(email) == email for email in _PLAIN if email)
        and not any(map(normalised_email, _INVALID))
    )


def _csv_is_right() -> bool:
    reading = CsvScanner(read_rows, max_record_bytes=len(_CSV))
    counting = CsvScanner(count_rows, max_record_bytes=len(_CSV))
    return _scan(reading, _CSV) == (_ROWS, _ROW_SPANS) and _scan(counting, _CSV)[1] == _ROW_SPANS


def _ndjson_is_right() -> bool:
    scanner = NdjsonScanner(_decode_lines, msgspec.Raw, max_record_bytes=len(_LINES))
    records, spans = _scan(scanner, _LINES)
    return spans == [(0, 8), (12, 16), (16, 18)] and list(map(bytes, records)) == [
        b'{"a":1}',
        b"[]",
        b"{}",
    ]


def _json_is_right() -> bool:
    scanner = JsonScanner(_decode_array, msgspec.Raw, max_record_bytes=len(_ARRAY))
    error = first_error(_CONSTANT)
    return (
        _scan(scanner, _ARRAY)[1] == [(0, 11), (14, 16), (18, 20)]
        and error is not None
        and error[0] == _CONSTANT.index("Infinity")
    )


def _cells_are_right() -> bool:
    return all(
        escape_formulas(cell) == escaped and unescape_formulas(escaped) == cell
        for cell, escaped in _CELLS.items()
    )


def _scan(scanner: RecordScanner[Any], data: bytes) -> tuple[list[Any], list[Span]]:
    """Return the records and spans of a text that arrives in small pieces."""
    pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
    runs = [run for piece in pieces for run in scanner.feed(piece)]
    runs += scanner.close()
    return (
        [record for run in runs for record in run.records],
        [span for run in runs for span in scanner.spans(run)],
    )


_CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "e-mail addresses": _emails_are_right,
    "CSV": _csv_is_right,
    "NDJSON": _ndjson_is_right,
    "JSON": _json_is_right,
    "cells of spreadsheets": _cells_are_right,
}

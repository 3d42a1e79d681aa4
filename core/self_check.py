"""Known answers, which this Python has to give before a process starts to work.

A pattern that is matched wrongly, as Python 3.11.0 to 3.11.4 match some, spoils data without any
error. So whatever reads contacts is asked about a few samples at each start, in a few milliseconds.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from core.emails import are_plain_emails, normalised_email
from core.errors import SelfCheckError
from core.formats.base import RecordScanner, Span
from core.formats.csv import CsvScanner, count_rows, first_row, read_rows
from core.formats.json import JsonScanner, first_error
from core.formats.ndjson import NdjsonScanner
from core.formats.spreadsheet import neutralised, restored

_PLAIN: Final = ["", "a@b.de", "A.b-c+d@0-e--f.g", "x@mail.b-c.co.uk", "y@z.a.b.c"]
_NOT_PLAIN: Final = [
    *("b@", "a@x.", "a@ex-.de", "a@-b.de", "a@b.c-.de", "a@b..de", "@b.de", "a@b", "a@B.de"),
    *("a b@c.de", "a@b.de\n", "é@b.de"),
]
_INVALID: Final = ["b@", "a@x.", "a@ex-.de", "@b.de", "a@b..de", "a b@c.de"]

_CSV: Final = b'\n"a""b",c\r\n\r\nd"e,"f\n""\r"\r"g\n",h\r"i"j,k'
_ROWS: Final = [['a"b', "c"], ['d"e', 'f\n"\r'], ["g\n", "h"], ["ij", "k"]]
_ROW_SPANS: Final = [(1, 11), (13, 25), (25, 32), (32, 38)]
_LINES: Final = b'{"a":1}\n\n \r\n[]\r\n{}'
_ARRAY: Final = b'{"a":"}\\""} , [],\n{}]'
_CONSTANT: Final = r'["\\", "NaN\"", Infinity]'
_CELLS: Final = {"'\u00a0 =1": "''\u00a0 =1", "a;-1": "a;'-1", "''\tx": "'''\tx", "'x": "'x"}
_PIECE: Final = 5

_decode_records = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


def check_answers() -> None:
    """Ask all questions. Raises SelfCheckError with one line if an answer is wrong."""
    wrong = [name for name, is_right in _QUESTIONS.items() if not _is_right(is_right)]
    if wrong:
        raise SelfCheckError(
            f"Python {sys.version.split()[0]} at {sys.executable} reads known samples wrongly "
            f"({', '.join(wrong)}) and would spoil data: run another version of Python."
        )


def _is_right(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except Exception:  # noqa: BLE001 -- whatever it is, the answer is not right
        return False


def _emails() -> bool:
    return (
        are_plain_emails(_PLAIN)
        and not any(are_plain_emails([*_PLAIN, email, *_PLAIN]) for email in _NOT_PLAIN)
        and all(normalised_email(email) == email for email in _PLAIN if email)
        and not any(map(normalised_email, _INVALID))
    )


def _csv() -> bool:
    reading = CsvScanner(read_rows, max_record_bytes=len(_CSV))
    counting = CsvScanner(count_rows, max_record_bytes=len(_CSV))
    return (
        _found(reading, _CSV) == (_ROWS, _ROW_SPANS)
        and _found(counting, _CSV)[1] == _ROW_SPANS
        and first_row(_CSV, ",") == (_ROWS[0], True)
    )


def _ndjson() -> bool:
    runs = NdjsonScanner(_decode_lines, msgspec.Raw, max_record_bytes=len(_LINES))
    records, spans = _found(runs, _LINES)
    return spans == [(0, 8), (12, 16), (16, 18)] and list(map(bytes, records)) == [
        b'{"a":1}',
        b"[]",
        b"{}",
    ]


def _json() -> bool:
    runs = JsonScanner(_decode_records, msgspec.Raw, max_record_bytes=len(_ARRAY))
    error = first_error(_CONSTANT)
    return (
        _found(runs, _ARRAY)[1] == [(0, 11), (14, 16), (18, 20)]
        and error is not None
        and error[0] == _CONSTANT.index("Infinity")
    )


def _cells() -> bool:
    return all(
        neutralised(cell) == safe and restored(safe) == cell for cell, safe in _CELLS.items()
    )


def _found(runs: RecordScanner[Any], data: bytes) -> tuple[list[Any], list[Span]]:
    """Records and spans of a text that comes in pieces."""
    pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
    found = [run for piece in pieces for run in runs.feed(piece)]
    found += runs.close()
    return (
        [record for run in found for record in run.records],
        [span for run in found for span in runs.spans(run)],
    )


_QUESTIONS: Final[dict[str, Callable[[], bool]]] = {
    "e-mail addresses": _emails,
    "CSV": _csv,
    "NDJSON": _ndjson,
    "JSON": _json,
    "cells of spreadsheets": _cells,
}

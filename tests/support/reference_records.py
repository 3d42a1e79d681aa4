"""What is in a body, read with the standard library: slow, obvious, sharing no code with ours."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any, NoReturn

from tests.support.bodies import BOM, csv_rows, quote_is_open
from tests.support.reference_rules import Columns, find_columns, is_option_like, is_valid_source

MAX_DEPTH_BESIDE = 500
"""Levels of nesting beside the records, the body's own among them."""
_SEPARATORS = " \t\r\n,"
_SEP_LINE = re.compile(
    r"""\A"?sep=[\t!#-/:-@\[-`{-~]"?(\r?\n|\r(?!\n))""", re.IGNORECASE | re.ASCII
)
"""The line by which a CSV file names its delimiter to Excel."""
QUESTIONS = frozenset({"name_column_unclear", "email_column_unclear", "csv_header_unusable"})
"""What is asked about columns instead of guessing: docs/files.md."""
_PLAIN_ADDRESS = re.compile(r"([A-Za-z0-9.]+@[A-Za-z0-9.]+)?")
_CONTROL_CHARACTER = re.compile(r"[\0-\x08\x0b\x0e-\x1f\x7f]")
"""A text with one may be a file in another format."""
_OTHER_QUOTES: tuple[dict[str, Any], ...] = (
    {"skipinitialspace": True},
    {"escapechar": "\\"},
    {"quotechar": "'"},
    {"quotechar": "'", "skipinitialspace": True},
    {"escapechar": "\\", "skipinitialspace": True},
)
"""Of the rows of some programs: a blank before a quote, escaped quotes, single quotes."""
_UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
"""Byte order marks."""


@dataclass(frozen=True)
class Content:
    """What a body that is accepted contains."""

    stored: bytes
    """What its object must hold."""
    records: list[Any]
    sizes: list[int]
    """Bytes of each record, as they count against the limit."""
    around: bytes = b""
    """A JSON body with an empty array in place of its records."""
    source: str | None = None
    columns: Columns | None = None
    may_be: frozenset[str] = frozenset()
    """Codes of problems that the importer may find in it nevertheless: questions, for one."""


def read_envelope(raw: bytes) -> Content | None:
    """Read ``{"source": ..., "data": [...]}``; None if it must be rejected, as in all readers.

    The source may be in the address instead. Then other keys are not compared with the options.
    """
    value = _loads(raw)
    if not isinstance(value, _Members) or not isinstance(value.get("data"), list):
        return None
    if "source" in value and (
        any(map(is_option_like, value)) or not is_valid_source(value["source"])
    ):
        return None
    if value.repeated & {"source", "data"} or _depth_beside(value) > MAX_DEPTH_BESIDE:
        return None
    body = raw.removeprefix(BOM)
    start, end = next(span for key, *span in _members(body.decode("latin-1")) if key == "data")
    around = body[:start] + b"[]" + body[end:]
    return _array(
        body[start:end],
        value["data"],
        around=around,
        source=value.get("source"),
        may_be=_possible_json_problems(value["data"])
        | ({"source_missing"} if "source" not in value else set()),
    )


def read_array(raw: bytes) -> Content | None:
    """Read a JSON array of records."""
    value = _loads(raw)
    if not isinstance(value, list):
        return None
    return _array(raw, value, may_be=_possible_json_problems(value))


def read_ndjson(raw: bytes) -> Content | None:
    """Read JSON lines."""
    text = _text(raw)
    if text is None:
        return None
    lines = [line for line in text.split("\n") if line.strip(" \t\r")]
    values = [_loads(line.encode()) for line in lines]
    if not lines or any(not _is_json(line) for line in lines):
        return None
    sizes = [len(line.encode()) for line in text.split("\n")]
    return Content(raw, values, sizes, may_be=_possible_json_problems(values))


def _possible_json_problems(records: list[Any]) -> frozenset[str]:
    """Return the codes of the questions that records may lead to: none by plain ones."""
    is_plain = all(
        not isinstance(record, dict)
        or (
            record.keys() <= {"name", "email"}
            and "@" not in str(record.get("name"))
            and _PLAIN_ADDRESS.fullmatch(str(record.get("email") or ""))
        )
        for record in records
    )
    return frozenset() if is_plain else QUESTIONS


def read_csv(raw: bytes) -> Content | None:
    """Read a CSV file with a header, in UTF-8 and with commas."""
    text = _text(raw)
    if text is None or quote_is_open(text):
        return None
    rest = _SEP_LINE.sub("", text)
    header, *rows = csv_rows(rest) or [[]]
    columns = find_columns(header)
    return columns and Content(
        raw,
        rows,
        _row_sizes(rest.encode()),
        columns=columns,
        may_be=_possible_csv_problems(rest, header, rows),
    )


def _possible_csv_problems(text: str, header: list[str], rows: list[list[str]]) -> frozenset[str]:
    """Return the codes of the questions that a table may lead to, and of quotes that may be open.

    Nothing is asked about a table of names and addresses in columns that are called so. Quotes are
    also read as in each dialect of formats.md, so a quote is open if it is in one of them.
    """
    codes = set[str]()
    is_plain = header == ["name", "email"] and all(
        len(row) == 2 and "@" not in row[0] and _PLAIN_ADDRESS.fullmatch(row[1]) for row in rows
    )
    if not is_plain:
        codes |= QUESTIONS
    if _CONTROL_CHARACTER.search(text) or text.lstrip().startswith("<"):
        codes.add("unsupported_file")
    if any(_is_open_as(text, **dialect) for dialect in _OTHER_QUOTES):
        codes.add("malformed_csv")
    return frozenset(codes)


def _is_open_as(text: str, **dialect: Any) -> bool:
    rows = csv.reader(StringIO(f"{text}\r\nnext,row", newline=""), **dialect)
    return [row for row in rows if row][-1:] != [["next", "row"]]


def is_readable(raw: bytes) -> bool:
    """Return whether a body that no reader here reads may be accepted nevertheless.

    That is a text in another encoding; JSON, whose records may be under any key; and a table whose
    header has other names, or whose quotes are closed in one of the other dialects.
    """
    text = _text(raw)
    if text is None or _is_json(text):
        return True
    lines = [line for line in text.split("\n") if line.strip(" \t\r")]
    if text.lstrip().startswith(("{", "[")):
        return bool(lines) and (all(map(_is_json, lines)) or _is_json_sequence(text))
    is_open = [quote_is_open(text), *(_is_open_as(text, **dialect) for dialect in _OTHER_QUOTES)]
    return not all(is_open)


def _is_json_sequence(text: str) -> bool:
    """Return whether a text is JSON values one after the other, with blanks or commas between."""
    at = 0
    text = text.rstrip()
    try:
        while at < len(text):
            _, at = _DECODER.raw_decode(text, at)
            while at < len(text) and text[at] in _SEPARATORS:
                at += 1
    except (ValueError, RecursionError):
        return False
    return True


def first_invalid_byte(raw: bytes) -> int | None:
    """Return where the bytes stop being UTF-8, None if they never do."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


class _Members(dict[str, Any]):
    """A JSON object that knows which of its keys it has more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.repeated = {key for key in keys if keys.count(key) > 1}


def _loads(raw: bytes) -> Any:
    """Return a JSON value (RFC 8259), None if it is none; numbers become the number of digits."""
    text = _text(raw)
    try:
        return text and json.loads(
            text,
            parse_constant=_reject,
            parse_int=len,
            parse_float=len,
            object_pairs_hook=_Members,
        )
    except (ValueError, RecursionError):
        return None


def _is_json(line: str) -> bool:
    try:
        json.loads(line, parse_constant=_reject, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def _reject(_: str) -> NoReturn:
    """For NaN and Infinity, which are not JSON."""
    raise ValueError


def _text(raw: bytes) -> str | None:
    """Return the text of a body in UTF-8, None if it is in another encoding."""
    if raw.startswith(_UTF_16_OR_32) or first_invalid_byte(raw) is not None or _is_wide(raw[:4]):
        return None
    return raw.decode().removeprefix("\ufeff")


def _is_wide(head: bytes) -> bool:
    """Whether it looks like ASCII in UTF-16 or UTF-32: each byte beside one NUL or three."""
    return (
        re.fullmatch(rb"(?s:[^\0]\0[^\0]\0|\0[^\0]\0[^\0]|[^\0]\0\0\0|\0\0\0[^\0])", head)
        is not None
    )


def _array(stored: bytes, records: list[Any], **more: Any) -> Content:
    text = stored.removeprefix(BOM).decode("latin-1")
    at, sizes = text.index("[") + 1, []
    for _ in records:
        start = _skip(text, at)
        _, at = _DECODER.raw_decode(text, start)
        sizes.append(at - start)
    return Content(stored, records, sizes, **more)


# Numbers stay text, because converting a million digits would take minutes.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the key of each member of an object, and where its value starts and ends."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, text.index(":", at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield key, start, end
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    while text[at] in _SEPARATORS:
        at += 1
    return at


def _depth_beside(value: dict[str, Any]) -> int:
    return 1 + max((_depth(inner) for key, inner in value.items() if key != "data"), default=0)


def _depth(value: object) -> int:
    """Return how many levels of arrays and objects there are."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [inner for item in level for inner in _items(item)]
    return depth


def _items(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _row_sizes(raw: bytes) -> list[int]:
    """Return the bytes of each row with the first byte of its line end, the header's included."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in StringIO(raw.decode("latin-1"), newline=""):
            taken.append(line)
            yield line

    sizes = []
    for row in csv.reader(lines()):
        written = "".join(taken)
        taken.clear()
        if row:
            sizes.append(len(written) - written.endswith("\r\n"))
    return sizes

"""What must become of a body, by the standard library and docs/formats.md alone."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any, NoReturn

from core.errors import MalformedInputError
from core.models import Layout
from core.states import Format
from service.options import check_source, is_option_like
from service.splitting.base import Splitter
from service.splitting.csv import CsvSplitter
from service.splitting.dialect import Dialect
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.header_mapping import read_layout
from service.splitting.json_array import JsonArraySplitter
from service.splitting.ndjson import NdjsonSplitter
from tests.support.bodies import BOM, csv_rows, quote_is_open
from tests.support.splits import Outcome, RejectedRecord

MAX_DEPTH_BESIDE = 500
"""Levels, the body's own among them. In records it is Python's stack that bounds them."""
_SEPARATORS = " \t\r\n,"
_SEP_LINE = re.compile(
    r"""\A"?sep=[\t!#-/:-@\[-`{-~]"?(\r?\n|\r(?!\n))""", re.IGNORECASE | re.ASCII
)
"""Of CSV; Excel has it so."""
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_YAJL_CANNOT = {
    "number_too_long": re.compile(rb"[0-9]{4301}|[eE][+-]?[0-9]{18}"),
    "malformed_json": re.compile(rb"\\u[dD][89a-fA-F]"),  # half a surrogate pair
}
"""JSON that is refused beside the records, where yajl reads it."""


@dataclass(frozen=True)
class Content:
    """What an object must hold, and the records in it."""

    stored: bytes
    records: list[Any]
    sizes: list[int]
    """Bytes of each record, as they are counted against the bound."""
    around: bytes = b""
    """What yajl gets to see."""
    source: str | None = None
    layout: Layout | None = None


@dataclass(frozen=True)
class Kind:
    """One form of body: who splits it, and what a plain reader finds in it."""

    format: Format
    make: Callable[[int, int], Splitter]
    read: Callable[[bytes], Content | None]
    """None if it is not to be taken."""


def read_envelope(raw: bytes) -> Content | None:
    value = _loads(raw)
    if not isinstance(value, _Members) or not isinstance(value.get("data"), list):
        return None
    if any(map(is_option_like, value)):
        return None
    if value.doubled & {"source", "data"} or _depth_beside(value) > MAX_DEPTH_BESIDE:
        return None
    try:
        source = check_source(value.get("source"))
    except MalformedInputError:
        return None
    start, end = next(
        span for key, *span in _members(raw.removeprefix(BOM).decode("latin-1")) if key == "data"
    )
    body = raw.removeprefix(BOM)
    around = body[:start] + b"[]" + body[end:]
    return _array(body[start:end], value["data"], around=around, source=source)


def read_array(raw: bytes) -> Content | None:
    value = _loads(raw)
    return _array(raw, value) if isinstance(value, list) else None


def read_ndjson(raw: bytes) -> Content | None:
    text = _text(raw)
    if text is None:
        return None
    lines = [line for line in text.split("\n") if line.strip(" \t\r")]
    values = [_loads(line.encode()) for line in lines]
    if not lines or any(not _is_json(line) for line in lines):
        return None
    return Content(raw, values, [len(line.encode()) for line in text.split("\n")])


def _is_json(line: str) -> bool:
    try:
        json.loads(line, parse_constant=_refuse, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def read_csv(raw: bytes) -> Content | None:
    text = _text(raw)
    if text is None or quote_is_open(text):
        return None
    rest = _SEP_LINE.sub("", text)
    try:
        header, *rows = csv_rows(rest) or [[]]
        layout = read_layout(header)
    except MalformedInputError:
        return None
    return Content(raw, rows, _row_sizes(rest.encode()), layout=layout)


ENVELOPE = Kind(Format.JSON, EnvelopeSplitter, read_envelope)
ARRAY = Kind(Format.JSON, JsonArraySplitter, read_array)
NDJSON = Kind(Format.NDJSON, NdjsonSplitter, read_ndjson)
PLAIN = Dialect(delimiter=",", charset="utf-8")
CSV = Kind(Format.CSV, lambda part, record: CsvSplitter(part, record, PLAIN), read_csv)


def judge(
    raw: bytes, outcome: Outcome | RejectedRecord, content: Content | None, bound: int
) -> None:
    """Assert that a body was taken or refused as it should be; ``bound`` is that of a record."""
    if isinstance(outcome, RejectedRecord):
        judge_refusal(raw, outcome, content, bound)
        return
    assert content is not None, "this must be refused"
    assert outcome.stored == content.stored
    assert outcome.source == content.source
    assert outcome.split.bytes == len(content.stored)
    assert outcome.split.layout == content.layout
    assert outcome.split.records == len(content.records)
    assert all(size <= bound for size in content.sizes), "a record is too large"


def judge_refusal(raw: bytes, refusal: RejectedRecord, content: Content | None, bound: int) -> None:
    """Assert that there is a reason to refuse a body, and that it stands where it is said to."""
    assert refusal.offset is None or 0 <= refusal.offset <= len(raw)
    assert refusal.record is None or refusal.record >= 1
    if refusal.code == "invalid_utf8":
        assert refusal.offset == _first_wrong(raw)
    if content is None:
        return
    cannot = _YAJL_CANNOT.get(refusal.code)
    if refusal.code == "record_too_large":
        assert max(content.sizes) > bound
    else:
        assert cannot is not None, f"{refusal} of what must be taken"
        assert cannot.search(content.around), f"{refusal} of what must be taken"


class _Members(dict[str, Any]):
    """An object that knows which of its keys were there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.doubled = {key for key in keys if keys.count(key) > 1}


def _loads(raw: bytes) -> Any:
    """The value as RFC 8259 has it, numbers as something that is no text; None if it is none."""
    text = _text(raw)
    try:
        return text and json.loads(
            text,
            parse_constant=_refuse,
            parse_int=len,
            parse_float=len,
            object_pairs_hook=_Members,
        )
    except (ValueError, RecursionError):
        return None


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _text(raw: bytes) -> str | None:
    if raw.startswith(_MARKS) or _first_wrong(raw) is not None or _is_wide(raw[:4]):
        return None
    return raw.decode().removeprefix("\ufeff")


def _is_wide(head: bytes) -> bool:
    """As ASCII looks in UTF-16 and UTF-32: a NUL or three for each other byte."""
    return (
        re.fullmatch(rb"(?s:[^\0]\0[^\0]\0|\0[^\0]\0[^\0]|[^\0]\0\0\0|\0\0\0[^\0])", head)
        is not None
    )


def _first_wrong(raw: bytes) -> int | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _array(stored: bytes, records: list[Any], **more: Any) -> Content | None:
    text = stored.removeprefix(BOM).decode("latin-1")
    at, sizes = text.index("[") + 1, []
    for _ in records:
        start = _skip(text, at)
        _, at = _DECODER.raw_decode(text, start)
        sizes.append(at - start)
    return Content(stored, records, sizes, **more)


# Numbers stay text, or a million digits would take minutes.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Key of each member of the object, and where its value stands."""
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
    """How many levels of arrays and objects there are."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, list | dict)]:
        depth += 1
        level = [inner for one in level for inner in _inside(one)]
    return depth


def _inside(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _row_sizes(raw: bytes) -> list[int]:
    """Bytes of each row with the first byte of its line end, the header among them."""
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

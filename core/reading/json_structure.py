"""Where the records of a JSON text are: found in its sample, by looking ahead.

A text is an array of records; or records one after the other, usually one a line; or an envelope,
an object that has the array of records in it. In an envelope that is the array ``data``, or else
the only one that holds objects: at the top, or a level or two below, as in ``hits.hits``. Where
several could be it, none is chosen: the client has to decide.
"""

import json
import json.scanner
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias, cast

from core.errors import MalformedInputError
from core.reading.sniffing import Kind

JsonPath: TypeAlias = tuple[str | int, ...]
"""Keys, and positions in arrays from 0, that lead to a value from the outermost one."""

DATA: Final[JsonPath] = ("data",)
MAX_DEPTH: Final = 3
"""Longest path at which an array of records is looked for."""

_SIDE_ARRAYS: Final = frozenset(
    {
        *("links", "errors", "warnings", "messages", "included", "fields", "columns", "schema"),
        *("facets", "filters", "sort", "aggregations", "metadata", "meta", "paging", "pages"),
    }
)
"""Keys, without separators before them, of arrays that describe the records beside them."""
_MAX_VALUES: Final = 2000
"""Values of an envelope that are looked at, so that it takes only some milliseconds."""
_MAX_RECORDS: Final = 200
"""Records of a sample that are returned."""
_MAX_LINES: Final = 5000
"""Lines in which so many objects are looked for, not counting blank ones."""
_SPACES: Final = " \t\r\n"
_MAX_QUOTED: Final = 5
_QUOTED_CHARACTERS: Final = 60

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_SEPARATION: Final = re.compile(r"[ \t\n\r,]*")
_LINE_END: Final = re.compile(r"[ \t\r]*(?:\n|\Z)")
_opens_over_lines: Final = re.compile(r"\s*\{[ \t\r]*\n").match
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class JsonStructure:
    """How the records of a JSON text are written."""

    kind: Kind
    path: JsonPath = ()
    """Of the array of records in an envelope."""
    records: Sequence[Mapping[str, Any]] = ()
    """The first records, as far as they are objects that the sample has all of."""


@dataclass(slots=True)
class _Array:
    """An array that may be that of the records."""

    path: JsonPath
    holds_objects: bool = False
    """Whether its first element is an object."""
    is_empty: bool = False
    records: list[Mapping[str, Any]] = field(default_factory=list)


class _CutError(Exception):
    """The text ends, or is not JSON, in the middle of a value."""


def find_structure(text: str, default: Kind, *, may_be_record: bool) -> JsonStructure:
    """Return how the records of a text are written, by its beginning.

    ``default`` is how they are written where the text does not show it, such as an empty one.
    ``may_be_record`` is whether an object without an array can be a single record. Raises
    MalformedInputError (``records_ambiguous``). Whether the text is valid JSON is not checked.
    """
    start = _after_space(text, 0)
    match text[start : start + 1]:
        case "[":
            return _structure_of_array(text, start, default)
        case "{":
            return _structure_of_objects(text, start, default, may_be_record=may_be_record)
        case _:
            return JsonStructure(default, DATA if default is Kind.JSON_ENVELOPE else ())


def is_rival(path: JsonPath, chosen: JsonPath) -> bool:
    """Return whether an array of objects makes it doubtful that the records are in ``chosen``."""
    if chosen in {path, DATA} or len(path) > len(chosen):
        return False
    return not _is_side_array(path)


def ambiguous_records(paths: Sequence[JsonPath]) -> MalformedInputError:
    """Return the error of a text with several arrays that may be the records."""
    names = [quoted_path(path) for path in paths[:_MAX_QUOTED]]
    more = ", ..." if len(paths) > _MAX_QUOTED else ""
    return MalformedInputError(
        "records_ambiguous",
        f"Several arrays may be the records: {', '.join(names)}{more}. Send one of them alone, as "
        'a JSON array, or call it "data".',
    )


def quoted_path(path: JsonPath) -> str:
    """Return a path for a message, such as ``"hits.hits"``."""
    return f'"{".".join(map(str, path))[:_QUOTED_CHARACTERS]}"'


def _structure_of_array(text: str, start: int, default: Kind) -> JsonStructure:
    array = _Array(())
    try:
        end = _read_elements(text, start, array)
    except _CutError:
        end = len(text)
    if array.records and array.records[0].get("type") == "header":
        tables = _Envelope(text)
        tables.walk(start, ())
        if data := [each for each in tables.arrays if each.path[1:] == DATA]:
            return _envelope(data, is_whole=False)
    if default is Kind.NDJSON and not _is_whole_array(text, start, end, array):
        return JsonStructure(Kind.NDJSON, records=_records_in_lines(text, start))
    return JsonStructure(Kind.JSON_ARRAY, records=array.records)


def _is_whole_array(text: str, start: int, end: int, array: _Array) -> bool:
    """Return whether what should be lines is one array of records."""
    is_alone = _after_space(text, end) == len(text)
    return array.holds_objects and (is_alone or "\n" in text[start:end])


def _structure_of_objects(
    text: str, start: int, default: Kind, *, may_be_record: bool
) -> JsonStructure:
    is_ours = default is Kind.JSON_ENVELOPE and not may_be_record
    try:
        first, end = _value(text, start)
    except _CutError:
        if default is Kind.NDJSON and not _opens_over_lines(text, start):
            return JsonStructure(Kind.NDJSON)
        return _structure_of_envelope(text, start, is_ours=is_ours)
    following = cast("re.Match[str]", _SEPARATION.match(text, end)).end()
    if isinstance(first.get("source"), str) and isinstance(first.get("data"), list):
        # A body of ours, and nothing may follow it.
        return _structure_of_envelope(text, start, is_ours=True)
    is_line = "\n" not in text[start:end] and _LINE_END.match(text, end) is not None
    if text.startswith("{", following) or (default is Kind.NDJSON and is_line):
        kind = Kind.NDJSON if is_line else Kind.JSON_SEQUENCE
        records = _records_in_lines(text, start) if is_line else _records_in_sequence(text, start)
        return JsonStructure(kind, records=records)
    envelope = _structure_of_envelope(text, start, is_ours=is_ours)
    is_record = default is Kind.NDJSON or (may_be_record and _has_address(first))
    if is_record and not envelope.records and following == len(text):
        return JsonStructure(Kind.JSON_SEQUENCE, records=[first])
    return envelope


def _has_address(record: Mapping[str, Any]) -> bool:
    return "data" not in record and any(
        isinstance(value, str) and _ADDRESS.fullmatch(value.strip()) for value in record.values()
    )


def _structure_of_envelope(text: str, start: int, *, is_ours: bool) -> JsonStructure:
    envelope = _Envelope(text)
    is_whole = envelope.walk(start, ())
    return _envelope(envelope.arrays, is_whole=is_whole, is_ours=is_ours)


def _envelope(arrays: list[_Array], *, is_whole: bool, is_ours: bool = False) -> JsonStructure:
    """Return the structure of an envelope that has these arrays, and perhaps more.

    ``is_ours`` is whether it has the form of our API, whose ``data`` may hold anything.
    """
    data = next((array for array in arrays if array.path == DATA), None)
    if data and (is_ours or data.holds_objects or data.is_empty):
        return JsonStructure(Kind.JSON_ENVELOPE, data.path, data.records)
    with_objects = [array for array in arrays if array.holds_objects]
    for depth in range(1, MAX_DEPTH + 1):
        level = [array for array in with_objects if len(array.path) == depth]
        candidates = [array for array in level if not _is_side_array(array.path)] or level
        named_data = [array for array in candidates if array.path[-1:] == DATA]
        if len(named_data) == 1:
            candidates = named_data
        if len(candidates) > 1 and is_ours and not is_whole:
            break  # `data` may follow
        if len(candidates) > 1:
            raise ambiguous_records([array.path for array in candidates])
        if candidates:
            (chosen,) = candidates
            return JsonStructure(Kind.JSON_ENVELOPE, chosen.path, chosen.records)
    empty = [array for array in arrays if array.is_empty and not _is_side_array(array.path)]
    path = empty[0].path if is_whole and len(empty) == 1 and data is None else DATA
    return JsonStructure(Kind.JSON_ENVELOPE, path)


def _is_side_array(path: JsonPath) -> bool:
    return str(path[-1]).lstrip("_@$").casefold() in _SIDE_ARRAYS if path else False


class _Envelope:
    """The arrays of an envelope, as far as its text goes."""

    def __init__(self, text: str) -> None:
        self.arrays: list[_Array] = []
        self._text = text
        self._left = _MAX_VALUES

    def walk(self, start: int, path: JsonPath) -> bool:
        """Find the arrays in the value at ``start``; return whether it was read to its end."""
        try:
            self._walk(start, path)
        except _CutError:
            return False
        return True

    def _walk(self, start: int, path: JsonPath) -> int:
        """Return where the value ends. Raises _CutError."""
        self._left -= 1
        if self._left < 0:
            raise _CutError
        opening = self._text[start : start + 1]
        if opening == "{" and len(path) < MAX_DEPTH:
            return self._walk_members(start, path)
        if opening == "[" and path:
            array = _Array(path)
            self.arrays.append(array)
            return _read_elements(self._text, start, array)
        if opening == "[":
            return self._walk_elements(start)
        return _value(self._text, start)[1]

    def _walk_members(self, start: int, path: JsonPath) -> int:
        at = _after_space(self._text, start + 1)
        while not self._text.startswith("}", at):
            key, at = _value(self._text, at)
            at = _after(self._text, at, ":")
            at = self._walk(at, (*path, str(key)))
            at = _after_value(self._text, at, "}")
        return at + 1

    def _walk_elements(self, start: int) -> int:
        at, position = _after_space(self._text, start + 1), 0
        while not self._text.startswith("]", at):
            at = self._walk(at, (position,))
            at, position = _after_value(self._text, at, "]"), position + 1
        return at + 1


def _read_elements(text: str, start: int, array: _Array) -> int:
    """Read the elements of an array, all or the first; return where it ends. Raises _CutError."""
    at = _after_space(text, start + 1)
    array.holds_objects, array.is_empty = text.startswith("{", at), text.startswith("]", at)
    try:
        elements, end = _value(text, start)
    except _CutError:
        for _ in range(_MAX_RECORDS):
            element, at = _value(text, at)
            if isinstance(element, dict):
                array.records.append(element)
            at = _after_value(text, at, "]")
        raise
    array.records += [element for element in elements if isinstance(element, dict)][:_MAX_RECORDS]
    return end


def _records_in_lines(text: str, start: int) -> list[Mapping[str, Any]]:
    """Return the objects of lines; those that are cut or are not JSON are left out."""
    records: list[Mapping[str, Any]] = []
    lines = (line.lstrip(_SPACES) for line in text[start:].split("\n"))
    for line in islice(filter(None, lines), _MAX_LINES):
        if len(records) == _MAX_RECORDS:
            break
        try:
            value, _ = _value(line, 0)
        except _CutError:
            continue
        if isinstance(value, dict):
            records.append(value)
    return records


def _records_in_sequence(text: str, start: int) -> list[Mapping[str, Any]]:
    records: list[Mapping[str, Any]] = []
    at = start
    while at < len(text) and len(records) < _MAX_RECORDS:
        try:
            value, at = _value(text, at)
        except _CutError:
            break
        if isinstance(value, dict):
            records.append(value)
        at = cast("re.Match[str]", _SEPARATION.match(text, at)).end()
    return records


def _short_integer(digits: str) -> int | str:
    """Return a number; one of many digits stays text, since its conversion takes long."""
    return int(digits) if len(digits) <= 40 else digits


def _reject_constant(name: str) -> None:
    raise ValueError(name)


_scan: Callable[[str, int], tuple[Any, int]] = json.scanner.make_scanner(
    cast("Any", json.JSONDecoder(parse_int=_short_integer, parse_constant=_reject_constant))
)


def _value(text: str, start: int) -> tuple[Any, int]:
    """Return the value at ``start`` and where it ends. Raises _CutError."""
    try:
        return _scan(text, start)
    except (StopIteration, ValueError, RecursionError):
        raise _CutError from None


def _after_space(text: str, at: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, at)).end()


def _after(text: str, at: int, mark: str) -> int:
    """Return where the token after ``mark`` begins. Raises _CutError."""
    at = _after_space(text, at)
    if not text.startswith(mark, at):
        raise _CutError
    return _after_space(text, at + 1)


def _after_value(text: str, at: int, closing: str) -> int:
    """Return where the next member or element begins, or the closing bracket is."""
    at = _after_space(text, at)
    return at if text.startswith(closing, at) else _after(text, at, ",")

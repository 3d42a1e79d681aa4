"""JSON objects as records: which keys, at the top or further down, are the fields."""

import json
import math
import operator
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from core.formats.base import RecordRun
from core.formats.json import JsonScanner
from core.formats.ndjson import NdjsonScanner
from core.reading.plan import Place, ReadingPlan
from core.records.columns import Columns, run_columns, texts_of
from core.records.limits import MAX_RECORD_BYTES
from core.records.models import Candidates, Skipped
from core.records.rejection_reasons import (
    NESTED_TOO_DEEPLY,
    NO_NAME_AND_NO_EMAIL,
    NOT_AN_OBJECT,
    Reason,
)
from core.records.values import address_in, flattened, name_in

_MAX_CLOSING_BRACES: Final = 8
"""How many closing braces are tried as the end of an object."""
Path = tuple[str, ...]

_NotAnObject = str | int | float | bool | list[msgspec.Raw] | None

_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_raw: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_lines: Final = msgspec.json.Decoder(msgspec.Raw).decode_lines


def _attribute_column(name: str) -> Callable[[Iterable[Any]], list[Any]]:
    return lambda records: list(map(operator.attrgetter(name), records))


class _AttributeColumns(dict[str, Callable[[Iterable[Any]], list[Any]]]):
    """Functions that return an attribute of each record, by its name.

    Python reads an attribute whose name stands in the code twice as fast as attrgetter does.
    """

    def __missing__(self, name: str) -> Callable[[Iterable[Any]], list[Any]]:
        self[name] = _attribute_column(name)
        return self[name]


_COLUMN_OF: Final = _AttributeColumns(
    k0=lambda records: [record.k0 for record in records],
    k1=lambda records: [record.k1 for record in records],
    k2=lambda records: [record.k2 for record in records],
)


class _Fields:
    """The keys of the plan, as a type for msgspec, which skips all other keys.

    A key at the top is an attribute; a path is one attribute after the other.
    """

    def __init__(self, plan: ReadingPlan) -> None:
        places = plan.places
        self.names, self.emails = _paths(places.name), _paths(places.email)
        self.first_names, self.last_names = _paths(places.first_name), _paths(places.last_name)
        self.paths = [*self.names, *self.first_names, *self.last_names, *self.emails]
        self.top_keys = frozenset(path[0] for path in self.paths)
        self.type, self._attributes = _struct(self.paths, "Record")

    def value(self, record: Any, path: Path) -> object:  # noqa: ANN401
        """Return the value at a path of a decoded record, None if there is none."""
        if isinstance(record, dict):
            return _at(record, path)
        attributes = self._attributes[path]
        for attribute in attributes:
            if record is None:
                return None
            record = getattr(record, attribute)
        # A key whose value is used itself, and of which one further down is used too.
        return _at(record, path[len(attributes) :]) if len(attributes) < len(path) else record

    def column(self, records: Sequence[Any], path: Path, suspects: set[int]) -> list[str]:
        """Return the texts at a path; those that are not text are suspects."""
        values: Sequence[Any] | None
        attributes, values = self._attributes[path], records
        try:
            for attribute in attributes:
                values = _COLUMN_OF[attribute](values)
        except AttributeError:  # a record is a dictionary, or lacks an object on the path
            values = None
        if values is None or len(attributes) < len(path):
            values = [self.value(record, path) for record in records]
        return texts_of(values, suspects)

    def without_reasons(
        self, records: Sequence[Any]
    ) -> tuple[Sequence[Any], list[tuple[int, Reason]]]:
        """Return records with an empty one in place of each Reason, and those with positions."""
        empty = self.type()
        rejected = [(at, each) for at, each in enumerate(records) if type(each) is Reason]
        return [empty if type(each) is Reason else each for each in records], rejected


def _paths(places: Sequence[Place]) -> list[Path]:
    return [place for place in places if isinstance(place, tuple)]


def _struct(paths: Sequence[Path], name: str) -> tuple[type[Any], dict[Path, tuple[str, ...]]]:
    """Return a type with these paths as attributes, and the attributes of each path."""
    fields: list[tuple[str, Any, Any]] = []
    renamed: dict[str, str] = {}
    attributes: dict[Path, tuple[str, ...]] = {}
    by_key: dict[str, list[Path]] = {}
    for path in dict.fromkeys(paths):
        by_key.setdefault(path[0], []).append(path)
    for number, (key, same) in enumerate(by_key.items()):
        attribute = f"k{number}"
        renamed[attribute] = key
        inner_paths = [path[1:] for path in same if len(path) > 1]
        if inner_paths and len(inner_paths) == len(same):
            inner, inner_attributes = _struct(inner_paths, f"{name}{number}")
            default = msgspec.field(default_factory=inner)
            fields.append((attribute, inner | None, default))
            for path in same:
                attributes[path] = (attribute, *inner_attributes[path[1:]])
        else:
            fields.append((attribute, object, None))
            attributes |= dict.fromkeys(same, (attribute,))
    struct = msgspec.defstruct(name, fields, rename=renamed, gc=False)
    return struct, attributes


class _ObjectParser:
    """A record is the fields of an object, all of an unusual one, or the reason it is none."""

    def __init__(self, plan: ReadingPlan) -> None:
        self.family_name_first = plan.family_name_first
        self._name_in = partial(name_in, family_name_first=plan.family_name_first)
        self._fields = _Fields(plan)
        self._has_reasons = False
        """Whether records may be Reasons: they never are in the usual part."""
        self._decode_one = msgspec.json.Decoder(self._fields.type).decode

    def columns(self, run: RecordRun[Any]) -> Columns:
        """Suspects are also values that are not text."""
        fields, suspects = self._fields, set[int]()
        records: Sequence[Any] = run.records
        rejected: list[tuple[int, Reason]] = []
        if self._has_reasons:
            records, rejected = fields.without_reasons(records)
        names, emails, empty = run_columns(
            len(records),
            suspects,
            names=self._columns(records, fields.names, suspects),
            first_names=self._columns(records, fields.first_names, suspects),
            last_names=self._columns(records, fields.last_names, suspects),
            emails=self._columns(records, fields.emails, suspects),
            family_name_first=self.family_name_first,
        )
        if empty:
            not_objects = {at for at, _ in rejected}
            rejected += [(at, NO_NAME_AND_NO_EMAIL) for at in empty if at not in not_objects]
        return Columns(names, emails, suspects, rejected, [])

    def may_be_no_record(self, name: str) -> bool:  # noqa: ARG002
        """Always False: JSON has neither headers nor footers."""
        return False

    def memo_key(self, record: Any) -> Hashable | None:  # noqa: ANN401
        """The values of the plan's keys, as text in which no two values are the same."""
        if isinstance(record, Reason):
            return None
        return repr([self._fields.value(record, path) for path in self._fields.paths])

    def candidates(self, record: Any) -> Candidates | Reason | Skipped:  # noqa: ANN401
        """The values of each field, those of lists one after the other."""
        if isinstance(record, Reason):
            return record
        fields = self._fields
        return Candidates(
            self._values(record, fields.names, self._name_in),
            self._values(record, fields.first_names, self._name_in),
            self._values(record, fields.last_names, self._name_in),
            self._values(record, fields.emails, address_in),
        )

    def _values(
        self,
        record: Any,  # noqa: ANN401
        paths: Sequence[Path],
        value_in: Callable[[Mapping[str, Any]], object],
    ) -> tuple[object, ...]:
        values: list[object] = []
        for path in paths:
            value = self._fields.value(record, path)
            if isinstance(value, list | dict):
                values.extend(flattened(value, value_in))
            else:
                values.append(value)
        return tuple(values)

    def _columns(
        self, records: Sequence[Any], paths: Sequence[Path], suspects: set[int]
    ) -> list[list[str]]:
        return [self._fields.column(records, path, suspects) for path in paths]

    def _decode_record(self, data: bytes) -> Any:  # noqa: ANN401
        if not data.startswith(b"{"):
            self._has_reasons = True
            return NOT_AN_OBJECT
        try:
            return self._decode_one(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._has_reasons = True
            return _decode_leniently(data)

    def _objects(self, values: list[Any]) -> list[Any]:
        """Return values with a Reason in place of each one that is not an object."""
        self._has_reasons = True
        type_ = self._fields.type
        return [value if type(value) is type_ else NOT_AN_OBJECT for value in values]

    def _ignored_in(self, records: Iterable[bytes]) -> Iterator[str]:
        """Names of ignored fields in those of the records that are objects."""
        for record in records:
            yield from self._ignored_keys(record) or ()

    def _ignored_keys(self, record: bytes) -> list[str] | None:
        """None if the record is not an object."""
        try:
            return [key for key in _decode_keys(record) if key not in self._fields.top_keys]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


class JsonParser(_ObjectParser):
    """Parses the elements of a JSON array."""

    def __init__(self, plan: ReadingPlan, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        super().__init__(plan)
        self._decode_fields: Callable[[bytes], list[Any]] = msgspec.json.Decoder(
            list[self._fields.type]  # type: ignore[name-defined]
        ).decode
        self._decode_values: Callable[[bytes], list[Any]] = msgspec.json.Decoder(
            list[self._fields.type | _NotAnObject]  # type: ignore[name-defined]
        ).decode
        self.scanner: JsonScanner[Any] = JsonScanner(
            self._decode_run,
            self._decode_record,
            max_record_bytes=MAX_RECORD_BYTES,
            offset=offset,
        )

    def texts(self, run: RecordRun[Any]) -> Sequence[bytes]:
        """Taken from the run without decoding them, or by their spans if that is not possible."""
        try:
            return list(map(bytes, _decode_raw(b"[%b]" % run.raw[run.lead :])))
        except (msgspec.MsgspecError, RecursionError):
            spans = self.scanner.spans(run)
            return [run.raw[start - run.offset : end - run.offset] for start, end in spans]

    def ignored_fields(self, run: RecordRun[Any], max_records: int) -> Iterable[str]:
        """For a single record, the rest of the run is not read again."""
        if max_records == 1:
            return self._ignored_in_first_object(run.raw, run.lead)
        return self._ignored_in(self.texts(run)[:max_records])

    def _decode_run(self, data: bytes) -> list[Any]:
        try:
            return self._decode_fields(data)
        except (msgspec.ValidationError, RecursionError):
            pass
        try:  # a record may be no object
            return self._objects(self._decode_values(data))
        except (msgspec.MsgspecError, RecursionError):
            # A record has another value in place of an object, or a huge number, or is nested
            # deeply: one by one.
            return [self._decode_record(bytes(raw)) for raw in _decode_raw(data)]

    def _ignored_in_first_object(self, data: bytes, start: int) -> Iterable[str]:
        """Names of ignored fields in the object that begins at ``start``.

        Its end is searched among the next closing braces; one with more of them has no names.
        """
        end = start
        for _ in range(_MAX_CLOSING_BRACES):
            end = data.find(b"}", end) + 1
            if not end:
                break
            if (keys := self._ignored_keys(data[start:end])) is not None:
                return keys
        return ()


class NdjsonParser(_ObjectParser):
    """Parses lines that are a JSON value each."""

    def __init__(self, plan: ReadingPlan, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        super().__init__(plan)
        self._decode_field_lines: Callable[[bytes], list[Any]] = msgspec.json.Decoder(
            self._fields.type
        ).decode_lines
        self._decode_value_lines: Callable[[bytes], list[Any]] = msgspec.json.Decoder(
            self._fields.type | _NotAnObject
        ).decode_lines
        self.scanner: NdjsonScanner[Any] = NdjsonScanner(
            self._decode_lines,
            self._decode_record,
            max_record_bytes=MAX_RECORD_BYTES,
            offset=offset,
        )

    def texts(self, run: RecordRun[Any]) -> Sequence[bytes]:
        """The lines without surrounding white space."""
        return [line for line in map(bytes.strip, run.raw.split(b"\n")) if line]

    def ignored_fields(self, run: RecordRun[Any], max_records: int) -> Iterable[str]:
        """Of the first lines, of which some may be blank."""
        return self._ignored_in(_first_lines(run.raw, run.lead, max_records))

    def _decode_lines(self, data: bytes) -> list[Any]:
        try:
            return self._decode_field_lines(data)
        except (msgspec.ValidationError, RecursionError):
            pass
        try:
            return self._objects(self._decode_value_lines(data))
        except (msgspec.MsgspecError, RecursionError):
            return [self._decode_record(bytes(raw)) for raw in _decode_raw_lines(data)]


def _at(record: Mapping[str, Any], path: Path) -> object:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _first_lines(data: bytes, start: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _decode_leniently(data: bytes) -> dict[str, Any] | Reason:
    """Decode JSON that msgspec rejects: lone surrogates, numbers of any size."""
    try:
        # Converting a million digits to an integer would take minutes.
        value = json.loads(data.decode("utf-8", "replace"), parse_int=_short_number)
    except RecursionError:
        return NESTED_TOO_DEEPLY
    except json.JSONDecodeError:
        return NOT_AN_OBJECT
    return value if isinstance(value, dict) else NOT_AN_OBJECT


def _short_number(digits: str) -> float:
    return int(digits) if len(digits) < 20 else math.inf

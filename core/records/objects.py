"""JSON objects as records: which keys, at the top or further down, are the fields."""

import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from core.formats.base import RecordRun
from core.formats.json import JsonScanner
from core.formats.ndjson import NdjsonScanner
from core.reading.plan import Place, ReadingPlan
from core.records.limits import MAX_RECORD_BYTES
from core.records.models import Candidates, Skipped
from core.records.rejection_reasons import NESTED_TOO_DEEPLY, NOT_AN_OBJECT, Reason

_MAX_CLOSING_BRACES: Final = 8
"""How many closing braces are tried as the end of an object."""
_MAX_VALUES: Final = 50
"""Values of a list that are looked at."""
_ADDRESS_KEYS: Final = ("value", "email", "address", "emailAddress", "mail", "addr")
_NAME_KEYS: Final = ("displayName", "fullName", "value", "name", "formatted", "unstructuredName")
"""Keys of an object in a list that hold the value itself."""

Path = tuple[str, ...]

_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_raw: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_lines: Final = msgspec.json.Decoder(msgspec.Raw).decode_lines


class _Fields:
    """The keys of the plan, as a type for msgspec, which skips all other keys.

    A key at the top is an attribute; a path is one attribute after the other.
    """

    def __init__(self, plan: ReadingPlan) -> None:
        places = plan.places
        self.names, self.emails = _paths(places.name), _paths(places.email)
        self.first_names, self.last_names = _paths(places.first_name), _paths(places.last_name)
        paths = [*self.names, *self.first_names, *self.last_names, *self.emails]
        self.top_keys = frozenset(path[0] for path in paths)
        self.type, self._attributes = _struct(paths, "Record")
        self._getters = {
            path: operator.attrgetter(".".join(attributes))
            for path, attributes in self._attributes.items()
        }

    def value(self, record: Any, path: Path) -> object:  # noqa: ANN401
        """Return the value at a path of a decoded record, None if there is none."""
        if isinstance(record, dict):
            return _at(record, path)
        for attribute in self._attributes[path]:
            if record is None:
                return None
            record = getattr(record, attribute)
        return record

    def column(self, records: Sequence[Any], paths: Sequence[Path]) -> list[Any]:
        """Return the first value of each record that is filled; empty text where there is none.

        Raises AttributeError if a record is not an object, or lacks one on the path.
        """
        column: list[Any] = [""] * len(records)
        for number, path in enumerate(paths):
            values = list(map(self._getters[path], records))
            try:
                "".join(values)  # the cheapest way to see that all are text
            except TypeError:
                values = ["" if value is None else value for value in values]
            if number == 0:
                column = values
            elif "" in column:
                column = [
                    value if filled == "" else filled
                    for filled, value in zip(column, values, strict=True)
                ]
        return column


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
            fields.append((attribute, inner | None, None))
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
        self._fields = _Fields(plan)
        self._decode_one = msgspec.json.Decoder(self._fields.type).decode

    def columns(self, records: Sequence[Any]) -> tuple[list[Any], list[Any]] | None:
        """None if a record is not an object, or has unusual values."""
        fields = self._fields
        try:
            names, emails = (
                fields.column(records, paths) for paths in (fields.names, fields.emails)
            )
            if not (fields.first_names or fields.last_names):
                return names, emails
            halves = [
                [part.strip() for part in fields.column(records, paths)]
                for paths in (fields.first_names, fields.last_names)
            ]
        except AttributeError:  # one of them is a Reason, a dict, or lacks an object on a path
            return None
        if self.family_name_first:
            halves.reverse()
        joined = [
            f"{one} {two}" if one and two else one or two for one, two in zip(*halves, strict=True)
        ]
        if fields.names:
            joined = [
                both if name == "" else name for name, both in zip(names, joined, strict=True)
            ]
        return joined, emails

    def may_be_skipped(self, names: Sequence[Any], emails: Sequence[Any]) -> Iterable[int]:  # noqa: ARG002
        """Always empty: each object is a record."""
        return ()

    def candidates(self, record: Any) -> Candidates | Reason | Skipped:  # noqa: ANN401
        """The values of each field, those of lists one after the other."""
        if isinstance(record, Reason):
            return record
        fields = self._fields
        return Candidates(
            self._values(record, fields.names, _NAME_KEYS),
            self._values(record, fields.first_names, _NAME_KEYS),
            self._values(record, fields.last_names, _NAME_KEYS),
            self._values(record, fields.emails, _ADDRESS_KEYS),
        )

    def _values(
        self,
        record: Any,  # noqa: ANN401
        paths: Sequence[Path],
        keys: Sequence[str],
    ) -> tuple[object, ...]:
        return tuple(
            value for path in paths for value in _flattened(self._fields.value(record, path), keys)
        )

    def _decode_record(self, data: bytes) -> Any:  # noqa: ANN401
        try:
            return self._decode_one(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _decode_leniently(data)

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
        self.scanner: JsonScanner[Any] = JsonScanner(
            self._decode_run,
            self._decode_record,
            max_record_bytes=MAX_RECORD_BYTES,
            offset=offset,
        )

    def texts(self, run: RecordRun[Any]) -> Sequence[bytes]:
        """Taken from the run without decoding them, or by their spans if that is not possible."""
        try:
            return [bytes(raw) for raw in _decode_raw(b"[%b]" % run.raw[run.lead :])]
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
            # A record is not an object, has a huge number, or is nested deeply: one by one.
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
        self.scanner: NdjsonScanner[Any] = NdjsonScanner(
            self._decode_lines,
            self._decode_record,
            max_record_bytes=MAX_RECORD_BYTES,
            offset=offset,
        )

    def texts(self, run: RecordRun[Any]) -> Sequence[bytes]:
        """The lines without surrounding white space."""
        spans = self.scanner.spans(run)
        return [run.raw[start - run.offset : end - run.offset].strip() for start, end in spans]

    def ignored_fields(self, run: RecordRun[Any], max_records: int) -> Iterable[str]:
        """Of the first lines, of which some may be blank."""
        return self._ignored_in(_first_lines(run.raw, run.lead, max_records))

    def _decode_lines(self, data: bytes) -> list[Any]:
        try:
            return self._decode_field_lines(data)
        except (msgspec.ValidationError, RecursionError):
            return [self._decode_record(bytes(raw)) for raw in _decode_raw_lines(data)]


def _flattened(value: object, keys: Sequence[str]) -> Iterator[object]:
    """Yield the values of a field: of a list each one, the primary one first; of objects theirs."""
    if not isinstance(value, list | Mapping):
        yield value
        return
    values = value if isinstance(value, list) else [value]
    ranked = sorted(values[:_MAX_VALUES], key=lambda each: not _is_primary(each))
    for each in ranked:
        if isinstance(each, Mapping):
            yield next((each[key] for key in keys if each.get(key)), None)
        elif not isinstance(each, list):
            yield each


def _is_primary(value: object) -> bool:
    return isinstance(value, Mapping) and any(
        value.get(key) is True for key in ("primary", "isPrimary", "is_primary", "default")
    )


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

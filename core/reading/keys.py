"""The plan of JSON records: which keys, at the top or further down, hold what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from core.reading.assignment import assign
from core.reading.columns import MAX_SAMPLE_ROWS, Column, find_named
from core.reading.header_text import words_of
from core.reading.matching import HeaderMatch, match_header
from core.reading.name_columns import NAMES
from core.reading.options import ReadingOptions
from core.reading.people import role_words
from core.reading.plan import Certainty, Field, FieldPlaces, ReadingPlan
from core.reading.vocabulary import joined

Path = tuple[str, ...]

MAX_KEYS: Final = 1000
"""Different keys that are looked at."""
_MAX_VALUES: Final = 50_000
"""Values that are looked at, the missing ones included."""
MAX_PATH: Final = 4
"""Keys of a path that a client names."""

_MAX_WRAPPERS: Final = 3
"""Objects, one in the other, that the key of a value is in."""
_WRAPPERS: Final = frozenset(
    joined(words_of(word))
    for word in (
        *("properties", "fields", "profile", "attributes", "attrs", "_source", "source", "doc"),
        *("document", "merge_fields", "contactInfo", "contact_info", "contactDetails", "details"),
        *("node", "item", "record", "row", "data", "values", "basic", "basics", "info", "identity"),
        *("traits", "claims", "emails", "names", "name", "email", "user_metadata", "personal"),
        *("personalInfo", "personal_data", "nameDetails", "full_name", "resource", "primary_email"),
        *("entry", "answers", "result", "object", "payload", "content", "demographics", "main"),
    )
)
"""Objects whose keys are about the contact itself."""
_PERSONS: Final = frozenset({"contact", "person", "primarycontact", "maincontact", "individual"})
"""Objects that are a person, beside those that are called by a role."""
_PARTS_OF_VALUES: Final = ("value", "email", "address", "emailAddress", "displayName", "name")
"""Keys of an object in a list that hold the value itself."""
_PLAIN: Final = FieldPlaces(name=(("name",),), email=(("email",),))


def plan_objects(records: Sequence[Mapping[str, Any]], options: ReadingOptions) -> ReadingPlan:
    """Return the plan of JSON records of which these are the first ones.

    A key that the client names may be missing in them. Records with none of the known keys are
    read by ``name`` and ``email``. Raises MalformedInputError as ``assign`` does.
    """
    columns = _columns([record for record in records if isinstance(record, Mapping)])
    named = [(_named(columns, name), field) for name, field in options.mapping]
    assignment = assign(columns, named, options)
    places, certainty = assignment.places, dict(assignment.certainty)
    if not places.used & {column.place for column in columns}:
        # None of the keys is known; later records may have the usual ones.
        has_halves = places.first_name or places.last_name
        names = () if has_halves or options.no_name else _PLAIN.name
        email = () if options.no_email else _PLAIN.email
        places = FieldPlaces(
            name=places.name or names,
            first_name=places.first_name,
            last_name=places.last_name,
            email=places.email or email,
        )
        certainty = {field: certainty.get(field, Certainty.SURE) for field in _fields(places)}
    elif not options.mapping:
        places, certainty = _with_usual_keys(places, certainty, options)
    return ReadingPlan(
        places=places,
        family_name_first=assignment.family_name_first,
        certainty=certainty,
        warnings=assignment.warnings,
    )


def _with_usual_keys(
    places: FieldPlaces, certainty: dict[Field, Certainty], options: ReadingOptions
) -> tuple[FieldPlaces, dict[Field, Certainty]]:
    """Add the keys ``name`` and ``email``, which later records may have, where there is no key."""
    name, email = places.name, places.email
    if not (name or places.first_name or places.last_name or options.no_name):
        name, certainty = _PLAIN.name, {**certainty, Field.NAME: Certainty.SURE}
    if not email and not options.no_email:
        email, certainty = _PLAIN.email, {**certainty, Field.EMAIL: Certainty.SURE}
    return FieldPlaces(name, places.first_name, places.last_name, email), certainty


def _fields(places: FieldPlaces) -> Iterator[Field]:
    return (field for field in Field if places.of(field))


def _columns(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the keys of the first records, at the top and in wrappers, with their values.

    If no address is there, the keys of all objects count. Those that are called after somebody
    else are not the contact's, and matter only if the contact's name is not there either.
    """
    sample = records[:MAX_SAMPLE_ROWS]
    columns = _columns_at(sample, _is_wrapper)
    if not any(column.is_addresses or _is_filled_email(column) for column in columns):
        has_name = any(c.match.field in NAMES and not c.object for c in columns)
        is_searched = _is_not_of_others if has_name else lambda _: True
        columns = _columns_at(sample, is_searched)
    return columns


def _is_not_of_others(key: str) -> bool:
    return _is_wrapper(key) or not match_header(key).is_other


def _is_filled_email(column: Column) -> bool:
    return column.match.field is Field.EMAIL and bool(column.filled)


def _columns_at(
    sample: Sequence[Mapping[str, Any]], is_wrapper: Callable[[str], bool]
) -> list[Column]:
    """Return the keys at the top, and those in objects whose own keys are wrappers."""
    paths: dict[Path, None] = {}
    for record in sample:
        for path in _paths(record, (), is_wrapper):
            if len(paths) >= MAX_KEYS:
                break
            paths.setdefault(path)
    inner = {path[:length] for path in paths for length in range(1, len(path))}
    for path in inner & paths.keys():  # a wrapper that is null in some record is not a value
        if not any(isinstance(_at(record, path), str | list | int | float) for record in sample):
            del paths[path]
    sample = sample[: max(1, _MAX_VALUES // max(1, len(paths)))]
    return [
        Column(
            place=path,
            name=".".join(path),
            map=".".join(path),
            match=_match(path),
            values=[_sampled(record, path) for record in sample],
            object=_person_object(path),
        )
        for path in paths
    ]


def _is_wrapper(key: str) -> bool:
    word = joined(words_of(key))
    return word in _WRAPPERS or _is_person(word)


def _is_person(word: str) -> bool:
    return word in _PERSONS or word in role_words()


def _person_object(path: Path) -> Path:
    """Return the path of the innermost object that is a person, empty if there is none."""
    lengths = range(len(path) - 1, 0, -1)
    return next((path[:at] for at in lengths if _is_person(joined(words_of(path[at - 1])))), ())


def _paths(
    record: Mapping[str, Any], path: Path, is_wrapper: Callable[[str], bool]
) -> Iterator[Path]:
    """Yield the paths of values: texts, numbers, null, and lists of texts or of objects."""
    for key, value in record.items():
        if not isinstance(value, Mapping):
            yield (*path, key)
        elif len(path) < _MAX_WRAPPERS and is_wrapper(key):
            yield from _paths(value, (*path, key), is_wrapper)


def _match(path: Path) -> HeaderMatch:
    """Return what a path says: by its last key, or by the last two, as for ``name.first``."""
    inner = match_header(path[-1])
    if len(path) == 1:
        return inner
    outer = match_header(path[-2])
    if inner.field is None and not inner.is_other:
        both = match_header(f"{path[-1]} {path[-2]}")
        if both.field or path[-1] == "value":
            inner = both if both.field else outer
    is_other = any(match_header(key).is_other for key in path[:-1] if not _is_wrapper(key))
    if is_other or (inner.field is Field.NAME and outer.field is Field.EMAIL):
        return HeaderMatch(is_other=True)
    return inner


def _sampled(record: Mapping[str, Any], path: Path) -> str:
    """Return the value at a path as text; of a flag its word, which is no name."""
    value = _at(record, path)
    return str(value).lower() if isinstance(value, bool) else text_at(record, path)


def _at(record: Mapping[str, Any], path: Path) -> object:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def text_at(record: Mapping[str, Any], path: Path) -> str:
    """Return the value at a path as text: of a list its first value, empty if there is none."""
    value: Any = _at(record, path)
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        value = next((value[key] for key in _PARTS_OF_VALUES if value.get(key)), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _named(columns: Sequence[Column], name: str) -> Column:
    """Return the column that a client names; by its path if the first records do not have it."""
    if column := find_named(columns, name):
        return column
    path = tuple(name.split(".")[:MAX_PATH])
    return Column(place=path, name=name, map=name, match=HeaderMatch(), values=[])

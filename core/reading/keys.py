"""The plan of JSON records: which keys, at the top or one level down, hold what."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from core.reading.columns import MAX_SAMPLE_ROWS, Column, assign, find_named
from core.reading.header_text import words_of
from core.reading.matching import HeaderMatch, match_header
from core.reading.options import ReadingOptions
from core.reading.plan import Certainty, Field, FieldPlaces, ReadingPlan
from core.reading.vocabulary import joined

Path = tuple[str, ...]

MAX_KEYS: Final = 1000
"""Different keys that are looked at."""
MAX_PATH: Final = 4
"""Keys of a path that a client names."""

_WRAPPERS: Final = frozenset(
    joined(words_of(word))
    for word in (
        *("properties", "fields", "profile", "attributes", "attrs", "_source", "source", "doc"),
        *(
            "document",
            "merge_fields",
            "person",
            "contact",
            "contactInfo",
            "contact_info",
            "details",
        ),
        *("user", "customer", "member", "subscriber", "node", "item", "record", "row", "data"),
        *("values", "basic", "basics", "info", "identity", "traits", "claims", "emails", "names"),
        *("name", "email", "user_metadata", "personal", "personalInfo", "primaryContact"),
        *("nameDetails", "full_name", "contactDetails", "resource", "primary_email", "billing"),
    )
)
"""Objects, one level down, whose keys are about the contact itself."""
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
    assignment = assign(columns, named, no_email=options.no_email)
    places, certainty = assignment.places, dict(assignment.certainty)
    if not places.used & {column.place for column in columns}:
        # None of the keys is known; later records may have the usual ones.
        names = () if places.first_name or places.last_name else _PLAIN.name
        email = () if options.no_email else _PLAIN.email
        places = FieldPlaces(
            name=places.name or names,
            first_name=places.first_name,
            last_name=places.last_name,
            email=places.email or email,
        )
        certainty = {field: certainty.get(field, Certainty.SURE) for field in _fields(places)}
    elif not options.mapping:
        places, certainty = _with_usual_keys(places, certainty, no_email=options.no_email)
    return ReadingPlan(
        places=places,
        family_name_first=assignment.family_name_first,
        certainty=certainty,
        warnings=assignment.warnings,
    )


def _with_usual_keys(
    places: FieldPlaces, certainty: dict[Field, Certainty], *, no_email: bool
) -> tuple[FieldPlaces, dict[Field, Certainty]]:
    """Add the keys ``name`` and ``email``, which later records may have, where there is no key."""
    name, email = places.name, places.email
    if not (name or places.first_name or places.last_name):
        name, certainty = _PLAIN.name, {**certainty, Field.NAME: Certainty.SURE}
    if not email and not no_email:
        email, certainty = _PLAIN.email, {**certainty, Field.EMAIL: Certainty.SURE}
    return FieldPlaces(name, places.first_name, places.last_name, email), certainty


def _fields(places: FieldPlaces) -> Iterator[Field]:
    return (field for field in Field if places.of(field))


def _columns(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the keys of the first records, at the top and in wrappers, with their values."""
    sample = records[:MAX_SAMPLE_ROWS]
    paths: dict[Path, None] = {}
    for record in sample:
        for path in _paths(record):
            if len(paths) >= MAX_KEYS:
                break
            paths.setdefault(path)
    inner = {path[0] for path in paths if len(path) > 1}
    for key in inner:  # a wrapper that is null in some record is not a value
        if not any(isinstance(record.get(key), str | list | int | float) for record in sample):
            paths.pop((key,), None)
    return [
        Column(
            place=path,
            name=".".join(path),
            map=".".join(path),
            match=_match(path),
            values=[text_at(record, path) for record in sample],
        )
        for path in paths
    ]


def _paths(record: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the paths of values: texts, numbers, null, and lists of texts or of objects."""
    for key, value in record.items():
        if not isinstance(value, Mapping):
            yield (key,)
        elif joined(words_of(key)) in _WRAPPERS:
            for inner, inner_value in value.items():
                if not isinstance(inner_value, Mapping):
                    yield (key, inner)


def _match(path: Path) -> HeaderMatch:
    """Return what a path says: by its last key, or by both, as for ``name.first``."""
    if len(path) == 1:
        return match_header(path[0])
    inner = match_header(path[-1])
    if inner.field is None and not inner.is_other:
        both = match_header(f"{path[-1]} {path[0]}")
        return both if both.field else match_header(path[0]) if path[-1] == "value" else inner
    if inner.field is Field.NAME and match_header(path[0]).field is Field.EMAIL:
        return HeaderMatch(is_other=True)
    return inner


def text_at(record: Mapping[str, Any], path: Path) -> str:
    """Return the value at a path as text: of a list its first value, empty if there is none."""
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
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

"""The columns of a file, or the keys of its records, as clients see them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from core.field_names import MAX_KEPT_NAMES, storable_name
from core.reading.plan import Certainty, Field, Place, ReadingPlan

MAX_SAMPLES: Final = 3
MAX_SAMPLE_LENGTH: Final = 80
"""Characters of a sample."""
_MAX_LEVELS: Final = 2
"""Keys in the path of a column of JSON records."""


class Column(msgspec.Struct, frozen=True):
    """A column of a CSV file, or a key of JSON records, and what it is taken for."""

    name: Annotated[str, Meta(description="As the file names it; empty if it does not.")]
    map: Annotated[
        str, Meta(description="Names the column in the option `map`: `map={map}:{field}`.")
    ]
    samples: Annotated[
        list[str], Meta(description="The first values that are not empty.", max_length=MAX_SAMPLES)
    ]
    field: Annotated[Field | None, Meta(description="The contact field that it holds, if any.")]
    certainty: Annotated[
        Certainty | None,
        Meta(
            description="How sure that is: `named` by the request, `sure` by its name, `likely` by "
            "a name with further words, or `guessed` by its values."
        ),
    ]


def columns_of_records(plan: ReadingPlan, records: Sequence[Any]) -> list[Column]:
    """Return the columns of records, as a plan takes them; at most MAX_KEPT_NAMES.

    A row is a list of texts, an object a dict; anything else has no columns.
    """
    fields = {place: field for field in Field for place in plan.places.of(field)}
    places: Sequence[Place]
    if plan.csv is not None:
        width = max([plan.columns, *(len(row) for row in records if isinstance(row, list))])
        places = range(min(width, MAX_KEPT_NAMES))
    else:
        others = (path for record in records for path in _paths(record, ()))
        unused = (path for path in others if not fields.keys() & _beginnings(path))
        places = list(dict.fromkeys([*fields, *unused]))[:MAX_KEPT_NAMES]
    return [
        Column(
            name=column_name(plan, place),
            map=column_map(plan, place),
            samples=list(islice(_samples(records, place), MAX_SAMPLES)),
            field=fields.get(place),
            certainty=plan.certainty.get(fields[place]) if place in fields else None,
        )
        for place in places
    ]


def column_name(plan: ReadingPlan, place: Place) -> str:
    """Return the name of a column, empty if it has none; of a key, its path with dots."""
    if not isinstance(place, int):
        return storable_name(".".join(place))
    is_named = plan.has_header and place < len(plan.header)
    return storable_name(plan.header[place]) if is_named else ""


def column_label(plan: ReadingPlan, place: Place) -> str:
    """Return the name of a column, or its number from 1 if it has none."""
    return column_name(plan, place) or column_map(plan, place)


def column_map(plan: ReadingPlan, place: Place) -> str:
    """Return what names a column in the option ``map``: its name, else its number from 1."""
    name = column_name(plan, place)
    if isinstance(place, int) and (not name or plan.header.index(plan.header[place]) != place):
        return str(place + 1)
    return name


def _paths(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the texts, numbers and lists of them in an object."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        if len(path) < _MAX_LEVELS:
            for key, inner in value.items():
                yield from _paths(inner, (*path, key))
    elif path:
        yield path


def _beginnings(path: tuple[str, ...]) -> set[Place]:
    return {path[:length] for length in range(1, len(path) + 1)}


def _samples(records: Sequence[Any], place: Place) -> Iterator[str]:
    for record in records:
        value = _value_at(record, place)
        text = " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
        if text:
            yield text[:MAX_SAMPLE_LENGTH]


def _value_at(record: Any, place: Place) -> object:  # noqa: ANN401 -- any JSON value
    """Return the value at a place of a record; of a list, the first element; None if missing."""
    if isinstance(place, int):
        return record[place] if isinstance(record, list) and place < len(record) else None
    for key in place:
        record = _first(record)
        record = record.get(key) if isinstance(record, dict) else None
    record = _first(record)
    return record.get("value") if isinstance(record, dict) else record


def _first(value: Any) -> Any:  # noqa: ANN401
    return (value[0] if value else None) if isinstance(value, list) else value

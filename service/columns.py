"""The columns of a file, or the keys of its records, as clients see them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from core.field_names import MAX_KEPT_NAMES, storable_name
from core.reading.keys import text_at
from core.reading.plan import Certainty, Field, Place, ReadingPlan

MAX_SAMPLES: Final = 3
MAX_SAMPLE_LENGTH: Final = 80
"""Characters of a sample."""
_MAX_LEVELS: Final = 3
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

    A row is a list of texts, an object a dict; records that are neither have no columns.
    """
    fields = {place: field for field in Field for place in plan.places.of(field)}
    places: Sequence[Place]
    kind = dict if plan.csv is None else list
    records = [record for record in records if isinstance(record, kind)]
    if plan.csv is not None:
        width = max([plan.columns, *map(len, records)])
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
    """Yield the paths of the texts, numbers and lists in an object and in objects in it."""
    if isinstance(value, dict) and len(path) < _MAX_LEVELS:
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif path and not isinstance(value, dict):
        yield path


def _beginnings(path: tuple[str, ...]) -> set[Place]:
    return {path[:length] for length in range(1, len(path) + 1)}


def _samples(records: Sequence[Any], place: Place) -> Iterator[str]:
    for record in records:
        if isinstance(place, int):
            text = str(record[place]) if place < len(record) else ""
        else:
            text = text_at(record, place)
        if plain := " ".join(text.split()):
            yield plain[:MAX_SAMPLE_LENGTH]

"""Reading plans for tests."""

from core.formats.csv_dialect import CsvDialect
from core.reading.plan import FieldPlaces, ReadingPlan

OBJECTS = ReadingPlan(places=FieldPlaces(name=(("name",),), email=(("email",),)))
"""The plan of plain JSON."""


def rows_plan(
    columns: int,
    name: int | None = None,
    email: int | None = None,
    header: tuple[str, ...] = (),
    *,
    first_name: int | None = None,
    last_name: int | None = None,
    delimiter: str = ",",
) -> ReadingPlan:
    """Return the plan of a CSV file with at most one column for each field."""
    places = {"name": name, "email": email, "first_name": first_name, "last_name": last_name}
    return ReadingPlan(
        places=FieldPlaces(**{f: (at,) for f, at in places.items() if at is not None}),
        csv=CsvDialect(delimiter=delimiter),
        columns=columns,
        header=header,
    )


NAME_AND_EMAIL = rows_plan(2, 0, 1)
"""The plan of rows with a name and an e-mail."""

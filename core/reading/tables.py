"""Stand-in: plans of CSV files."""

import csv
from io import StringIO

from core.errors import MalformedInputError
from core.reading.options import ReadingOptions
from core.reading.plan import Certainty, CsvDialect, Field, FieldPlaces, ReadingPlan

_NAMES = {"name": Field.NAME, "email": Field.EMAIL, "firstname": Field.FIRST_NAME,
          "lastname": Field.LAST_NAME}  # fmt: skip


def plan_csv(text: str, options: ReadingOptions, *, complete: bool) -> ReadingPlan:  # noqa: ARG001
    """Return the plan of a CSV file that begins so."""
    best: tuple[int, str, list[str], dict[str, tuple[int, ...]]] = (0, ",", [], {})
    for delimiter in [options.delimiter] if options.delimiter else [",", ";", "\t", "|"]:
        rows = (row for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter) if row)
        header = next(rows, [])
        places: dict[str, tuple[int, ...]] = {}
        for at, column in enumerate(header):
            plain = column.strip("\ufeff ").lower().replace("-", "").replace(" ", "")
            if field := dict(options.mapping).get(column) or _NAMES.get(plain.replace("_", "")):
                places[field.value] = (*places.get(field.value, ()), at)
        if len(places) > best[0]:
            best = (len(places), delimiter, header, places)
    _, delimiter, header, places = best
    if not places:
        raise MalformedInputError("csv_header_unusable", "None of the columns is known.")
    return ReadingPlan(
        places=FieldPlaces(**places),
        csv=CsvDialect(delimiter=delimiter),
        columns=len(header),
        header=tuple(header),
        certainty={Field(field): Certainty.SURE for field in places},
    )

"""Plans in the database, also those of earlier versions."""

from core.formats.csv_dialect import CsvDialect
from core.reading.plan import Certainty, Field, FieldPlaces, PlanWarning, ReadingPlan


def test_a_plan_is_read_as_it_was_written():
    plan = ReadingPlan(
        places=FieldPlaces(name=(0, ("a", "b")), email=(2,)),
        csv=CsvDialect(delimiter=";"),
        columns=3,
        header=("x", "y", "z"),
        skipped_rows=1,
        certainty={Field.EMAIL: Certainty.LIKELY},
        warnings=(PlanWarning("column_guessed", 1, ("z",)),),
    )
    assert ReadingPlan.from_json(plan.to_json()) == plan


def test_layouts_of_earlier_versions_are_read():
    layout = {"fields": 3, "name": None, "email": 2, "first_name": 0, "last_name": 1, "header": []}
    found = ReadingPlan.from_json({**layout, "delimiter": ";"})
    assert found.places == FieldPlaces((), (0,), (1,), (2,))
    assert (found.columns, found.csv) == (3, CsvDialect(delimiter=";"))
    assert ReadingPlan.from_json(None).places == FieldPlaces((("name",),), email=(("email",),))

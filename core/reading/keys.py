"""Stand-in: plans of JSON texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.reading.options import ReadingOptions
from core.reading.plan import Certainty, Field, FieldPlaces, ReadingPlan


def plan_objects(records: Sequence[Mapping[str, Any]], options: ReadingOptions) -> ReadingPlan:  # noqa: ARG001
    """Return the plan of JSON records that begin so."""
    return ReadingPlan(
        places=FieldPlaces(name=(("name",),), email=(("email",),)),
        certainty={Field.NAME: Certainty.SURE, Field.EMAIL: Certainty.SURE},
    )

"""What the service has found out about a file, as the import keeps it and clients see it."""

from collections.abc import Sequence
from typing import Any, Final

from core.field_names import MAX_KEPT_NAMES, storable_name
from core.reading.plan import Field, Place, ReadingPlan
from service.columns import column_label
from service.splitting.part_cutter import Split

_MAX_ALTERNATIVES: Final = 20


def detected(split: Split, compression: str | None) -> dict[str, Any]:
    """Return the properties of a file, as core.job_view.Detected describes them."""
    plan, encoding = split.plan, split.encoding
    found: dict[str, Any] = {"encoding": encoding.name, "compression": compression}
    if encoding.guessed:
        found |= {"guessed": True, "sample": encoding.sample}
    if plan.csv is not None:
        found |= {
            "delimiter": plan.csv.delimiter,
            "header": [storable_name(name) for name in plan.header[:MAX_KEPT_NAMES]],
            "skippedRows": plan.skipped_rows,
        }
    places = {field: plan.places.of(field) for field in Field if plan.places.of(field)}
    return found | {
        "mapping": {field.value: column_label(plan, each[0]) for field, each in places.items()},
        "alternatives": {
            field.value: _names(plan, each[1:]) for field, each in places.items() if each[1:]
        },
        "certainty": {field.value: certainty.value for field, certainty in plan.certainty.items()},
    }


def _names(plan: ReadingPlan, places: Sequence[Place]) -> list[str]:
    return [column_label(plan, place) for place in places[:_MAX_ALTERNATIVES]]

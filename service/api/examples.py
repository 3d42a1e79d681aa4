"""Examples for the OpenAPI document: instances of the types that handlers answer with."""

from typing import Any, Final

from core.job_view import (
    Detected,
    ExpiresAt,
    Ignored,
    Job,
    Parts,
    Receipt,
    WebhookEvent,
    record_warning,
)
from core.reading.plan import Certainty, Field
from core.states import Format, ImportState
from service.api.schemas import (
    Accepted,
    Erasure,
    ErasureRequest,
    Health,
    ImportPreview,
    ImportsPage,
    PreviewedRecord,
    Readiness,
    Rejection,
    RejectionsPage,
)
from service.columns import Column
from service.problem_types import PROBLEM_TYPES
from service.problems import Problem, problem

JOB_ID: Final = "import-019305f2-3b4c-7d5e-8f60-718293a4b5c6"

CSV: Final = "name,email\nAda Lovelace,ada@example.com\nGrace Hopper,grace@example.com\n"
NDJSON: Final = '{"name": "Ada Lovelace", "email": "ada@example.com"}\n'
JSON: Final = {
    "source": "crm-tool-x",
    "data": [
        {"name": "Ada Lovelace", "email": "ada@example.com"},
        {"name": "Grace Hopper", "email": "grace@example.com"},
    ],
}
FORM: Final = {"source": "crm-tool-x", "dryRun": False, "file": CSV}

ACCEPTED: Final = Accepted(job_id=JOB_ID, url=f"/import/{JOB_ID}", dry_run=False, warnings=[])
JOB: Final = Job(
    job_id=JOB_ID,
    source="crm-tool-x",
    format=Format.CSV,
    state=ImportState.COMPLETED,
    dry_run=False,
    created_at="2026-11-26T09:00:00.125+00:00",
    started_at="2026-11-26T09:00:00.210+00:00",
    finished_at="2026-11-26T09:00:03.710+00:00",
    bytes=7_340_032,
    records=200_000,
    imported=199_988,
    rejected=12,
    rejected_by_code={"email_invalid": 12},
    skipped=0,
    skipped_by_code={},
    not_processed=0,
    rate=57142.9,
    parts=Parts(total=2, done=2, failed=0, cancelled=0),
    receipt=Receipt(
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        bytes=7_340_032,
    ),
    detected=Detected(
        header=["name", "email", "phone"],
        mapping={"name": "name", "email": "email"},
        encoding="utf-8",
        delimiter=",",
        compression=None,
    ),
    ignored=Ignored(fields=["phone"], more=False),
    warnings=[record_warning("address_repaired", 2, [17, 4711])],
    expires_at=ExpiresAt("2026-12-26T09:00:03.710+00:00", "2026-12-26T09:00:03.710+00:00", None),
    created_by=None,
    cancelled_by=None,
    undone_by=None,
)
PREVIEW: Final = ImportPreview(
    format=Format.CSV,
    detected=Detected(
        header=["Name", "E-Mail"],
        mapping={"name": "Name", "email": "E-Mail"},
        encoding="utf-8",
        delimiter=";",
        compression=None,
    ),
    complete=True,
    records_seen=1,
    columns=[
        Column("Name", "Name", ["Ada Lovelace"], Field.NAME, Certainty.SURE),
        Column("E-Mail", "E-Mail", ["ada@example.com"], Field.EMAIL, Certainty.SURE),
    ],
    records=[
        PreviewedRecord(
            record=1,
            outcome="imported",
            name="Ada Lovelace",
            email="ada@example.com",
            warnings=[],
            content={"Name": "Ada Lovelace", "E-Mail": "ada@example.com"},
        )
    ],
    warnings=[],
)
IMPORTS: Final = ImportsPage(imports=[JOB], next=None)
REJECTIONS: Final = RejectionsPage(
    rejections=[
        Rejection(
            record=7,
            code="email_invalid",
            message="The e-mail address is not valid.",
            hint="ada@gmail.com",
            content={"name": "Ada Lovelace", "email": "ada@gmial.com"},
        )
    ],
    next=None,
)
REJECTIONS_CSV: Final = (
    '"record","code","message","hint","name","email","content"\n'
    '"7","email_invalid","The e-mail address is not valid.","ada@gmail.com","Ada Lovelace",'
    '"ada@gmial.com",""\n'
)
ERASURE_REQUEST: Final = ErasureRequest("ada@example.com")
ERASURE: Final = Erasure(
    erasure_id="f47ac10b-58cc-4372-a567-0e02b2c3d479",
    state="completed",
    created_at="2026-11-26T09:00:00.125+00:00",
    finished_at="2026-11-26T09:00:01.710+00:00",
    created_by="privacy",
    contacts=2,
    rejections=1,
    objects=[JOB_ID],
    more_objects=False,
    objects_removed=0,
    concurrent_imports=0,
)
HEALTH: Final = Health()
READINESS: Final = Readiness(checks={"storage": "ok", "database": "ok"})
EVENT: Final = WebhookEvent(
    type="import.completed", timestamp="2026-11-26T09:00:03.710+00:00", data=JOB
)

_EXTRA: Final[dict[str, dict[str, Any]]] = {
    "malformed_json": {"offset": 57, "record": 2},
    "malformed_csv": {"offset": 71, "record": 3},
    "invalid_text": {"offset": 12, "record": 1},
    "invalid_utf8": {"offset": 57, "record": 2},
    "nested_too_deeply": {"record": 5},
    "number_too_long": {"offset": 20},
    "record_too_large": {"offset": 96, "record": 4},
    "records_too_short": {"record": 3_000_000},
    "import_ended": {"state": ImportState.COMPLETED},
    "not_failed": {"state": ImportState.COMPLETED},
    "unknown_option": {"param": "dryrun"},
    "field_too_late": {"param": "delimiter"},
}


def problem_example(code: str) -> Problem:
    """Return a typical problem of a type."""
    return problem(code, PROBLEM_TYPES[code].example, **_EXTRA.get(code, {}))

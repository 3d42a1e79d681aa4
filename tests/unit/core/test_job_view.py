from typing import Any

import msgspec
import pytest

from core.job_view import WebhookEvent, advice, job_view
from core.reading.warnings import MESSAGES
from core.retention import Retention

FOR_EVER = Retention()
JOB = "import-01890000-0000-7000-8000-000000000000"
FOUND = {
    "id": JOB[7:],
    "source": "s",
    "format": "csv",
    "state": "failed",
    "dry_run": False,
    "created_at": "2026-01-01T00:00:00+00:00",
    "started_at": "2026-01-01T00:00:01+00:00",
    "finished_at": "2026-01-01T00:00:05+00:00",
    "seconds": 4,
    "bytes": 9,
    "records": 30,
    "imported": 8,
    "rejected": 2,
    "not_processed": 20,
    "rejected_codes": {"email_invalid": 2},
    "skipped": 3,
    "skipped_codes": {"footer": 1, "blank_row": 2},
    "warnings": {"address_repaired": {"count": 2, "records": [4, 9]}},
    "plan_warnings": [{"code": "column_guessed", "names": ["Login"]}],
    "parts_total": 2,
    "parts_done": 1,
    "parts_failed": 1,
    "parts_cancelled": 0,
    "sha256": "ab",
    "received": 10,
    "detected": {"encoding": "utf-8", "delimiter": ";", "compression": None},
    "ignored": ["phone"],
    "created_by": "crm",
    "cancelled_by": None,
    "undone_by": "admin",
    "keep": None,
    "object_expired_at": None,
    "rejections_expired_at": None,
    "failure": {"code": "object_missing", "detail": "y", "part": 2},
}


def view(retention: Retention = FOR_EVER, /, **changes: Any) -> dict[str, Any]:
    """The view of FOUND with these changes, as JSON has it."""
    seen: dict[str, Any] = msgspec.to_builtins(job_view(FOUND | changes, retention))
    return seen


def test_job_view_has_the_field_names_of_the_api():
    assert view() == {
        "jobId": JOB,
        "source": "s",
        "format": "csv",
        "state": "failed",
        "dryRun": False,
        "createdAt": FOUND["created_at"],
        "startedAt": FOUND["started_at"],
        "finishedAt": FOUND["finished_at"],
        "bytes": 9,
        "records": 30,
        "imported": 8,
        "rejected": 2,
        "rejectedByCode": {"email_invalid": 2},
        "skipped": 3,
        "skippedByCode": {"footer": 1, "blank_row": 2},
        "notProcessed": 20,
        "rate": 2.5,
        "parts": {"total": 2, "done": 1, "failed": 1, "cancelled": 0},
        "receipt": {"sha256": "ab", "bytes": 10},
        "detected": {"encoding": "utf-8", "delimiter": ";", "compression": None},
        "ignored": {"fields": ["phone"], "more": False},
        "warnings": [
            {
                "code": "column_guessed",
                "message": MESSAGES["column_guessed"],
                "count": 1,
                "records": [],
                "names": ["Login"],
            },
            {
                "code": "address_repaired",
                "message": MESSAGES["address_repaired"],
                "count": 2,
                "records": [4, 9],
                "names": [],
            },
        ],
        "expiresAt": {"object": None, "rejections": None, "import": None},
        "createdBy": "crm",
        "cancelledBy": None,
        "undoneBy": "admin",
        "failure": {**FOUND["failure"], "advice": advice("object_missing")},
    }


def test_a_failed_undo_has_the_contacts_left_and_advice():
    failure = {"code": "undo_refused", "detail": "why", "contacts_left": 0}
    seen = view(state="undo_failed", failure=failure)["failure"]
    words = {"detail": "why", "advice": advice("undo_refused")}
    assert seen == {"code": "undo_refused", "contactsLeft": 0, **words}
    assert "DELETE" in seen["advice"]


def test_receipt_and_rate_are_null_and_failure_is_absent_while_unknown():
    early = view(sha256=None, seconds=None, failure=None, started_at=None)
    assert (early["receipt"], early["rate"], "failure" in early) == (None, None, False)


@pytest.mark.parametrize(("names", "more"), [(0, False), (100, False), (101, True)])
def test_at_most_100_ignored_fields_are_named(names, more):
    ignored = view(ignored=[f"n{n:03}" for n in range(names)])["ignored"]
    assert ignored == {"fields": [f"n{n:03}" for n in range(min(names, 100))], "more": more}


DAY = 86_400
END = "2026-01-01T00:00:05+00:00"
NEXT_DAY, TENTH_DAY = "2026-01-02T00:00:05+00:00", "2026-01-11T00:00:05+00:00"


@pytest.mark.parametrize(
    ("retention", "keep", "expected"),
    [
        (Retention(objects=DAY), None, (NEXT_DAY, None, None)),
        (Retention(rejections=DAY), None, (None, NEXT_DAY, None)),
        (Retention(imports=10 * DAY), None, (TENTH_DAY, TENTH_DAY, TENTH_DAY)),
        (Retention(objects=20 * DAY, imports=10 * DAY), DAY, (NEXT_DAY, NEXT_DAY, TENTH_DAY)),
        (Retention(DAY, 10 * DAY), 10 * DAY, (NEXT_DAY, TENTH_DAY, None)),
        (FOR_EVER, DAY, (NEXT_DAY, NEXT_DAY, None)),
    ],
)
def test_what_expires_first_counts_from_the_end_of_the_import(retention, keep, expected):
    found = view(retention, keep=keep)["expiresAt"]
    assert (found["object"], found["rejections"], found["import"]) == expected
    running = view(retention, keep=keep, finished_at=None)["expiresAt"]
    assert set(running.values()) == {None}


def test_what_has_expired_has_the_time_when_it_did():
    found = view(Retention(DAY), object_expired_at=END, rejections_expired_at=END)["expiresAt"]
    assert found == {"object": END, "rejections": END, "import": None}


def test_keys_are_in_the_order_of_the_documented_type():
    event = WebhookEvent(
        type="import.failed", timestamp=FOUND["finished_at"], data=job_view(FOUND, FOR_EVER)
    )
    encoded = msgspec.json.decode(msgspec.json.encode(event))
    assert list(encoded) == ["type", "timestamp", "data"]
    assert list(encoded["data"])[:4] == ["jobId", "source", "format", "state"]
    assert list(encoded["data"]["failure"]) == ["code", "detail", "part", "advice"]

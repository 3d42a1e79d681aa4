import pytest

from core.job_view import advice, job_view

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
    "parts_total": 2,
    "parts_done": 1,
    "parts_failed": 1,
    "parts_cancelled": 0,
    "sha256": "ab",
    "received": 10,
    "detected": {"delimiter": ";"},
    "ignored": ["phone"],
    "failure": {"code": "object_missing", "detail": "y", "part": 2},
}


def test_job_view_has_all_fields_of_the_api():
    assert job_view(FOUND) == {
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
        "notProcessed": 20,
        "rate": 2.5,
        "parts": {"total": 2, "done": 1, "failed": 1, "cancelled": 0},
        "receipt": {"sha256": "ab", "bytes": 10},
        "detected": {"delimiter": ";"},
        "ignored": {"fields": ["phone"], "more": False},
        "failure": {**FOUND["failure"], "advice": advice("object_missing")},
    }


def test_job_view_of_a_failed_undo_has_the_contacts_left():
    failure = {"code": "undo_refused", "detail": "why", "contacts_left": 0}
    told = job_view(FOUND | {"state": "undo_failed", "failure": failure})["failure"]
    words = {"detail": "why", "advice": advice("undo_refused")}
    assert told == {"code": "undo_refused", "contactsLeft": 0, **words}
    assert "DELETE" in told["advice"]


def test_job_view_omits_what_is_not_known():
    early = job_view(FOUND | {"sha256": None, "seconds": None, "failure": None, "started_at": None})
    assert (early["receipt"], early["rate"], "failure" in early) == (None, None, False)


@pytest.mark.parametrize(("names", "more"), [(0, False), (100, False), (101, True)])
def test_job_view_lists_at_most_100_ignored_fields(names, more):
    ignored = job_view(FOUND | {"ignored": [f"n{n:03}" for n in range(names)]})["ignored"]
    assert ignored == {"fields": [f"n{n:03}" for n in range(min(names, 100))], "more": more}


BY_RETRY = ["upstream_unavailable", "attempts_exhausted", "storage_refused", "database_refused"]
BY_SENDING_AGAIN = ["object_missing", "count_mismatch", "malformed_json", "truncated_body"]


@pytest.mark.parametrize("code", BY_RETRY)
def test_advice_for_repairable_failures_is_a_retry(code):
    assert "/retry" in advice(code)
    assert "Send the file again" not in advice(code)


@pytest.mark.parametrize("code", BY_SENDING_AGAIN)
def test_advice_for_lost_objects_is_to_send_again_and_undo(code):
    assert "Send the file again" in advice(code)
    assert "DELETE" in advice(code)

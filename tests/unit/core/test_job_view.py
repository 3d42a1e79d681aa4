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


def test_all_is_shown_in_the_words_of_the_api():
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


def test_an_undo_that_failed_is_shown_with_what_it_has_left():
    failure = {"code": "undo_refused", "detail": "why", "contacts_left": 0}
    told = job_view(FOUND | {"state": "undo_failed", "failure": failure})["failure"]
    words = {"detail": "why", "advice": advice("undo_refused")}
    assert told == {"code": "undo_refused", "contactsLeft": 0, **words}
    assert "DELETE" in told["advice"]


def test_what_is_not_known_is_not_made_up():
    early = job_view(FOUND | {"sha256": None, "seconds": None, "failure": None, "started_at": None})
    assert (early["receipt"], early["rate"], "failure" in early) == (None, None, False)


@pytest.mark.parametrize(("names", "more"), [(0, False), (100, False), (101, True)])
def test_no_more_than_so_many_ignored_names_are_told(names, more):
    ignored = job_view(FOUND | {"ignored": [f"n{n:03}" for n in range(names)]})["ignored"]
    assert ignored == {"fields": [f"n{n:03}" for n in range(min(names, 100))], "more": more}

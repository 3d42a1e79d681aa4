"""List, show, cancel, retry and undo imports, without a worker."""

import re
from typing import Any

import httpx
import pytest

from core.ids import job_id, new_import_id
from tests.support.traces import SOURCE

FIELDS = {
    "jobId", "source", "format", "state", "dryRun", "createdAt", "startedAt", "finishedAt", "bytes",
    "records", "imported", "rejected", "notProcessed", "rate", "parts", "receipt", "detected",
    "ignored", "rejectedByCode", "skipped", "skippedByCode", "warnings",
    "createdBy", "cancelledBy", "undoneBy", "expiresAt",
}  # fmt: skip


def accepted(client: httpx.Client, people: int = 3) -> str:
    data = [{"name": f"P{n}", "phone": "1"} for n in range(people)]
    answer = client.post("/import", json={"source": SOURCE, "data": data})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def shown(client: httpx.Client, job: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/import/{job}").raise_for_status().json()
    assert found["records"] == found["imported"] + found["rejected"] + found["notProcessed"]
    return found


def listed(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/import", params={"source": SOURCE, **query})
    page: dict[str, Any] = answer.raise_for_status().json()
    return page


def jobs(page: dict[str, Any]) -> list[str]:
    return [one["jobId"] for one in page["imports"]]


def test_get_import_shows_all_fields(client, traces):
    found = shown(client, accepted(client))
    assert found.keys() == FIELDS
    assert (found["state"], found["notProcessed"], found["rate"]) == ("queued", 3, None)
    assert found["parts"] == {"total": 1, "done": 0, "failed": 0, "cancelled": 0}


def test_imports_are_listed_newest_first_a_page_at_a_time(client, traces):
    made = [accepted(client) for _ in range(5)][::-1]
    first = client.get("/import", params={"source": SOURCE, "limit": 2})
    link = re.fullmatch(r'<(/import\?.*)>; rel="next"', first.headers["Link"])
    assert jobs(first.json()) == made[:2]
    assert first.json()["imports"][0] == shown(client, made[0])
    assert link
    second = client.get(link[1]).json()
    assert jobs(second) == made[2:4]
    assert jobs(listed(client, limit=2, cursor=second["next"]))[0] == made[4]


def test_the_last_page_has_no_next(client, traces):
    accepted(client)
    page = client.get("/import", params={"source": "unknown"})
    assert page.json() == {"imports": [], "next": None}
    assert "Link" not in page.headers


def test_list_is_filtered_by_state(client, traces):
    waits, stopped = accepted(client), accepted(client)
    client.post(f"/import/{stopped}/cancel").raise_for_status()
    assert jobs(listed(client, state="queued"))[0] == waits
    assert jobs(listed(client, state="cancelled"))[0] == stopped


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "limit_invalid"),
        ("limit=101", "limit_invalid"),
        ("limit=-1", "limit_invalid"),
        ("limit=1e3", "limit_invalid"),
        ("limit=٣", "limit_invalid"),
        ("limit=1&limit=2", "limit_invalid"),
        ("state=lost", "state_invalid"),
        ("cursor=x", "cursor_invalid"),
        ("cursor=import-00000000-0000-0000-0000-000000000000", "cursor_invalid"),
        ("source=%00", "source_invalid"),
    ],
)
def test_list_with_invalid_parameters_is_rejected(client, query, code):
    answer = client.get(f"/import?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_cancel_of_a_queued_import_is_immediate_and_idempotent(client, traces):
    job = accepted(client)
    first = client.post(f"/import/{job}/cancel")
    again = client.post(f"/import/{job}/cancel")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["state"] == "cancelled"
    assert first.json() | {"rate": None} == shown(client, job) | {"rate": None}
    assert (shown(client, job)["notProcessed"], shown(client, job)["parts"]["cancelled"]) == (3, 1)


@pytest.mark.parametrize(("move", "code"), [("retry", "not_failed"), ("cancel", "import_ended")])
def test_invalid_transition_is_409(client, traces, move, code):
    job = accepted(client)
    client.delete(f"/import/{job}").raise_for_status()
    answer = client.post(f"/import/{job}/{move}")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["state"]) == (409, code, "undoing")


def test_undo_is_idempotent(client, traces):
    job = accepted(client)
    answers = [client.delete(f"/import/{job}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert {answer.json()["state"] for answer in answers} == {"undoing"}
    [(queued,)] = traces.rows(
        "select count(*) from dramatiq.queue where message ->> 'actor_name' = 'undo_import' "
        "and message #>> '{args,0}' = %s",
        job.removeprefix("import-"),
    )
    assert queued == 1
    traces.rows(
        "delete from dramatiq.queue where message #>> '{args,0}' = %s returning 1",
        job.removeprefix("import-"),
    )


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/retry"), ("POST", "/cancel"), ("DELETE", ""), ("GET", "")]
)
@pytest.mark.parametrize("job", [job_id(new_import_id()), "import-1", "x"])
def test_requests_for_an_unknown_import_are_404(client, method, path, job):
    answer = client.request(method, f"/import/{job}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")


@pytest.mark.parametrize("path", ["/import/x/cancel", "/import/x/retry"])
def test_get_of_cancel_retry_and_undo_is_405(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

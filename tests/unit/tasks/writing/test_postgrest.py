import json
from collections import Counter
from uuid import UUID

import httpx
import pytest

from core.errors import InvalidTransitionError, PermanentError, TransientError
from core.field_names import FieldNames
from core.ids import contact_id_prefix
from core.records.rejection_reasons import NOT_AN_OBJECT
from core.rejection_objects import Rejection
from core.retention import Retention
from core.states import ImportState
from core.supabase.rpc import RpcClient
from tasks.errors import ImportCancelledError, StaleAttemptError
from tasks.importing.models import Batch, PartCounts, PartEnd
from tasks.repository import Repository
from tasks.writing.postgrest import PostgrestWriter
from tests.unit.tasks.fakes import IMPORT, supabase_client, work_on


class FakePostgrest:
    """Keeps contacts and rejections by record; ``refuse`` may return an error for some rows."""

    def __init__(self, refuse=lambda rows: None):
        self.refuse = refuse
        self.requests = []
        self.rows = {}
        self.end = {"moved": True, "state": "completed", "closed": True, "seconds": 1.5}

    def __call__(self, request):
        contacts = not request.url.path.endswith("write_rejections")
        rows = self.contacts(request) if contacts else json.loads(request.content)["p_rows"]
        self.requests.append((request, len(rows)))
        if request.url.path.endswith("write_apart"):
            return self.by_row(rows)
        answer = self.refuse(rows)
        if answer is None:
            self.rows.update({row["record"]: row for row in rows})
            end = self.end if any("finish" in row for row in rows) else None
            return httpx.Response(200, content=json.dumps(end))
        return answer

    def by_row(self, rows):
        """As the SQL function does."""
        answer = self.refuse(rows)
        if answer is not None and answer.json()["code"] == "57014":
            return answer
        found = {"records": [], "codes": [], "reasons": {}}
        for row in rows:
            answer = self.refuse([row])
            if answer is None:
                self.rows[row["record"]] = row
                continue
            code = answer.json()["code"]
            if not code.startswith(tuple(row["row_errors"])):
                return answer
            found["records"].append(row["record"])
            found["codes"].append(code)
            found["reasons"][code] = "why"
        return httpx.Response(200, json=found)

    @staticmethod
    def contacts(request):
        """As the SQL function reads them."""
        first, _, text = request.content.decode().partition("\n")
        head = json.loads(first)
        fields = text.split(head["delimiter"])
        half = len(fields) // 2
        pairs = enumerate(zip(fields[:half], fields[half:], strict=True), head["first_record"])
        return [
            {"record": record, "name": name, "email": email, **head}
            for record, (name, email) in pairs
            if name or email
        ]

    @property
    def sizes(self):
        return [size for _, size in self.requests]


def problem(code, status=400):
    return httpx.Response(
        status, json={"code": code, "message": "m", "details": None, "hint": None}
    )


def rejection(record):
    return Rejection(record, NOT_AN_OBJECT.code, NOT_AN_OBJECT.message, f"[{record}]")


def contacts(count):
    return Batch(1, [f"P{n}" for n in range(1, count + 1)], [""] * count)


def writer(postgrest, batch=100, deadline=0.05, part=1):
    work = work_on(b"", records=1, part=part)
    repository = Repository(
        RpcClient(supabase_client(postgrest), deadline=deadline), Retention(), part_attempts=5
    )
    return PostgrestWriter(repository, work, batch_records=batch)


def refusing(*names, code="23514"):
    return lambda rows: problem(code) if {row["name"] for row in rows} & set(names) else None


def test_contacts_are_sent_as_text_with_the_key():
    postgrest = FakePostgrest()
    assert writer(postgrest).write(Batch(26, ["Ada"], ["a@b.co"])) == []
    ((request, _),) = postgrest.requests
    assert request.url.path == "/rest/v1/rpc/write_contacts"
    assert request.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (request.headers["apikey"], request.headers["Authorization"]) == ("key", "Bearer key")
    (row,) = postgrest.rows.values()
    assert (row["record"], row["name"], row["email"]) == (26, "Ada", "a@b.co")
    assert (row["prefix"], row["source"]) == (contact_id_prefix(IMPORT), "fair")


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (99, [99]), (100, [100]), (101, [100, 1])])
def test_a_request_holds_a_batch_at_most(count, sizes):
    postgrest = FakePostgrest()
    writer(postgrest).write(contacts(count))
    assert postgrest.sizes == sizes


@pytest.mark.parametrize("bad", [{1}, {100}, {50}, {1, 2}, {33, 34, 99}, set(range(1, 101))])
@pytest.mark.parametrize("code", ["22001", "22P05", "23505", "23514", "P0001", "54000", "PT422"])
def test_bad_rows_are_found_and_all_others_imported(bad, code):
    postgrest = FakePostgrest(refusing(*(f"P{n}" for n in bad), code=code))
    rejected = writer(postgrest).write(contacts(100))
    assert [one.record for one in rejected] == sorted(bad)
    assert {one.reason.code for one in rejected} == {"refused_by_database"}
    assert code in rejected[0].reason.message
    assert len(postgrest.rows) == 100 - len(bad)
    assert postgrest.sizes == [100, 100], "however many are rejected"


def test_a_batch_that_takes_too_long_row_by_row_is_halved():
    def refuse(rows):
        if len(rows) > 30 and "row_errors" in rows[0]:
            return problem("57014", 500)
        return refusing("P7", "P99")(rows)

    postgrest = FakePostgrest(refuse)
    rejected = writer(postgrest).write(contacts(100))
    assert [one.record for one in rejected] == [7, 99]
    assert postgrest.sizes == [100, 100, 50, 25, 25, 50, 25, 25]
    assert len(postgrest.rows) == 98


def test_an_error_that_blames_no_row_is_raised_row_by_row_too():
    answers = iter([problem("23514")])
    postgrest = FakePostgrest(lambda rows: next(answers, problem("42501", 403)))
    with pytest.raises(PermanentError) as error:
        writer(postgrest).write(contacts(8))
    assert error.value.code == "42501"


@pytest.mark.parametrize(
    ("code", "status"),
    [("42703", 400), ("42P01", 404), ("42501", 403), ("PGRST204", 400), ("PGRST301", 401)],
)
def test_an_error_of_the_request_blames_no_row(code, status):
    postgrest = FakePostgrest(lambda rows: problem(code, status))
    with pytest.raises(PermanentError) as error:
        writer(postgrest).write(contacts(8))
    assert error.value.code == code
    assert postgrest.sizes == [8]


def test_a_batch_that_takes_too_long_is_halved():
    postgrest = FakePostgrest(lambda rows: problem("57014", 500) if len(rows) > 30 else None)
    assert writer(postgrest).write(contacts(100)) == []
    assert postgrest.sizes == [100, 50, 25, 25, 50, 25, 25]
    assert len(postgrest.rows) == 100


def test_a_body_too_large_for_a_gateway_is_halved():
    answer = httpx.Response(413, text="too large")
    postgrest = FakePostgrest(lambda rows: answer if len(rows) > 1 else None)
    writer(postgrest).write(contacts(4))
    assert len(postgrest.rows) == 4


def test_one_row_that_takes_too_long_is_a_transient_error():
    postgrest = FakePostgrest(lambda rows: problem("57014", 500))
    with pytest.raises(TransientError):
        writer(postgrest).write(contacts(4))


def test_a_request_is_repeated_while_the_database_is_unavailable():
    answers = [httpx.Response(503), problem("40001", 500), problem("53300", 503)]
    postgrest = FakePostgrest(lambda rows: answers.pop(0) if answers else None)
    writer(postgrest, deadline=10).write(contacts(3))
    assert postgrest.sizes == [3, 3, 3, 3]


def test_a_database_that_stays_unavailable_is_a_transient_error():
    postgrest = FakePostgrest(lambda rows: httpx.Response(503))
    with pytest.raises(TransientError):
        writer(postgrest).write(contacts(3))


def test_write_last_finishes_the_part():
    postgrest = FakePostgrest()
    end = writer(postgrest, part=4).write_last(
        contacts(2), PartCounts(7, Counter(x=3), ignored=FieldNames(["a"]))
    )
    assert end == PartEnd(True, ImportState.COMPLETED, True, 1.5)
    row = postgrest.rows[1]
    assert (row["import"], row["part"]) == (str(IMPORT), 4)
    assert row["finish"] == {
        "imported": 7,
        "rejected": 3,
        "skipped": None,
        "warnings": None,
        "ignored": ["a"],
    }


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("CI001", InvalidTransitionError),
        ("CI002", ImportCancelledError),
        ("CI003", StaleAttemptError),
    ],
)
def test_writes_of_an_attempt_that_must_not_write_raise_the_reason(code, error):
    postgrest = FakePostgrest(lambda rows: problem(code))
    with pytest.raises(error):
        writer(postgrest).write(contacts(8))
    with pytest.raises(error):
        writer(postgrest).reject([rejection(1)])
    with pytest.raises(error):
        writer(postgrest).write_last(contacts(8), PartCounts(8))
    assert postgrest.sizes == [8, 1, 8]


@pytest.mark.parametrize("code", ["23514", "57014", "PT409"])
def test_write_last_returns_none_if_a_row_is_refused_or_it_takes_too_long(code):
    postgrest = FakePostgrest(lambda rows: problem(code))
    assert writer(postgrest).write_last(contacts(2), PartCounts(2)) is None
    assert postgrest.sizes == [2]


def test_write_last_does_not_send_a_batch_that_is_too_large():
    postgrest = FakePostgrest()
    assert writer(postgrest, batch=1).write_last(contacts(2), PartCounts(2)) is None
    assert postgrest.sizes == []


def test_write_last_raises_an_error_that_blames_no_row():
    postgrest = FakePostgrest(lambda rows: problem("PGRST301", 401))
    with pytest.raises(PermanentError):
        writer(postgrest).write_last(contacts(2), PartCounts(2))


def test_rejections_are_stored_in_small_requests():
    postgrest = FakePostgrest()
    rejections = [rejection(n) for n in range(1, 302)]
    writer(postgrest, deadline=1, part=4).reject(rejections)
    assert postgrest.sizes == [250, 51]
    request = postgrest.requests[0][0]
    assert request.url.path == "/rest/v1/rpc/write_rejections"
    arguments = json.loads(request.content)
    assert (arguments["p_import"], arguments["p_part"]) == (str(IMPORT), 4)
    assert UUID(arguments["p_attempt"])
    assert postgrest.rows[301] == {
        "import_id": str(IMPORT), "record": 301, "part": 4, "code": "not_an_object",
        "message": NOT_AN_OBJECT.message, "content": "[301]",
    }  # fmt: skip

"""The story of a webhook, told to nobody real."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import PermanentError, TransientError
from tasks.errors import RetryLaterError
from tasks.webhooks.notify import DAY, EndRepository, ImportEnd, NotifyImport
from tasks.webhooks.send import Answer, DeliveryError, PrivateAddressError
from tasks.webhooks.sign import Signer
from tests.unit.tasks.fakes import IMPORT

SIGNER = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
URL = "https://example.com/hook?token=t0ps3cret"


def found(state="completed", *, ago=1.0):
    finished = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return {
        "id": str(IMPORT), "source": "s", "format": "csv", "state": state, "dry_run": False,
        "created_at": "2026-11-26T06:00:00+00:00", "started_at": "2026-11-26T06:00:01+00:00",
        "finished_at": None if state == "importing" else finished, "seconds": 2, "bytes": 9,
        "records": 3, "imported": 2, "rejected": 1, "not_processed": 0, "rejected_codes": {},
        "parts_total": 1, "parts_done": 1, "parts_failed": 0, "parts_cancelled": 0,
        "sha256": "0" * 64, "received": 9, "detected": None, "ignored": [], "failure": None,
    }  # fmt: skip


class FakeRepository:
    """Tells one end after the other, the last one for ever."""

    def __init__(self, *ends):
        self.ends = list(ends)

    def show_end(self, import_id):
        assert import_id == IMPORT
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end


class FakeSender:
    def __init__(self, answer):
        self.answer = answer
        self.sent = []

    def post(self, target, headers, body):
        self.sent.append((target, headers, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def notify(*ends, answer=Answer(204), signer=SIGNER, allow_private=False):  # noqa: B008
    sender = FakeSender(answer)
    NotifyImport(FakeRepository(*ends), sender, signer, allow_private=allow_private)(IMPORT)
    return sender.sent


def put_off(*ends, answer):
    sender = FakeSender(answer)
    with pytest.raises(RetryLaterError) as caught:
        NotifyImport(FakeRepository(*ends), sender, SIGNER, allow_private=False)(IMPORT)
    return sender.sent, caught.value.seconds


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "undone"])
@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_an_end_is_told_and_signed(state, status):
    end = found(state)
    [(target, headers, body)] = notify(ImportEnd(URL, end), answer=Answer(status))
    assert (target.host, target.path) == ("example.com", "/hook?token=t0ps3cret")
    told = json.loads(body)
    assert (told["type"], told["timestamp"]) == (f"import.{state}", end["finished_at"])
    assert told["data"]["jobId"] == f"import-{IMPORT}"
    assert (told["data"]["imported"], told["data"]["notProcessed"]) == (2, 0)
    assert headers["Content-Type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    signed = SIGNER.headers(headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed["webhook-signature"]


@pytest.mark.parametrize("status", [100, 301, 302, 400, 401, 404, 429, 500, 503])
def test_another_answer_is_no_success(status):
    sent, seconds = put_off(ImportEnd(URL, found()), answer=Answer(status))
    assert (len(sent), seconds) == (1, None)


@pytest.mark.parametrize(("named", "seconds"), [(0.0, 0.0), (60.0, 60.0), (1e9, 3600.0)])
def test_a_receiver_may_name_a_time(named, seconds):
    assert put_off(ImportEnd(URL, found()), answer=Answer(503, named))[1] == seconds


def test_a_receiver_cannot_have_itself_asked_all_the_time():
    """Only what we want at once comes at once: see tasks.queue.retries."""
    ends = [ImportEnd(URL, found("failed")), ImportEnd(URL, found("importing"))]
    for told, answer, exact in ((ends[:1], Answer(503, 0.0), False), (ends, Answer(204), True)):
        with pytest.raises(RetryLaterError) as caught:
            notify(*told, answer=answer)
        assert caught.value.exact is exact


def test_each_try_has_the_same_id_and_each_end_another_one():
    first, again = ImportEnd(URL, found("failed")), ImportEnd(URL, found("failed", ago=0.5))
    ids = [put_off(end, answer=Answer(500))[0][0][1]["webhook-id"] for end in (first, first, again)]
    assert ids[0] == ids[1] != ids[2]
    assert all(id_.startswith("msg_") and id_.isalnum for id_ in ids)


def test_no_answer_is_no_success():
    assert put_off(ImportEnd(URL, found()), answer=DeliveryError("no answer"))[1] is None


@pytest.mark.parametrize("answer", [Answer(500), DeliveryError("no answer")])
def test_after_a_day_it_is_given_up(answer):
    assert len(notify(ImportEnd(URL, found(ago=DAY + 60)), answer=answer)) == 1
    put_off(ImportEnd(URL, found(ago=DAY - 60)), answer=answer)


def test_a_receiver_that_wants_no_more_is_left_alone():
    assert len(notify(ImportEnd(URL, found()), answer=Answer(410))) == 1


def test_a_name_that_leads_into_a_private_network_is_given_up():
    assert len(notify(ImportEnd(URL, found()), answer=PrivateAddressError("private"))) == 1


def test_without_a_secret_nobody_is_told():
    assert notify(ImportEnd(URL, found()), signer=None) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://10.0.0.1/"])
def test_an_address_that_is_not_taken_any_more_is_not_asked(url):
    assert notify(ImportEnd(url, found())) == []


def test_where_nobody_wants_to_know_nothing_is_done():
    assert notify(None) == []


@pytest.mark.parametrize("state", ["queued", "importing", "cancelling", "undoing"])
def test_what_has_not_ended_is_told_later(state):
    assert put_off(ImportEnd(URL, found(state)), answer=Answer(204)) == ([], None)


def test_an_import_that_was_begun_again_meanwhile_is_told_once_more():
    ends = [ImportEnd(URL, found("failed")), ImportEnd(URL, found("importing"))]
    sent, seconds = put_off(*ends, answer=Answer(204))
    assert (len(sent), seconds) == (1, 1)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TransientError("database", "away", retry_after=7), 7),
        (PermanentError("database", "no key"), None),
    ],
)
def test_a_ledger_that_is_away_is_asked_later(error, seconds):
    assert put_off(error, answer=Answer(204)) == ([], seconds)


def test_the_ledger_tells_the_end():
    class Functions:
        def __init__(self, answer):
            self.answer = answer

        def call(self, function, **arguments):
            assert (function, arguments) == ("show_end", {"p_import": str(IMPORT)})
            return self.answer

    end = EndRepository(Functions({"url": URL, "import": found("failed")})).show_end(IMPORT)
    assert (end.url, end.state, end.is_one) == (URL, "failed", True)
    assert EndRepository(Functions(None)).show_end(IMPORT) is None


def test_no_line_shows_more_of_an_address_than_its_host(caplog):
    put_off(ImportEnd(URL, found()), answer=Answer(500))
    notify(ImportEnd(URL, found()))
    assert "t0ps3cret" not in caplog.text

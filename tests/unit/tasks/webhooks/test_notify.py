"""When a webhook is notified, and what it is sent."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from core.errors import PermanentError, TransientError
from core.retention import Retention
from tasks.errors import RetryLaterError
from tasks.webhooks import event
from tasks.webhooks.notify import GIVE_UP_AFTER, NotifyImport
from tasks.webhooks.send import DeliveryError, PrivateAddressError, Response
from tasks.webhooks.sign import Signer
from tests.unit.tasks.fakes import IMPORT, FakeMetrics

ImportEvent = partial(event.ImportEvent, retention=Retention())
SIGNER = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
URL = "https://example.com/hook?token=t0ps3cret"


def found(state="completed", *, ago=1.0):
    finished = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return {
        "id": str(IMPORT), "source": "s", "format": "csv", "state": state, "dry_run": False,
        "created_at": "2026-11-26T06:00:00+00:00", "started_at": "2026-11-26T06:00:01+00:00",
        "finished_at": None if state == "importing" else finished, "seconds": 2, "bytes": 9,
        "records": 3, "imported": 2, "rejected": 1, "not_processed": 0, "rejected_codes": {},
        "skipped": 0, "skipped_codes": {}, "warnings": {}, "plan_warnings": [],
        "parts_total": 1, "parts_done": 1, "parts_failed": 0, "parts_cancelled": 0,
        "sha256": "0" * 64, "received": 9, "detected": None, "ignored": [],
        "created_by": None, "cancelled_by": None, "undone_by": None, "failure": None,
        "keep": None, "object_expired_at": None, "rejections_expired_at": None,
    }  # fmt: skip


class FakeRepository:
    """Returns one event after the other, the last one for ever."""

    def __init__(self, *events):
        self.events = list(events)

    def show_end(self, import_id):
        assert import_id == IMPORT
        event = self.events.pop(0) if len(self.events) > 1 else self.events[0]
        if isinstance(event, Exception):
            raise event
        return event


class FakeSender:
    def __init__(self, answer):
        self.answer = answer
        self.sent = []

    def post(self, target, headers, body):
        self.sent.append((target, headers, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def notify(*events, answer=Response(204), signer=SIGNER, allow_private=False):  # noqa: B008
    sender, metrics = FakeSender(answer), FakeMetrics()
    repository = FakeRepository(*events)
    NotifyImport(repository, sender, signer, metrics, allow_private=allow_private)(IMPORT)
    return sender.sent


def retried(*events, answer):
    sender, repository = FakeSender(answer), FakeRepository(*events)
    with pytest.raises(RetryLaterError) as caught:
        NotifyImport(repository, sender, SIGNER, FakeMetrics(), allow_private=False)(IMPORT)
    return sender.sent, caught.value.seconds


@pytest.mark.parametrize(
    ("outcome", "answer", "url", "ago", "signer"),
    [
        ("delivered", Response(204), URL, 1, SIGNER),
        ("retried", Response(500), URL, 1, SIGNER),
        ("retried", DeliveryError("no answer"), URL, 1, SIGNER),
        ("given_up", Response(204), URL, GIVE_UP_AFTER + 60, SIGNER),
        ("gone", Response(410), URL, 1, SIGNER),
        ("forbidden", PrivateAddressError("private"), URL, 1, SIGNER),
        ("forbidden", Response(204), "https://10.0.0.1/", 1, SIGNER),
        ("disabled", Response(204), URL, 1, None),
    ],
)
def test_each_outcome_is_counted_once(outcome, answer, url, ago, signer):
    repository, metrics = FakeRepository(ImportEvent(url, found(ago=ago))), FakeMetrics()
    notify = NotifyImport(repository, FakeSender(answer), signer, metrics, allow_private=False)
    with suppress(RetryLaterError):
        notify(IMPORT)
    assert metrics.seen == [outcome]


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "undone"])
@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_notification_has_the_import_and_a_signature(state, status):
    end = found(state)
    [(target, headers, body)] = notify(ImportEvent(URL, end), answer=Response(status))
    assert (target.host, target.path) == ("example.com", "/hook?token=t0ps3cret")
    event = json.loads(body)
    assert (event["type"], event["timestamp"]) == (f"import.{state}", end["finished_at"])
    assert event["data"]["jobId"] == f"import-{IMPORT}"
    assert (event["data"]["imported"], event["data"]["notProcessed"]) == (2, 0)
    assert headers["Content-Type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    signed = SIGNER.headers(headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed["webhook-signature"]


@pytest.mark.parametrize("status", [100, 301, 302, 400, 401, 404, 429, 500, 503])
def test_a_notification_that_is_not_answered_with_2xx_is_retried(status):
    sent, seconds = retried(ImportEvent(URL, found()), answer=Response(status))
    assert (len(sent), seconds) == (1, None)


@pytest.mark.parametrize(("named", "seconds"), [(0.0, 0.0), (60.0, 60.0), (1e9, 3600.0)])
def test_a_notification_waits_for_retry_after_for_an_hour_at_most(named, seconds):
    assert retried(ImportEvent(URL, found()), answer=Response(503, named))[1] == seconds


def test_retry_after_cannot_shorten_the_backoff():
    """Only a retried import has an exact delay, which ``message_retries`` does not lengthen."""
    ends = [ImportEvent(URL, found("failed")), ImportEvent(URL, found("importing"))]
    for events, answer, exact in (
        (ends[:1], Response(503, 0.0), False),
        (ends, Response(204), True),
    ):
        with pytest.raises(RetryLaterError) as caught:
            notify(*events, answer=answer)
        assert caught.value.exact is exact


def test_each_try_has_the_same_id_and_each_end_has_another_one():
    first, again = ImportEvent(URL, found("failed")), ImportEvent(URL, found("failed", ago=0.5))
    ids = [
        retried(end, answer=Response(500))[0][0][1]["webhook-id"] for end in (first, first, again)
    ]
    assert ids[0] == ids[1] != ids[2]
    assert all(id_.startswith("msg_") and id_.isalnum for id_ in ids)


def test_a_notification_without_a_response_is_retried():
    assert retried(ImportEvent(URL, found()), answer=DeliveryError("no answer"))[1] is None


@pytest.mark.parametrize("answer", [Response(500), DeliveryError("no answer")])
def test_a_notification_is_given_up_after_a_day(answer):
    assert notify(ImportEvent(URL, found(ago=GIVE_UP_AFTER + 60)), answer=answer) == []
    retried(ImportEvent(URL, found(ago=GIVE_UP_AFTER - 60)), answer=answer)


def test_a_receiver_that_answers_410_is_not_notified_again():
    assert len(notify(ImportEvent(URL, found()), answer=Response(410))) == 1


def test_a_host_in_a_private_network_is_not_notified():
    assert len(notify(ImportEvent(URL, found()), answer=PrivateAddressError("private"))) == 1


def test_without_a_secret_nobody_is_notified():
    assert notify(ImportEvent(URL, found()), signer=None) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://10.0.0.1/"])
def test_an_address_that_is_not_allowed_any_more_is_not_notified(url):
    assert notify(ImportEvent(url, found())) == []


def test_an_import_without_a_webhook_is_no_work():
    assert notify(None) == []


@pytest.mark.parametrize("state", ["queued", "importing", "cancelling", "undoing"])
def test_an_import_that_has_not_ended_is_looked_at_later(state):
    assert retried(ImportEvent(URL, found(state)), answer=Response(204)) == ([], None)


def test_an_import_that_was_retried_meanwhile_is_looked_at_again():
    ends = [ImportEvent(URL, found("failed")), ImportEvent(URL, found("importing"))]
    sent, seconds = retried(*ends, answer=Response(204))
    assert (len(sent), seconds) == (1, 1)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TransientError("database", "away", retry_after=7), 7),
        (PermanentError("database", "no key"), None),
    ],
)
def test_the_message_is_retried_if_the_repository_fails(error, seconds):
    assert retried(error, answer=Response(204)) == ([], seconds)


def test_the_log_shows_only_the_host_of_an_address():
    with capture_logs() as logs:
        retried(ImportEvent(URL, found()), answer=Response(500))
        notify(ImportEvent(URL, found()))
    assert [line["host"] for line in logs] == ["example.com", "example.com"]
    assert "t0ps3cret" not in str(logs)

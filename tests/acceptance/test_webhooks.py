"""Signed webhooks at the end of an import."""

import base64
import hashlib
import hmac
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from local.processes import service
from tests.acceptance.conftest import Importer
from tests.support.webhook_receiver import ReceivedRequest, Receiver

KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SETTINGS = {"WEBHOOK_SECRET": f"whsec_{KEY}", "WEBHOOK_ALLOW_PRIVATE": "true"}
CONTACTS = [{"name": "Ada"}, {"email": "nowhere"}]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def importer(embedded_env: Mapping[str, str]) -> Iterator[Importer]:
    env = {**embedded_env, **SETTINGS}
    with (
        tempfile.TemporaryDirectory() as name,
        service(env, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, env, Path(name))


def verified(request: ReceivedRequest) -> dict[str, object]:
    """Verify a request as the receiver does, by the specification; returns the event."""
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    event = json.loads(request.body)
    assert isinstance(event, dict)
    return event


def test_webhook_is_repeated_until_it_is_delivered(importer: Importer, receiver: Receiver) -> None:
    receiver.statuses = [500, 204, 204]
    url = f"{receiver.url}/hook?token=x"
    answer = importer.http.post(
        "/import", params={"notify": url}, json={"source": "webhook", "data": CONTACTS}
    )
    job = answer.json()["jobId"]
    failing = importer.http.post(
        "/import",
        data={"source": "webhook", "notify": f"{receiver.url}/failed"},
        files={"file": ("a.csv", b"name\nAda\n")},
    ).json()["jobId"]
    importer.remove_object(failing, "csv")
    assert receiver.requests.empty()

    done = importer.run("tasks", "--once")

    assert done.returncode == 1, done.stderr
    requests = [receiver.requests.get(timeout=1) for _ in range(3)]
    assert receiver.requests.empty()
    ends = {request.headers["webhook-id"]: verified(request) for request in requests}
    assert len(ends) == 2
    kinds = {end["type"]: end for end in ends.values()}
    completed = [request for request in requests if request.path == "/hook?token=x"]
    assert kinds["import.failed"]["data"]["failure"]["code"] == "object_missing"
    assert len(completed) in {1, 2}
    assert kinds["import.completed"]["data"] == importer.shown(job)
    assert KEY not in done.stderr
    assert "token=x" not in done.stderr


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://user:pw@example.com/", "ftp://127.0.0.1/", "x" * 3000]
)
def test_notify_with_an_invalid_url_is_rejected(importer: Importer, url: str) -> None:
    answer = importer.http.post(
        "/import", params={"notify": url}, json={"source": "webhook", "data": CONTACTS}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "notify_invalid")

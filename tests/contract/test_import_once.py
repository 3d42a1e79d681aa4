"""One Idempotency-Key is one import, also in races and after lost answers; receipts."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.support.contacts import MIB, csv_file, envelope, json_array
from tests.support.faults import (
    APPEND,
    CREATE_IMPORT,
    CREATE_UPLOAD,
    DISCARD_IMPORT,
    FOR_EVER,
    JOIN_IMPORT,
    PUT,
    Answer,
    Hold,
    LoseAnswer,
)
from tests.support.forms import field, form
from tests.support.proxy import Proxy
from tests.support.service import Service, running_service
from tests.support.traces import SOURCE, Everything, Traces

SMALL = envelope(json_array(10_000))
MEDIUM = envelope(json_array(200_000))
LARGE = envelope(json_array(7 * MIB))
SIZES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
Post = Callable[..., httpx.Response]
Content = bytes | Iterator[bytes]


@pytest.fixture(scope="module")
def service(behind_proxy: Mapping[str, str]) -> Iterator[Service]:
    with running_service(behind_proxy, UPSTREAM_DEADLINE="2") as service:
        yield service


@pytest.fixture(autouse=True)
def faultless(proxy: Proxy) -> Iterator[None]:
    proxy.reset()
    yield
    proxy.reset()


@pytest.fixture
def key() -> str:
    return str(uuid4())


@pytest.fixture
def post(client: httpx.Client, key: str) -> Post:
    """Send a body with the key of the test."""

    def post(body: Content, path: str = "/import", **headers: str) -> httpx.Response:
        common = {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        return client.post(path, content=body, headers=common | headers)

    return post


@pytest.fixture
def posting(post: Post) -> Iterator[Callable[[Content], "Future[httpx.Response]"]]:
    with ThreadPoolExecutor() as pool:
        yield lambda body: pool.submit(post, body)


def job_of(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    job = str(answer.json()["jobId"])
    assert answer.headers["Location"] == f"/import/{job}"
    return job


def assert_only(job: str, before: Everything, traces: Traces, body: bytes) -> None:
    """Assert that exactly one import and its object were created."""
    after = traces.everything()
    assert after.imports - before.imports == {job.removeprefix("import-")}
    assert after.objects - before.objects == {f"{job}.json"}
    assert after.messages - before.messages == 1
    assert traces.object(job, "json") in body


def as_form(file: bytes) -> tuple[bytes, str]:
    fields = [field("source", SOURCE.encode()), field("file", file, "a.csv")]
    return form(fields)


@pytest.mark.parametrize("kind", ["json", "gzip", "csv", "form"])
def test_receipt_has_digest_and_size_of_the_sent_file(client, kind):
    rows = csv_file(100_000)
    sent, content_type = {
        "json": (SMALL, "application/json"),
        "gzip": (gzip.compress(SMALL), "application/json"),
        "csv": (rows, "text/csv"),
        "form": as_form(rows),
    }[kind]
    encoding = "gzip" if kind == "gzip" else "identity"
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    path = "/import" if kind == "form" else f"/import?source={quote(SOURCE)}"
    answer = client.post(path, content=sent, headers=headers)
    whole = rows if kind == "form" else sent
    shown = client.get(answer.headers["Location"]).json()
    assert shown["receipt"] == {"sha256": sha256(whole).hexdigest(), "bytes": len(whole)}
    assert shown["dryRun"] is False


@SIZES
def test_idempotency_key_repeated_is_the_same_import(traces, proxy, post, key, body):
    before = traces.everything()
    job = job_of(post(body))
    stored = len(proxy.seen)
    assert job_of(post(body, **{"Idempotency-Key": key})) == job
    assert_only(job, before, traces, body)
    seen = proxy.seen[stored:]
    assert not any(one in kind for one in seen for kind in (PUT, CREATE_UPLOAD, APPEND))


@SIZES
def test_idempotency_key_in_two_concurrent_requests_is_one_import(traces, proxy, posting, body):
    before = traces.everything()
    proxy.inject(hold := Hold(CREATE_IMPORT, times=2))
    both = [posting(body) for _ in range(2)]
    proxy.await_more(CREATE_IMPORT, than=1, seconds=30)
    hold.release()
    jobs = {job_of(one.result()) for one in both}
    assert len(jobs) == 1
    assert_only(jobs.pop(), before, traces, body)


def test_idempotency_key_in_many_concurrent_requests_is_one_import(traces, posting, post):
    before, crowd = traces.everything(), 12
    start = threading.Barrier(crowd)

    def send() -> httpx.Response:
        start.wait(30)
        return post(SMALL)

    with ThreadPoolExecutor(crowd) as pool:
        answers = [pool.submit(send) for _ in range(crowd)]
    jobs = {job_of(one.result()) for one in answers}
    assert len(jobs) == 1
    assert_only(jobs.pop(), before, traces, SMALL)


@pytest.mark.parametrize(
    ("body", "path"),
    [(SMALL + b" ", "/import"), (SMALL, "/import?dryRun=true")],
    ids=["body", "option"],
)
def test_idempotency_key_with_another_request_is_rejected(traces, proxy, post, body, path):
    job_of(post(SMALL))
    with traces.unchanged(proxy):
        answer = post(body, path)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_idempotency_key_with_an_option_in_form_or_query_is_the_same_import(traces, proxy, post):
    source, file = field("source", SOURCE.encode()), field("file", csv_file(1000), "a.csv")
    dry = field("dryRun", b"true")
    in_field, in_address = form([dry, source, file]), form([source, file])
    first = post(in_field[0], **{"Content-Type": in_field[1]})
    assert first.json()["dryRun"] is True
    with traces.unchanged(proxy):
        again = post(in_address[0], "/import?dryRun=true", **{"Content-Type": in_address[1]})
        assert again.json() == first.json()
        other = post(in_address[0], **{"Content-Type": in_address[1]})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_idempotency_key_with_another_concurrent_request_is_rejected(traces, proxy, posting):
    before = traces.everything()
    proxy.inject(hold := Hold(CREATE_IMPORT, times=2))
    both = [posting(body) for body in (SMALL, SMALL + b" ")]
    proxy.await_more(CREATE_IMPORT, than=1, seconds=30)
    hold.release()
    accepted, rejected = sorted((one.result() for one in both), key=lambda one: one.status_code)
    assert (rejected.status_code, rejected.json()["code"]) == (422, "idempotency_key_reused")
    assert_only(job_of(accepted), before, traces, SMALL)


def test_idempotency_key_of_a_rejected_request_can_be_used_again(traces, post):
    before = traces.everything()
    assert post(SMALL + b"!").status_code == 400
    assert_only(job_of(post(SMALL)), before, traces, SMALL)


def test_idempotency_key_does_not_skip_the_check_of_the_body(traces, proxy, post):
    job_of(post(SMALL))
    with traces.unchanged(proxy):
        assert post(SMALL + b"!").json()["code"] == "malformed_json"


@pytest.mark.parametrize("sooner", [False, True])
def test_import_shared_with_another_request_is_not_rolled_back(traces, proxy, posting, sooner):
    """The first request loses its answers and would discard its import; another has joined it."""
    before = traces.everything()
    lost, discarding = LoseAnswer(CREATE_IMPORT, times=FOR_EVER), Hold(DISCARD_IMPORT)
    rest = threading.Event()

    def in_two_pieces() -> Iterator[bytes]:
        yield MEDIUM[:-1]
        assert rest.wait(60)
        yield MEDIUM[-1:]

    if sooner:  # it has looked for the key before there was an import
        proxy.inject(looking := Hold(JOIN_IMPORT, after=True))
        second = posting(in_two_pieces())
        looking.wait()
        looking.release()
    proxy.inject(lost, discarding)
    first = posting(MEDIUM)
    discarding.wait()
    lost.times = 0
    rest.set()
    if not sooner:
        second = posting(MEDIUM)
    job = job_of(second.result())
    discarding.release()
    assert job_of(first.result()) == job
    assert_only(job, before, traces, MEDIUM)


def test_idempotency_key_of_a_rolled_back_import_can_be_used_again(traces, proxy, post, posting):
    before = traces.everything()
    lost, discarded = LoseAnswer(CREATE_IMPORT, times=FOR_EVER), Hold(DISCARD_IMPORT, after=True)
    proxy.inject(lost, discarded)
    first = posting(SMALL)
    discarded.wait()
    lost.times = 0
    job = job_of(post(SMALL))
    discarded.release()
    assert first.result().status_code == 503
    assert_only(job, before, traces, SMALL)


def test_repeated_request_joins_an_import_whose_rollback_is_pending(service, traces, proxy, post):
    """The client got 503, so its import has to be rolled back; then it repeats the request."""
    service.forget_lines()
    before = traces.everything()
    unavailable = Answer(DISCARD_IMPORT, times=FOR_EVER, status=503)
    proxy.inject(
        LoseAnswer(CREATE_IMPORT), no_more := Answer(CREATE_IMPORT, times=FOR_EVER), unavailable
    )
    assert post(SMALL).json()["code"] == "database_unavailable"
    proxy.inject(discarding := Hold(DISCARD_IMPORT))
    no_more.times = unavailable.times = 0
    discarding.wait()
    job = job_of(post(SMALL))
    discarding.release()
    service.await_line(lambda line: line["event"].startswith("import continues"))
    assert_only(job, before, traces, SMALL)


def test_replayed_requests_are_counted_and_logged_as_such(service, client, post):
    def counted() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {
            name: float(value)
            for name, value in pairs
            if name.startswith("contacts_importer_imports_")
        }

    job = job_of(post(SMALL))
    before = counted()
    service.forget_lines()
    assert job_of(post(SMALL)) == job
    after = counted()
    repeated = "contacts_importer_imports_repeated_total"
    assert after[repeated] == before[repeated] + 1
    accepted = 'contacts_importer_imports_accepted_total{format="json"}'
    assert after[accepted] == before[accepted]
    line = service.await_line(lambda line: line["event"] == "request repeated")
    assert line["job_id"] == job

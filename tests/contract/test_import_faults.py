"""Supabase fails mid-way: clients do not notice, or are told, and then nothing is left."""

import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.support.contacts import MIB, envelope, json_array
from tests.support.proxy import (
    CREATE_IMPORT,
    FOR_EVER,
    OBJECT,
    TUS,
    Answer,
    Cut,
    Fault,
    Hang,
    Proxy,
    Swallow,
)
from tests.support.service import Service, running_service
from tests.support.traces import Traces
from tests.support.wire import Wire

SMALL = json_array(100_000)
LARGE = json_array(13 * MIB)  # three chunks
RECORDS = {array: len(json.loads(array)) for array in (SMALL, LARGE)}
DISCARD_IMPORT = "/rest/v1/rpc/discard_import"


def spoiled(method: str, path: str, skip: int = 0) -> Iterator[Fault]:
    """Every way in which one request can go wrong once or twice."""
    yield Answer(method, path, skip, status=500)
    yield Answer(method, path, skip, status=503, headers={"Retry-After": "0"})
    yield Answer(method, path, skip, status=429, headers={"Retry-After": "0"})
    yield Answer(method, path, skip, times=2, status=502)
    yield Cut(method, path, skip, after=0)
    yield Swallow(method, path, skip)


def each_request() -> Iterator[tuple[bytes, Fault]]:
    for fault in spoiled("POST", OBJECT):
        yield SMALL, fault
    for array in (SMALL, LARGE):
        for fault in spoiled("POST", CREATE_IMPORT):
            yield array, fault
    for fault in spoiled("POST", TUS):
        yield LARGE, fault
    for chunk in (0, 2):
        for fault in spoiled("PATCH", TUS, chunk):
            yield LARGE, fault
    yield LARGE, Swallow("PATCH", TUS, 1)
    for chunk in range(3):
        yield LARGE, Cut("PATCH", TUS, chunk, times=2, after=300_000)


def named(case: tuple[bytes, Fault]) -> str:
    array, fault = case
    size = "small" if array is SMALL else "large"
    what = [
        type(fault).__name__,
        str(getattr(fault, "status", "")),
        str(fault.skip),
        str(fault.times),
    ]
    return "-".join([size, fault.method, fault.path.rsplit("/", 1)[1], *what])


@pytest.fixture(autouse=True)
def faultless(proxy: Proxy) -> Iterator[None]:
    """The proxy, as good as new before and after each test."""
    proxy.reset()
    yield
    proxy.reset()


def post(client: httpx.Client, array: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return client.post("/import", content=envelope(array), headers=headers)


def assert_stored(answer: httpx.Response, array: bytes, traces: Traces) -> None:
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    assert traces.object(job, "json") == array
    assert traces.import_row(job)["records"] == RECORDS[array]
    assert len(traces.messages(job)) == 1


@pytest.mark.parametrize(
    ("array", "fault"), [pytest.param(*c, id=named(c)) for c in each_request()]
)
def test_a_request_that_fails_for_now_is_not_noticed(client, traces, proxy, array, fault):
    begun = proxy.faults = [fault]
    assert_stored(post(client, array), array, traces)
    assert begun[0].times == 0


def test_asking_how_far_it_is_fails_too(client, traces, proxy):
    proxy.reset(
        Cut("PATCH", TUS, skip=1, after=2_000_000), Answer("HEAD", TUS, times=2, status=500)
    )
    assert_stored(post(client, LARGE), LARGE, traces)
    assert proxy.count("HEAD", TUS) == 3


def test_bytes_that_are_all_there_are_no_object_yet(client, traces, proxy):
    """As HEAD says when Storage died between the last byte and the object."""
    size = str(len(LARGE))
    told = {"Upload-Offset": size, "Upload-Length": size}
    proxy.reset(Answer("PATCH", TUS, skip=2), Answer("HEAD", TUS, status=200, headers=told))
    assert_stored(post(client, LARGE), LARGE, traces)


def test_everything_fails_once(client, traces, proxy):
    faults = [
        Swallow("POST", TUS),
        Cut("PATCH", TUS, after=3_000_000),
        Swallow("PATCH", TUS, skip=2),
        Answer("HEAD", TUS, status=503),
        Swallow("POST", CREATE_IMPORT),
    ]
    proxy.reset(*faults)
    assert_stored(post(client, LARGE), LARGE, traces)
    assert [fault.times for fault in faults] == [0] * 5


@pytest.fixture(scope="module")
def impatient_service(behind_proxy: Mapping[str, str]) -> Iterator[Service]:
    with running_service(behind_proxy, UPSTREAM_DEADLINE="2") as service:
        yield service


@pytest.fixture(scope="module")
def impatient_client(impatient_service: Service) -> Iterator[httpx.Client]:
    """Of a service that bears three seconds of failure."""
    with httpx.Client(base_url=impatient_service.url, timeout=60) as client:
        yield client


def away(method: str, path: str, skip: int = 0) -> list[Fault]:
    return [Answer(method, path, skip, FOR_EVER, status=503)]


GONE = {
    "small object": (SMALL, away("POST", OBJECT), "storage"),
    "begin": (LARGE, away("POST", TUS), "storage"),
    "first chunk": (LARGE, away("PATCH", TUS), "storage"),
    "last chunk": (LARGE, away("PATCH", TUS, 2), "storage"),
    "asking": (LARGE, [Cut("PATCH", TUS, after=5), *away("HEAD", TUS)], "storage"),
    "no answer to chunks": (
        LARGE,
        [Swallow("PATCH", TUS, 2, FOR_EVER), *away("HEAD", TUS)],
        "storage",
    ),
    "told to wait long": (
        SMALL,
        [Answer("POST", OBJECT, times=FOR_EVER, status=429, headers={"Retry-After": "3600"})],
        "storage",
    ),
    "hanging object": (SMALL, [Hang("POST", OBJECT, times=FOR_EVER)], "storage"),
    "hanging chunk": (LARGE, [Hang("PATCH", TUS, 1, FOR_EVER)], "storage"),
    "forbidden": (SMALL, [Answer("POST", OBJECT, times=FOR_EVER, status=403)], "storage"),
    "database": (SMALL, away("POST", "/rest/v1/"), "database"),
    "database, large": (LARGE, away("POST", "/rest/v1/"), "database"),
    "database without answers": (LARGE, [Swallow("POST", CREATE_IMPORT, 0, FOR_EVER)], "database"),
    "hanging database": (SMALL, [Hang("POST", CREATE_IMPORT, times=FOR_EVER)], "database"),
    "database forbidden": (
        LARGE,
        [Answer("POST", CREATE_IMPORT, times=FOR_EVER, status=401)],
        "database",
    ),
    "database told to wait": (
        SMALL,
        [Answer("POST", CREATE_IMPORT, times=FOR_EVER, status=503, headers={"Retry-After": "9"})],
        "database",
    ),
    "undoing fails at first": (
        LARGE,
        [*away("PATCH", TUS, 1), Answer("DELETE", TUS, status=503), Swallow("DELETE", TUS)],
        "storage",
    ),
}


@pytest.mark.parametrize(("array", "faults", "part"), GONE.values(), ids=GONE)
def test_what_stays_away_is_told_and_nothing_is_left(
    impatient_client, traces, proxy, array, faults, part
):
    proxy.faults = faults
    with traces.unchanged(proxy):
        answer = post(impatient_client, array)
        assert (answer.status_code, answer.json()["code"]) == (503, f"{part}_unavailable")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_body_that_is_still_coming_is_refused_as_soon_as_storage_fails(
    impatient_service, traces, proxy
):
    """The client need not send its gigabytes first."""
    proxy.faults = away("PATCH", TUS)
    wire = Wire(impatient_service)
    with traces.unchanged(proxy):
        wire.head(Content_Length=str(10**9))
        wire.send(b'{"source":"s","data":[')
        for _ in range(10**9 // 70_000):
            if wire.is_answered():
                break
            wire.send(b'"%b",' % (b"x" * 65_000))
        assert wire.code() == (503, "storage_unavailable")
    wire.close(rudely=True)


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        (Answer("GET", "/storage/v1/bucket", 0, FOR_EVER), {"storage": "away", "database": "ok"}),
        (Answer("POST", "/rest/v1/rpc", 0, FOR_EVER), {"storage": "ok", "database": "away"}),
    ],
)
def test_the_service_tells_that_it_is_not_ready(client, proxy, fault, checks):
    proxy.faults = [fault]
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (503, checks)
    assert answer.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200
    proxy.faults = []
    assert client.get("/readyz").status_code == 200


def test_looking_at_an_import_while_the_database_is_away(impatient_client, proxy):
    proxy.faults = away("POST", "/rest/v1/rpc")
    answer = impatient_client.get("/import/import-01890000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_the_service_starts_while_supabase_is_away(behind_proxy, traces, proxy):
    for path in ("/storage/v1/", "/rest/v1/"):
        proxy.faults += [Answer(method, path, 0, FOR_EVER) for method in ("GET", "POST")]
    with (
        running_service(behind_proxy) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        assert client.get("/readyz").status_code == 503
        proxy.reset()
        assert client.get("/readyz").status_code == 200
        assert_stored(post(client, SMALL), SMALL, traces)

"""Faults of Supabase during an upload: retried, or answered with 503 and nothing is left."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.contacts import MIB, envelope, json_array
from tests.support.faults import (
    APPEND,
    BUCKET,
    CANCEL_UPLOAD,
    CREATE_IMPORT,
    CREATE_UPLOAD,
    DATABASE,
    DISCARD_IMPORT,
    FOR_EVER,
    INFO,
    NOTE_UPLOAD,
    PROGRESS,
    PUT,
    READ,
    REMOVE,
    STORAGE,
    Answer,
    CorruptRequest,
    CutRequest,
    Fault,
    Hang,
    Hold,
    LoseAnswer,
    Requests,
)
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.service import Service, running_service
from tests.support.traces import Traces

SMALL = json_array(100_000)
LARGE = json_array(13 * MIB)  # three chunks
RECORDS = {array: len(json.loads(array)) for array in (SMALL, LARGE)}
PAGE = {"Content-Type": "text/html"}
NAMES = {
    PUT: "put",
    CREATE_IMPORT: "create_import",
    CREATE_UPLOAD: "create upload",
    APPEND: "patch",
}


def temporary_faults(requests: Requests, skip: int = 0) -> Iterator[Fault]:
    """Yield each way in which a request can fail once or twice."""
    yield Answer(requests, skip, status=500)
    yield Answer(requests, skip, status=503, headers={"Retry-After": "0"})
    yield Answer(requests, skip, status=429, headers={"Retry-After": "0"})
    yield Answer(requests, skip, times=2, status=502)
    yield Answer(requests, skip, times=2, status=404)
    yield Answer(requests, skip, status=404, text='{"message":"no Route matched"}')
    yield Answer(requests, skip, status=200, headers=PAGE, text="<html>")
    yield CutRequest(requests, skip, after=0)
    yield LoseAnswer(requests, skip)


def each_request() -> Iterator[tuple[bytes, Fault]]:
    for fault in temporary_faults(PUT):
        yield SMALL, fault
    for array in (SMALL, LARGE):
        for fault in temporary_faults(CREATE_IMPORT):
            yield array, fault
    for fault in temporary_faults(CREATE_UPLOAD):
        yield LARGE, fault
    for chunk in (0, 2):
        for fault in temporary_faults(APPEND, chunk):
            yield LARGE, fault
    yield LARGE, LoseAnswer(APPEND, 1)
    for chunk in range(3):
        yield LARGE, CutRequest(APPEND, chunk, times=2, after=300_000)


def named(case: tuple[bytes, Fault]) -> str:
    array, fault = case
    what = [type(fault).__name__, getattr(fault, "status", ""), fault.skip, fault.times]
    what += [len(fault.text)] if isinstance(fault, Answer) else []
    return "-".join(
        ["small" if array is SMALL else "large", NAMES[fault.requests], *map(str, what)]
    )


@pytest.fixture(autouse=True)
def faultless(proxy: Proxy) -> Iterator[None]:
    """The proxy, without faults before and after each test."""
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
def test_temporary_fault_of_a_request_to_supabase_is_retried(client, traces, proxy, array, fault):
    proxy.inject(fault)
    assert_stored(post(client, array), array, traces)
    assert fault.is_spent


@pytest.mark.parametrize("status", [500, 404, 410, 200, 409])
def test_upload_offset_request_is_retried(client, traces, proxy, status):
    asking = Answer(PROGRESS, times=2, status=status)
    proxy.inject(CutRequest(APPEND, skip=1, after=2_000_000), asking)
    assert_stored(post(client, LARGE), LARGE, traces)
    assert proxy.count(PROGRESS) == 3


def test_complete_offset_without_an_object_is_not_accepted(client, traces, proxy):
    """HEAD says so if Storage was killed between the last byte and the object."""
    size = str(len(LARGE))
    offset = {"Upload-Offset": size, "Upload-Length": size}
    proxy.inject(Answer(APPEND, skip=2), Answer(PROGRESS, status=200, headers=offset))
    assert_stored(post(client, LARGE), LARGE, traces)


def test_small_object_whose_answer_was_lost_is_read_back(client, traces, proxy):
    proxy.inject(LoseAnswer(PUT))
    assert_stored(post(client, SMALL), SMALL, traces)
    assert (proxy.count(PUT), proxy.count(READ)) == (2, 1)


def test_conflict_without_an_object_is_retried(client, traces, proxy):
    proxy.inject(Answer(PUT, times=2, status=409))
    assert_stored(post(client, SMALL), SMALL, traces)


def test_each_request_of_an_upload_fails_once(client, traces, proxy):
    faults = [
        LoseAnswer(CREATE_UPLOAD),
        CutRequest(APPEND, after=3_000_000),
        LoseAnswer(APPEND, skip=2),
        Answer(PROGRESS, status=503),
        LoseAnswer(CREATE_IMPORT),
    ]
    proxy.inject(*faults)
    assert_stored(post(client, LARGE), LARGE, traces)
    assert all(fault.is_spent for fault in faults)


@pytest.fixture(scope="module")
def impatient_service(behind_proxy: Mapping[str, str]) -> Iterator[Service]:
    with running_service(behind_proxy, UPSTREAM_DEADLINE="3") as service:
        yield service


@pytest.fixture(scope="module")
def impatient_client(impatient_service: Service) -> Iterator[httpx.Client]:
    """Of a service with a deadline of three seconds."""
    with httpx.Client(base_url=impatient_service.url, timeout=60) as client:
        yield client


def unavailable(requests: Requests, skip: int = 0) -> list[Fault]:
    return [Answer(requests, skip, FOR_EVER, status=503)]


@pytest.mark.parametrize(
    ("body", "requests"),
    [(SMALL, PUT), (LARGE, APPEND), (SMALL, CREATE_IMPORT)],
    ids=["small object", "large object", "database"],
)
def test_an_outage_shorter_than_the_deadline_is_survived(
    behind_proxy, traces, proxy, body, requests
):
    """The longest pause between two tries is five seconds."""
    proxy.inject(*unavailable(requests))
    with (
        running_service(behind_proxy, UPSTREAM_DEADLINE="12") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(post, client, body)
        proxy.await_more(requests, than=0, seconds=30)
        time.sleep(6.5)
        proxy.clear_faults()
        assert_stored(answer.result(), body, traces)


OTHERS = [SMALL[:-1] + b" ", SMALL[:-1], SMALL + b" ", b""]
"""Of the same length, too short, too long, empty."""


@pytest.mark.parametrize("stored", OTHERS, ids=len)
def test_small_object_that_differs_from_the_body_is_rejected(client, traces, proxy, stored):
    proxy.inject(CorruptRequest(PUT, content=stored))
    with traces.unchanged(proxy):
        answer = post(client, SMALL)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert answer.headers["Retry-After"]
    assert_stored(post(client, SMALL), SMALL, traces)


TUS = {"Tus-Resumable": "1.0.0"}


def test_large_object_of_another_length_is_rejected(client, traces, proxy):
    proxy.inject(LoseAnswer(APPEND, skip=2), Answer(INFO, status=200, text='{"size": 5}'))
    with traces.unchanged(proxy):
        answer = post(client, LARGE)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")


@pytest.mark.parametrize("status", [200, 404, 409, 503])
def test_object_info_request_is_retried(client, traces, proxy, status):
    proxy.inject(LoseAnswer(APPEND, skip=2), Answer(INFO, times=2, status=status))
    assert_stored(post(client, LARGE), LARGE, traces)


@pytest.mark.parametrize("status", [200, 404, 503])
def test_read_back_of_a_small_object_is_retried(client, traces, proxy, status):
    failing = Answer(READ, status=status, text="")
    proxy.inject(LoseAnswer(PUT), failing)
    answer = post(client, SMALL)
    if status == 200:  # as if nothing was stored
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    else:
        assert_stored(answer, SMALL, traces)
    assert failing.is_spent


def test_create_upload_with_a_taken_name_is_not_retried(client, traces, proxy):
    message = "The resource already exists"
    proxy.inject(Answer(CREATE_UPLOAD, times=FOR_EVER, status=409, headers=TUS, text=message))
    with traces.unchanged(proxy):
        answer = post(client, LARGE)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert proxy.count(CREATE_UPLOAD) == 1


@pytest.mark.parametrize("headers", [{}, TUS])
def test_create_upload_after_another_conflict_is_retried(client, traces, proxy, headers):
    proxy.inject(Answer(CREATE_UPLOAD, times=2, status=409, headers=headers))
    assert_stored(post(client, LARGE), LARGE, traces)


def test_upload_unknown_to_storage_is_an_error(client, traces, proxy):
    """Unlike a 404 of a gateway, which is retried."""
    proxy.inject(CutRequest(APPEND, skip=1, after=5), Answer(PROGRESS, status=404, headers=TUS))
    with traces.unchanged(proxy):
        answer = post(client, LARGE)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert proxy.count(PROGRESS) == 1


OFFSETS = {
    "none": {},
    "superscript": {"Upload-Offset": "\u00b2"},
    "long": {"Upload-Offset": "9" * 5000},
}


@pytest.mark.parametrize("headers", OFFSETS.values(), ids=OFFSETS)
def test_invalid_upload_offset_is_requested_again(client, traces, proxy, headers):
    taken = Answer(APPEND, status=204, headers=headers, text="")
    proxy.inject(taken, Answer(PROGRESS, status=200, headers=headers))
    assert_stored(post(client, LARGE), LARGE, traces)


def test_create_upload_without_location_is_retried(client, traces, proxy):
    proxy.inject(Answer(CREATE_UPLOAD, status=201))
    assert_stored(post(client, LARGE), LARGE, traces)


PERMANENT_FAULTS = {
    "small object": (SMALL, unavailable(PUT), "storage"),
    "create upload": (LARGE, unavailable(CREATE_UPLOAD), "storage"),
    "first chunk": (LARGE, unavailable(APPEND), "storage"),
    "last chunk": (LARGE, unavailable(APPEND, 2), "storage"),
    "offset": (LARGE, [CutRequest(APPEND, after=5), *unavailable(PROGRESS)], "storage"),
    "no answer to chunks": (
        LARGE,
        [LoseAnswer(APPEND, 2, FOR_EVER), *unavailable(PROGRESS)],
        "storage",
    ),
    "long Retry-After": (
        SMALL,
        [Answer(PUT, times=FOR_EVER, status=429, headers={"Retry-After": "3600"})],
        "storage",
    ),
    "Retry-After 0": (
        SMALL,
        [Answer(PUT, times=FOR_EVER, status=503, headers={"Retry-After": "0"})],
        "storage",
    ),
    "invalid Retry-After": (
        SMALL,
        [Answer(PUT, times=FOR_EVER, status=503, headers={"Retry-After": "\u00b2"})],
        "storage",
    ),
    "record of an upload": (LARGE, unavailable(NOTE_UPLOAD), "database"),
    "hanging record of an upload": (LARGE, [Hang(NOTE_UPLOAD, times=FOR_EVER)], "database"),
    "no route to objects": (SMALL, [Answer(PUT, times=FOR_EVER, status=404)], "storage"),
    "no route to uploads": (LARGE, [Answer(APPEND, 1, FOR_EVER, status=404)], "storage"),
    "no route to the database": (
        SMALL,
        [Answer(CREATE_IMPORT, times=FOR_EVER, status=404)],
        "database",
    ),
    "no route while undoing": (
        LARGE,
        [*unavailable(APPEND, 1), Answer(CANCEL_UPLOAD, times=2, status=404)],
        "storage",
    ),
    "hanging object": (SMALL, [Hang(PUT, times=FOR_EVER)], "storage"),
    "hanging chunk": (LARGE, [Hang(APPEND, 1, FOR_EVER)], "storage"),
    "database without answers": (LARGE, [LoseAnswer(CREATE_IMPORT, 0, FOR_EVER)], "database"),
    "hanging database": (SMALL, [Hang(CREATE_IMPORT, times=FOR_EVER)], "database"),
    "database with Retry-After": (
        SMALL,
        [Answer(CREATE_IMPORT, times=FOR_EVER, status=503, headers={"Retry-After": "9"})],
        "database",
    ),
    "rollback fails at first": (
        LARGE,
        [*unavailable(APPEND, 1), Answer(CANCEL_UPLOAD, status=503), LoseAnswer(CANCEL_UPLOAD)],
        "storage",
    ),
}


@pytest.mark.parametrize(
    ("array", "faults", "part"), PERMANENT_FAULTS.values(), ids=PERMANENT_FAULTS
)
def test_permanent_fault_is_503_and_leaves_nothing(
    impatient_client, traces, proxy, array, faults, part
):
    proxy.inject(*faults)
    with traces.unchanged(proxy):
        answer = post(impatient_client, array)
        assert (answer.status_code, answer.json()["code"]) == (503, f"{part}_unavailable")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
    assert all(proxy.count(requests) < 100 for requests in (PUT, APPEND, CREATE_IMPORT))


REFUSALS = {
    "upload": (SMALL, [Answer(PUT, times=FOR_EVER, status=403)], "storage"),
    "resumable upload": (LARGE, [Answer(CREATE_UPLOAD, times=FOR_EVER, status=403)], "storage"),
    "record of an upload": (LARGE, [Answer(NOTE_UPLOAD, times=FOR_EVER, status=401)], "database"),
    "import": (LARGE, [Answer(CREATE_IMPORT, times=FOR_EVER, status=401)], "database"),
    "import, no route while removing": (
        SMALL,
        [Answer(CREATE_IMPORT, times=FOR_EVER, status=401), Answer(REMOVE, status=404)],
        "database",
    ),
}


@pytest.mark.parametrize(("array", "faults", "part"), REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_500_at_once_and_leaves_nothing(client, traces, proxy, array, faults, part):
    proxy.inject(*faults)
    with traces.unchanged(proxy):
        answer = post(client, array)
        assert (answer.status_code, answer.json()["code"]) == (500, f"{part}_refused")
        assert "Retry-After" not in answer.headers
    assert all(proxy.count(fault.requests) <= 1 for fault in faults[:1])


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("array", [SMALL, LARGE], ids=["small", "large"])
def test_rollback_is_completed_when_the_database_is_back(
    impatient_service, impatient_client, traces, proxy, array, recorded
):
    """Only then it is known whether the import was recorded."""
    impatient_service.forget_lines()
    with traces.unchanged(proxy):
        away = [*unavailable(CREATE_IMPORT), *unavailable(DISCARD_IMPORT)]
        proxy.inject(*([LoseAnswer(CREATE_IMPORT)] if recorded else []), *away)
        answer = post(impatient_client, array)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        proxy.clear_faults()
        impatient_service.await_line(lambda line: line["event"] == "import rolled back")


def test_late_create_import_after_a_rollback_is_rejected(impatient_client, traces, proxy):
    """The database is so slow that the request reaches it only after the rollback."""
    hold = Hold(CREATE_IMPORT, containing=b"p_import")
    with traces.unchanged(proxy):
        proxy.inject(hold, *unavailable(CREATE_IMPORT))
        answer = post(impatient_client, SMALL)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert hold.reached.is_set()
        proxy.clear_faults()
        assert hold.done.wait(30)


def test_body_in_progress_is_rejected_as_soon_as_storage_fails(impatient_service, traces, proxy):
    """The client does not have to send its gigabytes first."""
    proxy.inject(*unavailable(APPEND))
    wire = RawConnection(impatient_service)
    with traces.unchanged(proxy):
        wire.head(Content_Length=str(10**9))
        wire.send(b'{"source":"s","data":[')
        for _ in range(10**9 // 70_000):
            if wire.is_answered():
                break
            wire.send(b'"%b",' % (b"x" * 65_000))
        assert wire.code() == (503, "storage_unavailable")
    wire.close(reset=True)


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        (Answer(BUCKET, 0, FOR_EVER), {"storage": "unavailable", "database": "ok"}),
        (Answer(DATABASE, 0, FOR_EVER), {"storage": "ok", "database": "unavailable"}),
    ],
)
def test_readyz_is_503_while_supabase_is_unavailable(client, proxy, fault, checks):
    proxy.inject(fault)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (503, checks)
    assert answer.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200
    proxy.clear_faults()
    assert client.get("/readyz").status_code == 200


def test_get_import_is_503_while_the_database_is_unavailable(impatient_client, proxy):
    proxy.inject(*unavailable(DATABASE))
    answer = impatient_client.get("/import/import-01890000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_service_starts_while_supabase_is_unavailable(behind_proxy, traces, proxy):
    proxy.inject(*unavailable(STORAGE), *unavailable(DATABASE))
    with (
        running_service(behind_proxy) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        assert client.get("/readyz").status_code == 503
        proxy.reset()
        assert client.get("/readyz").status_code == 200
        assert_stored(post(client, SMALL), SMALL, traces)


@pytest.fixture
def fresh_client(behind_proxy: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Of a service that has had no request yet."""
    with (
        running_service(behind_proxy, UPSTREAM_DEADLINE="3") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


def test_readyz_is_503_while_storage_rejects_writes(fresh_client, traces, proxy):
    """As with a full disk: everything but writing works."""
    assert fresh_client.get("/readyz").status_code == 200
    assert proxy.count(CREATE_UPLOAD) == 0
    with traces.unchanged(proxy):
        proxy.inject(Answer(PUT, times=FOR_EVER, status=507))
        proxy.inject(Answer(APPEND, times=FOR_EVER, status=507))
        assert post(fresh_client, SMALL).json()["code"] == "storage_unavailable"
        answers = [fresh_client.get("/readyz") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].json()["checks"] == {"storage": "unavailable", "database": "ok"}
        assert proxy.count(CREATE_UPLOAD) == 1
    proxy.clear_faults()
    assert_stored(post(fresh_client, SMALL), SMALL, traces)
    assert fresh_client.get("/readyz").status_code == 200


def test_readyz_recovers_without_another_import(fresh_client, traces, proxy):
    with traces.unchanged(proxy):
        proxy.inject(*unavailable(PUT))
        assert post(fresh_client, SMALL).status_code == 503
        proxy.clear_faults()
        assert fresh_client.get("/readyz").status_code == 200
        assert proxy.count(CANCEL_UPLOAD) == len(proxy.uploads) == 1

"""Clients that do not read their answers: they are cut, and cost little memory meanwhile."""

import select
import socket
from collections.abc import Iterator, Mapping

import httpx
import pytest

from service.api.pagination import MAX_PAGE_BYTES
from tests.support.contacts import MIB
from tests.support.service import Service, running_service
from tests.support.traces import SOURCE, Traces

ROWS = 1000
READERS = 100
ALLOWED = 100 * MIB
"""More memory for all readers; without bounds each took 8 MB."""


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str]) -> Iterator[Service]:
    with running_service(supabase_env, IDLE_TIMEOUT="2") as service:
        yield service


@pytest.fixture(scope="module")
def job(service: Service, traces: Traces) -> str:
    """An import with a thousand rejections of 4 KB, of which some have escapes."""
    headers = {"Content-Type": "text/csv"}
    body = b"name,email\n" + b"Ada,x\n" * ROWS
    answer = httpx.post(f"{service.url}/import?source={SOURCE}", content=body, headers=headers)
    job_id = str(answer.json()["jobId"])
    traces.rows(
        """
        insert into import_rejections (import_id, record, part, code, message, content)
        select %s, n, 1, 'email_invalid', 'Not an address.',
          json_build_array('Ada', n || 'x', repeat('"', 2000))
        from generate_series(1, %s) n
        returning record
        """,
        job_id[7:],
        ROWS,
    )
    return job_id


def unread(service: Service, path: str, version: str) -> socket.socket:
    """Ask for an answer of which only a few kilobytes fit into the connection."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.connect(service.address)
    wire.sendall(f"GET {path} {version}\r\nHost: localhost\r\n\r\n".encode())
    return wire


def wait_until_cut(wire: socket.socket) -> None:
    poll = select.poll()
    poll.register(wire, 0)
    events = poll.poll(30_000)
    assert events, "an unread answer was never cut"
    assert events[0][1] & select.POLLERR  # a reset, not the end of an answer


@pytest.mark.parametrize(
    ("format_", "version"), [("json", "HTTP/1.1"), ("csv", "HTTP/1.1"), ("csv", "HTTP/1.0")]
)
def test_an_answer_that_nobody_reads_is_cut(service: Service, job: str, format_, version):
    # More than the service's socket takes at once: pipelined pages, as only JSON has small answers.
    path = f"/import/{job}/rejections?limit={ROWS}&format={format_}"
    wire = unread(service, path, version)
    if format_ == "json":
        for _ in range(20):
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    wait_until_cut(wire)
    wire.close()


def test_a_slow_but_steady_reader_is_not_cut(service: Service, job: str):
    path = f"/import/{job}/rejections?format=csv"
    wire = unread(service, path, "HTTP/1.0")
    size = 0
    while data := wire.recv(65536):
        size += len(data)
    assert size > ROWS * 2000
    wire.close()


def test_a_page_ends_early_if_its_rejections_are_large(service: Service, job: str):
    url = f"{service.url}/import/{job}/rejections?limit={ROWS}"
    records: list[int] = []
    cursor = ""
    while cursor is not None:
        answer = httpx.get(url + (cursor and f"&cursor={cursor}"))
        assert len(answer.content) < 2 * MAX_PAGE_BYTES
        page = answer.json()
        records += [each["record"] for each in page["rejections"]]
        cursor = page["next"]
        assert cursor is None or f"cursor={cursor}" in answer.headers["Link"]
    assert records == list(range(1, ROWS + 1))


@pytest.mark.parametrize(
    ("format_", "readers", "allowed"),
    [
        ("json", READERS, ALLOWED),
        ("csv", READERS, ALLOWED),
        pytest.param("json", 500, 200 * MIB, marks=pytest.mark.slow),
    ],
)
def test_many_slow_readers_take_little_memory(supabase_env, job: str, format_, readers, allowed):
    with running_service(supabase_env, IDLE_TIMEOUT="60") as service:
        path = f"/import/{job}/rejections?limit={ROWS}&format={format_}"
        httpx.get(service.url + path)
        before = service.peak_bytes()
        wires = [unread(service, path, "HTTP/1.1") for _ in range(readers)]
        heads = [wire.recv(12) for wire in wires]
        after = service.peak_bytes()
        for wire in wires:
            wire.close()
    # Fifty files at a time, and all pages.
    assert heads.count(b"HTTP/1.1 200") >= (readers if format_ == "json" else 49)
    assert set(heads) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert after - before < allowed


def test_hints_of_the_same_rejections_are_found_once(service: Service, job: str):
    """Twenty times a thousand of them took 31 seconds."""
    url = f"{service.url}/import/{job}/rejections?limit=30"
    httpx.get(url)
    before = service.cpu_seconds()
    for _ in range(20):
        assert len(httpx.get(url).json()["rejections"]) == 30
    assert service.cpu_seconds() - before < 1

"""Clients that wait for 100 Continue, send another length than declared, or disconnect."""

import json
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.contacts import MIB, csv_file, envelope, json_array
from tests.support.faults import APPEND
from tests.support.forms import SOURCE, field, form
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.service import Service, running_service
from tests.support.traces import Traces

GOOD = envelope(b"[]")


@pytest.fixture
def wire(service: Service) -> Iterator[RawConnection]:
    wire = RawConnection(service)
    yield wire
    wire.close()


def test_expect_100_continue_is_answered_with_100(wire, traces):
    wire.head(Expect="100-continue", Content_Length=str(len(GOOD)))
    assert wire.answer() == (100, {}, b"")
    wire.send(GOOD)
    status, headers, body = wire.answer()
    assert status == 202
    assert headers["location"] == f"/import/{json.loads(body)['jobId']}"
    assert traces.object(json.loads(body)["jobId"], "json") == b"[]"


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/import", {"Content_Type": "text/html"}, (415, "unsupported_media_type")),
        ("/import", {"Content_Type": "application/json; charset=x"}, (415, "unsupported_charset")),
        ("/import", {"Content_Length": str(64 * MIB + 1)}, (413, "body_too_large")),
        ("/import", {"Content_Encoding": "br"}, (415, "unsupported_encoding")),
        ("/import", {"Content_Type": "text/csv"}, (422, "source_missing")),
        ("/import?source=", {"Content_Type": "text/csv"}, (422, "source_invalid")),
        ("/import", {"Expect": "200-ok"}, (417, "expectation_failed")),
    ],
)
def test_expect_100_continue_is_rejected_before_the_body(wire, path, headers, expected):
    wire.head(path, **{"Expect": "100-continue", "Content_Length": "10", **headers})
    assert wire.code() == expected


@pytest.mark.parametrize(
    "headers", [{"Content_Length": str(64 * MIB + 1)}, {"Content_Length": str(10**15)}]
)
def test_content_length_over_the_limit_is_rejected_before_the_body(wire, headers):
    wire.head(**headers)
    assert wire.code() == (413, "body_too_large")


def test_body_shorter_than_content_length_is_truncated(wire, traces, proxy, service):
    """The JSON is complete, but the body is not."""
    proxy.reset()
    service.forget_lines()
    with traces.unchanged(proxy):
        wire.head(Content_Length=str(len(GOOD) + 1))
        wire.send(GOOD)
        wire.socket.shutdown(socket.SHUT_WR)
        service.await_line(lambda line: line.get("code") == "truncated_body")


def test_body_longer_than_content_length_is_rejected(wire, traces, proxy):
    proxy.reset()
    with traces.unchanged(proxy):
        wire.head(Content_Length=str(len(GOOD) - 1))
        wire.send(GOOD)
        assert wire.answer()[0] == 400


def test_chunked_body_without_its_last_chunk_is_truncated(wire, traces, proxy, service):
    proxy.reset()
    service.forget_lines()
    with traces.unchanged(proxy):
        wire.head(Transfer_Encoding="chunked")
        wire.send(b"%x\r\n%b\r\n" % (len(GOOD), GOOD))
        wire.socket.shutdown(socket.SHUT_WR)
        service.await_line(lambda line: line.get("code") == "truncated_body")


def test_malformed_chunked_body_is_rejected(wire, traces, proxy):
    proxy.reset()
    with traces.unchanged(proxy):
        wire.head(Transfer_Encoding="chunked", Expect="100-continue")
        assert wire.answer()[0] == 100
        wire.send(b"5\r\n" + GOOD[:5] + b"\r\nzz\r\n")
        assert wire.code() == (400, "malformed_request")


def bodies(size: int) -> dict[str, tuple[str, str, bytes]]:
    """Return path, content type and body of each kind."""
    rows, array = csv_file(size), json_array(size)
    with_rows, kind = form([SOURCE, field("file", rows, "a.csv")])
    with_array, _ = form([field("file", array, "a.json"), SOURCE])
    return {
        "json": ("/import", "application/json", envelope(array)),
        "csv": ("/import?source=s", "text/csv", rows),
        "form, csv": ("/import", kind, with_rows),
        "form, json": ("/import", kind, with_array),
    }


SIZES = {"small": bodies(10_000), "large": bodies(14 * MIB)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SIZES["small"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_disconnect_during_the_body_leaves_nothing(
    service, traces: Traces, proxy: Proxy, size, kind, reset
):
    path, content_type, body = SIZES[size][kind]
    proxy.reset()
    service.forget_lines()
    with traces.unchanged(proxy):
        wire = RawConnection(service)
        wire.head(path, Content_Type=content_type, Content_Length=str(len(body)))
        wire.send(body[:-50])
        wire.close(reset=reset)
        service.await_line(lambda line: line.get("code") == "truncated_body")
        assert reset or len(proxy.uploads) == (size == "large")


@pytest.mark.parametrize("pieces", [1, 30])
def test_disconnect_during_the_head_does_no_harm(service, client, pieces):
    wire = RawConnection(service)
    wire.send(b"POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Ty"[:pieces])
    wire.close(reset=True)
    assert client.get("/healthz").status_code == 200


def stopped(service: Service, number: int = signal.SIGTERM) -> int:
    service.process.send_signal(number)
    return service.process.wait(30)


def start_upload(service: Service, proxy: Proxy, kept_open: list[Any]) -> RawConnection:
    """Send most of a large body; returns once Storage has a part of it."""
    body = SIZES["large"]["json"][2]
    wire = RawConnection(service)
    kept_open.append(wire)
    wire.head(Content_Length=str(len(body)))
    wire.send(body[:-50])
    proxy.await_more(APPEND, than=0, seconds=30)
    return wire


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_rolls_back_uploads_after_the_shutdown_grace(behind_proxy, traces, proxy, number):
    proxy.reset()
    wires: list[RawConnection] = []
    with running_service(behind_proxy, SHUTDOWN_GRACE="0") as service, traces.unchanged(proxy):
        start_upload(service, proxy, wires)
        assert stopped(service, number) == 0
    wires[0].close()
    assert len(proxy.uploads) == 1


def test_stop_lets_uploads_finish_within_the_shutdown_grace(behind_proxy, traces, proxy):
    proxy.reset()
    wires: list[RawConnection] = []
    with running_service(behind_proxy, SHUTDOWN_GRACE="30") as service:
        wire = start_upload(service, proxy, wires)
        service.process.send_signal(signal.SIGTERM)
        service.await_line(lambda line: line["event"] == "stopping")
        wire.send(SIZES["large"]["json"][2][-50:])
        status, _, body = wire.answer()
        wire.close()
        assert service.process.wait(30) == 0
    assert status == 202
    assert traces.messages(json.loads(body)["jobId"])

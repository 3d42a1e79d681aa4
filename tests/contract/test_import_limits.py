"""Clients that stall or send too slowly, and too many uploads at a time."""

import socket
from collections.abc import Iterator, Mapping

import pytest

from tests.support.contacts import MIB, envelope, json_array
from tests.support.forms import SOURCE, field, form
from tests.support.raw_http import RawConnection
from tests.support.service import Service, running_service
from tests.support.traces import Traces

GOOD = envelope(b"[]")
LARGE = envelope(json_array(8 * MIB))
FORM, FORM_TYPE = form([SOURCE, field("file", b"name\nAda\n", "a.csv")])


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str]) -> Iterator[Service]:
    with running_service(supabase_env, IDLE_TIMEOUT="0.5", MAX_UPLOADS="2") as service:
        yield service


@pytest.fixture
def wires(service: Service) -> Iterator[list[RawConnection]]:
    wires = [RawConnection(service) for _ in range(3)]
    yield wires
    for wire in wires:
        wire.close()


@pytest.mark.parametrize(
    ("headers", "path", "body", "sent"),
    [
        ({}, "/import", GOOD, 0),
        ({}, "/import", GOOD, 10),
        ({}, "/import", LARGE, 7 * MIB),  # an upload is under way by then
        ({"Content_Type": "text/csv"}, "/import?source=s", b"name\nAda\n", 6),
        ({"Content_Type": FORM_TYPE}, "/import", FORM, 0),
        ({"Content_Type": FORM_TYPE}, "/import", FORM, len(FORM) - 20),
    ],
)
def test_stalled_body_is_rejected(wires, traces: Traces, headers, path, body, sent):
    before = traces.everything()
    wires[0].head(path, Content_Length=str(len(body)), **headers)
    wires[0].send(body[:sent])

    assert wires[0].code() == (408, "client_too_slow")
    assert traces.everything() == before


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def drip(wire: RawConnection, data: bytes) -> None:
    """Send another byte each time the service has been silent for a while, until it answers."""
    wire.socket.settimeout(0.05)
    for byte in data:
        wire.send(bytes([byte]))
        try:
            wire.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            continue
        break
    else:
        pytest.fail("it was never answered")
    wire.socket.settimeout(30)


def assert_ended_as_too_slow(wire: RawConnection) -> None:
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (408, "close")
    assert wire.socket.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"G", HEALTH[:-2]])
def test_stalled_head_is_rejected(wires, sent):
    wires[0].send(sent)
    assert wires[0].code() == (408, "client_too_slow")
    assert wires[0].socket.recv(1) == b""


def test_slow_head_is_rejected(wires):
    drip(wires[0], b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 1000)
    assert_ended_as_too_slow(wires[0])


def test_stalled_second_head_is_rejected_after_the_first_answer(wires):
    wires[0].send(HEALTH + HEALTH[:9])
    assert wires[0].answer()[0] == 200
    wires[0].send(HEALTH[9:-2])
    assert_ended_as_too_slow(wires[0])


def test_a_connection_may_be_idle_between_requests(service, wires):
    """It is idle for longer than a stalled connection may be."""
    wires[0].head(Content_Length=str(len(GOOD)), Expect="100-continue")
    assert wires[0].answer()[0] == 100
    wires[0].send(GOOD)
    assert wires[0].answer()[0] == 202
    wires.append(RawConnection(service))
    assert wires[-1].code() == (408, "client_too_slow")
    wires[0].send(HEALTH)
    assert wires[0].answer()[0] == 200


def test_slow_body_is_rejected(wires, traces: Traces):
    before = traces.everything()
    wires[0].head(Content_Length="1000")
    drip(wires[0], GOOD[:-1] + b" " * 900)
    assert wires[0].code() == (408, "client_too_slow")
    assert traces.everything() == before


def test_uploads_over_the_limit_are_rejected_until_another_has_ended(wires):
    first, second, third = wires
    for wire in (first, second):
        wire.head(Content_Length=str(len(GOOD)), Expect="100-continue")
        assert wire.answer()[0] == 100

    third.head(Content_Length=str(len(GOOD)))
    status, headers, _ = third.answer()
    assert (status, headers["retry-after"]) == (503, "1")

    first.send(GOOD)
    assert first.answer()[0] == 202
    first.head(Content_Length=str(len(GOOD)))
    first.send(GOOD)
    assert first.answer()[0] == 202
    second.send(GOOD)
    assert second.answer()[0] == 202

"""Clients that stall, and too many of them at a time."""

from collections.abc import Iterator, Mapping

import pytest

from tests.support.contacts import MIB, envelope, json_array
from tests.support.forms import SOURCE, field, form
from tests.support.service import Service, running_service
from tests.support.traces import Traces
from tests.support.wire import Wire

GOOD = envelope(b"[]")
LARGE = envelope(json_array(8 * MIB))
FORM, FORM_TYPE = form([SOURCE, field("file", b"name\nAda\n", "a.csv")])


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str]) -> Iterator[Service]:
    with running_service(supabase_env, IDLE_TIMEOUT="0.5", MAX_UPLOADS="2") as service:
        yield service


@pytest.fixture
def wires(service: Service) -> Iterator[list[Wire]]:
    wires = [Wire(service) for _ in range(3)]
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
def test_a_client_that_stalls_is_refused(wires, traces: Traces, headers, path, body, sent):
    before = traces.everything()
    wires[0].head(path, Content_Length=str(len(body)), **headers)
    wires[0].send(body[:sent])

    assert wires[0].code() == (408, "client_too_slow")
    assert traces.everything() == before


def test_more_uploads_than_the_limit_are_refused_until_one_has_ended(wires):
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

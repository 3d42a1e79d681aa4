"""Malformed or too large HTTP requests: the answer is a problem, and the connection is closed."""

from collections.abc import Iterator

import pytest

from tests.support.raw_http import RawConnection
from tests.support.service import Service

POST = b"POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
MALFORMED, TOO_LARGE = (400, "malformed_request"), (431, "head_too_large")


@pytest.fixture
def wire(service: Service) -> Iterator[RawConnection]:
    wire = RawConnection(service)
    yield wire
    wire.close()


BROKEN = {
    "no HTTP": (b"secret\r\n\r\n", MALFORMED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", MALFORMED),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
    "a version that is none": (b"GET / HTTP/9.9\r\n\r\n", MALFORMED),
    "no host": (b"GET /secret HTTP/1.1\r\n\r\n", MALFORMED),
    "an address that is none": (
        b"GET http://[secret HTTP/1.1\r\nHost: localhost\r\n\r\n",
        MALFORMED,
    ),
    "a header that is none": (GET + b"secret\r\n\r\n", MALFORMED),
    "a header with NUL": (GET + b"X: secret\0\r\n\r\n", MALFORMED),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", MALFORMED),
    "a negative length": (POST + b"Content-Length: -3\r\n\r\n", MALFORMED),
    "a length and chunks": (
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        MALFORMED,
    ),
    "an unknown transfer encoding": (POST + b"Transfer-Encoding: secret\r\n\r\n", MALFORMED),
    "a chunk size that is none": (
        POST + b"Transfer-Encoding: chunked\r\n\r\nsecret\r\n",
        MALFORMED,
    ),
    "a large header": (GET + b"X: " + b"secret" * 2000, TOO_LARGE),
    "a large address": (b"GET /?" + b"secret" * 2000, TOO_LARGE),
    "many headers": (GET + b"X: secret\r\n" * 200, TOO_LARGE),
    "many large headers": (GET + (b"X: " + b"secret" * 1000 + b"\r\n") * 6, TOO_LARGE),
}


@pytest.mark.parametrize(("sent", "expected"), BROKEN.values(), ids=BROKEN)
def test_malformed_http_is_answered_with_a_problem(wire, sent, expected):
    wire.send(sent)
    status, headers, body = wire.answer()
    assert (status, headers["content-type"]) == (expected[0], "application/problem+json")
    assert f'"code":"{expected[1]}"'.encode() in body
    assert headers["connection"] == "close"
    assert len(headers["x-request-id"]) == 32
    assert b"secret" not in body
    assert "aiohttp" not in headers["server"]


def test_malformed_request_after_a_valid_one_on_the_same_connection(wire):
    wire.send(GET + b"\r\n")
    assert wire.answer()[0] == 200
    wire.send(b"secret\r\n\r\n")
    assert wire.code() == MALFORMED


@pytest.mark.parametrize("path", [b"/healthz", b"/nothing"])
def test_unknown_expectation_is_417(wire, path):
    wire.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\nExpect: cake\r\n\r\n" % path)
    assert wire.code() == (417, "expectation_failed")

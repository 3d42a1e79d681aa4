"""When a head is incomplete, when it is too large, and who is told that a body has broken."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser

from service.problems import ProblemError
from service.server import MAX_HEAD_BYTES, _Heads, _to_problem

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def heads() -> _Heads:
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    loop = asyncio.get_running_loop()
    return _Heads(
        HttpRequestParser(protocol, loop, 2**16, payload_exception=web.RequestPayloadError)
    )


async def test_a_head_is_incomplete_from_its_first_byte_to_its_last(heads):
    assert not heads.incomplete
    for _ in range(2):
        for byte in HEAD[:-1]:
            heads.feed_data(bytes([byte]))
            assert heads.incomplete
        heads.feed_data(HEAD[-1:])
        assert not heads.incomplete


async def test_a_body_is_no_head(heads):
    heads.feed_data(CHUNKED)
    heads.feed_data(b"5\r\nabc")
    assert not heads.incomplete
    heads.feed_data(b"de\r\n0\r\n\r\n")
    assert not heads.incomplete
    heads.feed_data(b"G")
    assert heads.incomplete


async def test_a_head_has_a_bound_that_a_body_has_not(heads):
    [(_, payload)], _, _ = heads.feed_data(CHUNKED)
    for _ in range(3):
        heads.feed_data(b"%x\r\n%b\r\n" % (MAX_HEAD_BYTES, b"x" * MAX_HEAD_BYTES))
    heads.feed_data(b"0\r\n\r\n")
    assert payload.total_bytes == 3 * MAX_HEAD_BYTES

    line = b"X: " + b"y" * 1000 + b"\r\n"
    heads.feed_data(HEAD[:-2] + line * 30)
    with pytest.raises(HttpProcessingError) as caught:
        heads.feed_data(line * 10)
    assert _to_problem(caught.value, 400).code == "head_too_large"
    assert not heads.incomplete


async def test_nothing_is_taken_behind_what_is_wrong(heads):
    with pytest.raises(HttpProcessingError):
        heads.feed_data(b"nonsense\r\n\r\n")
    assert heads.feed_data(HEAD) == ((), False, b"")


async def test_who_reads_a_body_is_told_that_it_is_broken(heads):
    [(_, payload)], _, _ = heads.feed_data(CHUNKED)
    heads.feed_data(b"5\r\nabcde\r\nnonsense\r\n")
    with pytest.raises(ProblemError) as caught:
        await payload.readany()
    assert caught.value.code == "malformed_request"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LineTooLong(b"secret", 8190), "head_too_large"),
        (BadHttpMessage("Too many headers received"), "head_too_large"),
        (BadHttpMessage("secret"), "malformed_request"),
        (web.HTTPExpectationFailed(text="secret"), "expectation_failed"),
        (RuntimeError("secret"), "internal_error"),
        (None, "internal_error"),
    ],
)
def test_what_each_error_becomes(error, code):
    problem = _to_problem(error, 500)
    assert problem.code == code
    assert "secret" not in problem.detail

"""_LimitedParser: incomplete and too large heads, and errors in bodies."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser

from service.problems import ProblemError
from service.server import MAX_HEAD_BYTES, _LimitedParser, _to_problem
from tests.support.splits import pieces_of

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def parser() -> _LimitedParser:
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    loop = asyncio.get_running_loop()
    return _LimitedParser(
        HttpRequestParser(protocol, loop, 2**16, payload_exception=web.RequestPayloadError)
    )


async def test_a_head_is_incomplete_until_its_last_byte(parser):
    assert not parser.is_in_head
    for _ in range(2):
        for byte in HEAD[:-1]:
            parser.feed_data(bytes([byte]))
            assert parser.is_in_head
        parser.feed_data(HEAD[-1:])
        assert not parser.is_in_head


async def test_a_body_is_not_a_head(parser):
    parser.feed_data(CHUNKED)
    parser.feed_data(b"5\r\nabc")
    assert not parser.is_in_head
    parser.feed_data(b"de\r\n0\r\n\r\n")
    assert not parser.is_in_head
    parser.feed_data(b"G")
    assert parser.is_in_head


async def test_heads_are_limited_in_size_and_bodies_are_not(parser):
    [(_, payload)], _, _ = parser.feed_data(CHUNKED)
    for _ in range(3):
        parser.feed_data(b"%x\r\n%b\r\n" % (MAX_HEAD_BYTES, b"x" * MAX_HEAD_BYTES))
    parser.feed_data(b"0\r\n\r\n")
    assert payload.total_bytes == 3 * MAX_HEAD_BYTES

    line = b"X: " + b"y" * 1000 + b"\r\n"
    parser.feed_data(HEAD[:-2] + line * 30)
    with pytest.raises(HttpProcessingError) as caught:
        parser.feed_data(line * 10)
    assert _to_problem(caught.value, 400).code == "head_too_large"
    assert not parser.is_in_head


async def test_nothing_is_parsed_after_an_error(parser):
    with pytest.raises(HttpProcessingError):
        parser.feed_data(b"nonsense\r\n\r\n")
    assert parser.feed_data(HEAD) == ((), False, b"")


async def test_the_reader_of_a_malformed_body_gets_the_error(parser):
    [(_, payload)], _, _ = parser.feed_data(CHUNKED)
    parser.feed_data(b"5\r\nabcde\r\nnonsense\r\n")
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
def test_to_problem(error, code):
    problem = _to_problem(error, 500)
    assert problem.code == code
    assert "secret" not in problem.detail


def error_of(parser, data, piece=2**20):
    """Return the code of the problem that the parser finds, None if there is none."""
    try:
        for each in pieces_of(data, piece):
            parser.feed_data(each)
    except HttpProcessingError as error:
        return _to_problem(error, 400).code
    return None


@pytest.mark.parametrize("piece", [1, 7, 2**20])
@pytest.mark.parametrize(
    ("head", "code"),
    [
        (HEAD, None),
        (HEAD * 3, None),
        (b"\r\n" + HEAD, None),
        (HEAD.replace(b"1.1", b"1.0"), None),
        (HEAD.replace(b"1.1", b"2.0"), "http_version_unsupported"),
        (HEAD.replace(b"1.1", b"0.9"), "http_version_unsupported"),
        (HEAD + HEAD.replace(b"1.1", b"2.0"), "http_version_unsupported"),
        (b"GET /\r\n\r\n", "malformed_request"),
        (HEAD.replace(b"GET ", b"GET  "), "malformed_request"),
        (HEAD.replace(b"/ ", b"/  "), "malformed_request"),
        (HEAD + HEAD.replace(b"/ ", b"/  "), "malformed_request"),
        (CHUNKED.replace(b"1.1", b"1.0"), "malformed_request"),
    ],
)
async def test_a_request_is_http_1_1(parser, head, code, piece):
    assert error_of(parser, head, piece) == code


async def test_extensions_of_chunks_are_limited(parser):
    [(_, payload)], _, _ = parser.feed_data(CHUNKED)
    for _ in range(1000):
        parser.feed_data(b"1;a=b\r\nx\r\n")
    assert payload.total_bytes == 1000
    for _ in range(100):
        parser.feed_data(b"1;a=" + b"b" * 1000 + b"\r\nx\r\n")
    assert payload.exception().code == "malformed_request"
    assert payload.total_bytes < 1100


async def test_small_chunks_are_not_too_much_framing(parser):
    [(_, payload)], _, _ = parser.feed_data(CHUNKED)
    for _ in range(40):
        parser.feed_data(b"1\r\nx\r\n" * 1000)
    assert payload.total_bytes == 40_000

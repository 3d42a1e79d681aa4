"""What is refused by the head of a request alone, and how a body comes in."""

import asyncio
from collections.abc import Iterable
from unittest.mock import Mock

import pytest
from aiohttp import ClientPayloadError, streams, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from config.errors import MalformedInput
from service.bodies import PIECE_BYTES, Limits, body_pieces, check_head, json_submission
from service.problems import Problem
from service.splitting.csv_file import CsvSplitter
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter

LIMITS = Limits(body_bytes=1000, record_bytes=100, part_bytes=50)


def request_with(path: str = "/import", **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", path, headers=named)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "application/json"},
        {"Content_Type": "Application/JSON ; charset=UTF-8"},
        {"Content_Type": 'application/json; charset="utf8"'},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "application/json", "Content_Length": "1000"},
        {"Content_Type": "application/json", "Content_Encoding": "identity"},
    ],
)
def test_heads_that_pass(headers):
    assert check_head(request_with(**headers), LIMITS) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unsupported_media_type"),
        ({"Content_Type": "text/plain"}, "unsupported_media_type"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content_Type": "application/problem+json"}, "unsupported_media_type"),
        ({"Content_Type": "multipart/mixed; boundary=x"}, "unsupported_media_type"),
        ({"Content_Type": "nonsense"}, "unsupported_media_type"),
        ({"Content_Type": "application/json; charset=latin-1"}, "unsupported_charset"),
        ({"Content_Type": "application/json; charset=utf-16"}, "unsupported_charset"),
        ({"Content_Type": "application/json", "Content_Encoding": "gzip"}, "unsupported_encoding"),
        ({"Content_Type": "application/json", "Content_Length": "1001"}, "body_too_large"),
        ({"Content_Type": "text/csv"}, "source_missing"),
        ({"Content_Type": "application/json", "Idempotency_Key": "a b"}, "idempotency_key_invalid"),
    ],
)
def test_heads_that_are_refused(headers, code):
    with pytest.raises(Problem) as caught:
        check_head(request_with(**headers), LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize("query", ["source=a", "source=Z%C3%BCrich+2026", "other=1&source=x"])
def test_a_csv_names_its_source_in_the_address(query):
    assert check_head(request_with(f"/import?{query}", Content_Type="text/csv"), LIMITS) is None


@pytest.mark.parametrize("query", ["source=", "source=%20", "source=a%00b", "source=" + "x" * 201])
def test_a_csv_with_a_source_that_cannot_be_is_refused(query):
    with pytest.raises(MalformedInput) as caught:
        check_head(request_with(f"/import?{query}", Content_Type="text/csv"), LIMITS)
    assert caught.value.code == "source_invalid"


def test_limits_reach_the_splitters():
    kinds = [type(splitter) for splitter in (LIMITS.csv(), LIMITS.envelope(), LIMITS.json_array())]
    assert kinds == [CsvSplitter, EnvelopeSplitter, JsonArraySplitter]


def request_of(chunks: Iterable[bytes | Exception]) -> web.Request:
    """A request of which the body comes in these chunks, or breaks off."""
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    content = streams.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    for chunk in chunks:
        if isinstance(chunk, Exception):
            content.set_exception(chunk)
            break
        content.feed_data(chunk)
    else:
        content.feed_eof()
    headers = {"Content-Type": "application/json"}
    return make_mocked_request("POST", "/import", headers=headers, payload=content)


async def test_a_body_comes_in_small_pieces():
    counted: list[int] = []
    limits = Limits(10**6, 100, 50)
    content = bytes(range(256)) * 1000
    request = request_of([content[:200_000], content[200_000:]])
    pieces = [piece async for piece in body_pieces(request, limits, counted.append)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert sum(counted) == len(content)


@pytest.mark.parametrize(("size", "passes"), [(999, True), (1000, True), (1001, False)])
async def test_the_limit_and_its_neighbours(size, passes):
    pieces = body_pieces(request_of([b"x" * size]), LIMITS, lambda _: None)
    if passes:
        assert sum([len(piece) async for piece in pieces]) == size
    else:
        with pytest.raises(Problem) as caught:
            await anext(pieces)
        assert caught.value.code == "body_too_large"


@pytest.mark.parametrize(
    "error", [web.RequestPayloadError("x"), ClientPayloadError("x"), ConnectionResetError()]
)
async def test_a_body_that_breaks_off(error):
    with pytest.raises(Problem) as caught:
        async for _ in body_pieces(request_of([b"{", error]), LIMITS, lambda _: None):
            pass
    assert caught.value.code == "truncated_body"


async def test_a_json_submission_tells_its_source_at_the_end():
    request = request_of([b'{"data":[1],"source":"s"}'])
    submission = json_submission(request, LIMITS, lambda _: None)
    stored = b""
    async for piece in submission.pieces:
        stored += b"".join(submission.splitter.feed(piece))
    stored += b"".join(submission.splitter.close())
    assert (stored, await submission.source()) == (b"[1]", "s")

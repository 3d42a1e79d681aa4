"""The bytes of a request: receive, and Body with its digest and decompression."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Iterable
from hashlib import sha256
from unittest.mock import Mock

import pytest
from aiohttp import ClientPayloadError, streams, web
from aiohttp.base_protocol import BaseProtocol

from core.reading.plan import SAMPLE_BYTES
from core.zstandard import zstd
from service.intake.body import PIECE_BYTES, Body, Sample, receive
from service.intake.limits import Limits
from service.problems import ProblemError
from tests.support.splits import pieces_of

LIMITS = Limits(body_bytes=1000, record_bytes=100, part_bytes=50)


def content_of(chunks: Iterable[bytes | Exception]) -> streams.StreamReader:
    """A request's body that arrives in these chunks, or is truncated."""
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    content = streams.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    for chunk in chunks:
        if isinstance(chunk, Exception):
            content.set_exception(chunk)
            break
        content.feed_data(chunk)
    else:
        content.feed_eof()
    return content


async def test_receive_yields_small_pieces_and_counts_bytes():
    counted: list[int] = []
    limits = Limits(10**6, 100, 50)
    content = bytes(range(256)) * 1000
    received = receive(content_of([content[:200_000], content[200_000:]]), limits, counted.append)
    pieces = [piece async for piece in received]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert sum(counted) == len(content)


@pytest.mark.parametrize(("size", "passes"), [(999, True), (1000, True), (1001, False)])
async def test_receive_limits_the_size(size, passes):
    pieces = receive(content_of([b"x" * size]), LIMITS, lambda _: None)
    if passes:
        assert sum([len(piece) async for piece in pieces]) == size
    else:
        with pytest.raises(ProblemError) as caught:
            await anext(pieces)
        assert caught.value.code == "body_too_large"


@pytest.mark.parametrize(
    "error", [web.RequestPayloadError("x"), ClientPayloadError("x"), ConnectionResetError()]
)
async def test_receive_rejects_a_truncated_body(error):
    with pytest.raises(ProblemError) as caught:
        async for _ in receive(content_of([b"{", error]), LIMITS, lambda _: None):
            pass
    assert caught.value.code == "truncated_body"


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
async def test_body_is_decompressed_and_hashed_as_it_was_sent(compression):
    text = b"name\nAda\n" * 50
    compress = {"gzip": gzip.compress, "zstd": zstd.compress}.get(compression, bytes)
    sent = compress(text)
    body = Body(each(pieces_of(sent, 9)), compression, LIMITS)
    assert b"".join([piece async for piece in body]) == text
    assert (body.digest.bytes, body.digest.sha256) == (len(sent), sha256(sent).hexdigest())
    assert await body.trailing_source() is None


async def test_the_limit_holds_for_the_decompressed_body():
    sent = gzip.compress(b"name\n" + b"x\n" * 1000)
    assert len(sent) < LIMITS.body_bytes
    with pytest.raises(ProblemError) as caught:
        async for _ in Body(each([sent]), "gzip", LIMITS):
            pass
    assert caught.value.code == "body_too_large"


async def test_a_truncated_compressed_body_is_rejected():
    with pytest.raises(ProblemError) as caught:
        async for _ in Body(each([gzip.compress(b"x")[:-1]]), "gzip", LIMITS):
            pass
    assert caught.value.code == "malformed_compression"


async def test_decompression_lets_other_tasks_run():
    """A large text in a small body."""
    limits = Limits(2**30, 100, 50, compression_ratio=10_000)
    iterations = 0

    async def other() -> None:
        nonlocal iterations
        while True:
            iterations += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    body = Body(each([gzip.compress(bytes(20 * 2**20))]), "gzip", limits)
    assert sum([len(piece) async for piece in body]) == 20 * 2**20
    task.cancel()
    assert iterations > 1


@pytest.mark.parametrize("size", [0, 1, 10, SAMPLE_BYTES - 1, SAMPLE_BYTES, SAMPLE_BYTES + 1])
@pytest.mark.parametrize("piece", [7000, SAMPLE_BYTES, 10**6])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_the_sample_does_not_depend_on_the_pieces(size, piece, compression):
    text = random.Random(0).randbytes(size)
    sent = gzip.compress(text) if compression else text
    body = Body(each(pieces_of(sent, piece)), compression, Limits(2**20, 100, 50))
    assert await body.sample() == Sample(text[:SAMPLE_BYTES], size < SAMPLE_BYTES)
    assert b"".join([piece async for piece in body]) == text
    assert body.digest.sha256 == sha256(sent).hexdigest()


async def test_no_more_is_read_than_the_sample_needs():
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10_000

    await Body(pieces(), None, Limits(2**20, 100, 50)).sample()
    assert taken == 7


async def test_the_beginning_of_a_compressed_text_can_be_enough():
    text = random.Random(0).randbytes(50_000)
    body = Body(each([gzip.compress(text)[:-100]]), "gzip", LIMITS)
    with pytest.raises(ProblemError):
        await body.sample()
    body = Body(each([gzip.compress(text)[:-100]]), "gzip", Limits(2**20, 100, 50))
    sample = await body.sample(may_be_cut=True)
    assert text.startswith(sample.data)
    assert not sample.is_complete
    body = Body(each([gzip.compress(b"x")]), "gzip", LIMITS)
    assert await body.sample(may_be_cut=True) == Sample(b"x", is_complete=True)

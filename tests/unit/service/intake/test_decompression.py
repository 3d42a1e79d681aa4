"""What comes compressed: unpacked whatever its pieces, never larger than is allowed."""

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.intake.decompression import (
    FREE_BYTES,
    FREE_STREAMS,
    GZIP,
    STEP_BYTES,
    ZSTD,
    Decompressor,
    compression_by_ending,
    compression_of,
    unpacked,
    zstd,
)
from service.problems import ProblemError
from tests.support import splits

TEXT = b"".join(b"name %d,n%d@example.com\n" % (n, n) for n in range(20_000))
BOTH = pytest.mark.parametrize("compression", [GZIP, ZSTD])


def packed(text: bytes, compression: str) -> bytes:
    return gzip.compress(text, mtime=0) if compression == GZIP else zstd.compress(text)


def decompressor(compression: str, *, most: int = 2**30, ratio: int = 10_000) -> Decompressor:
    return Decompressor(compression, max_bytes=most, max_ratio=ratio)


def unpack(pieces: list[bytes], compression: str, **bounds: int) -> bytes:
    unpacks = decompressor(compression, **bounds)
    text = b"".join(data for piece in pieces for data in unpacks.feed(piece))
    unpacks.close()
    return text


def refusal(pieces: list[bytes], compression: str, **bounds: int) -> str:
    with pytest.raises(ProblemError) as caught:
        unpack(pieces, compression, **bounds)
    return caught.value.code


@BOTH
@given(data=st.data(), texts=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_members_and_frames_in_any_pieces(compression, data, texts):
    raw = b"".join(packed(text, compression) for text in texts)
    assert unpack(data.draw(splits.cuts(raw)), compression) == b"".join(texts)


@BOTH
@given(data=st.data(), flips=st.lists(st.integers(0, 10_000), max_size=3))
def test_damage_is_found_or_harmless_in_any_pieces(compression, data, flips):
    raw = bytearray(packed(TEXT[:500], compression))
    for flip in flips:
        raw[flip % len(raw)] ^= 1 << flip % 8
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    outcomes = set()
    for pieces in ([bytes(raw)], data.draw(splits.cuts(bytes(raw)))):
        try:
            outcomes.add(unpack(pieces, compression))
        except ProblemError as problem:
            outcomes.add(problem.code)
    assert len(outcomes) == 1


@BOTH
@pytest.mark.parametrize("size", [1, 1000, 2**20])
def test_a_large_text_comes_in_small_steps(compression, size):
    unpacks = decompressor(compression)
    steps = [
        data
        for piece in splits.pieces_of(packed(TEXT, compression), size)
        for data in unpacks.feed(piece)
    ]
    unpacks.close()
    assert b"".join(steps) == TEXT
    assert max(map(len, steps)) <= STEP_BYTES


@BOTH
@pytest.mark.parametrize("lacking", [1, 4, 9])
def test_a_stream_that_ends_too_early(compression, lacking):
    raw = packed(TEXT, compression)[:-lacking]
    for size in (7, 2**20):
        assert refusal(splits.pieces_of(raw, size), compression) == "malformed_compression"


@BOTH
@pytest.mark.parametrize("raw", [b"", b"x", b"name,email\n" * 9, b"\0" * 40])
def test_what_is_not_compressed_at_all(compression, raw):
    assert refusal([raw], compression) == "malformed_compression"


@BOTH
def test_one_is_not_the_other(compression):
    other = ZSTD if compression == GZIP else GZIP
    assert refusal([packed(TEXT, other)], compression) == "malformed_compression"


@BOTH
@pytest.mark.parametrize("more", [b"x", b"\0x", b"name,email\n", b"\x1f\x8c"])
def test_what_follows_must_be_another_member(compression, more):
    raw = packed(TEXT, compression) + more
    for size in (1, 2**20):
        assert refusal(splits.pieces_of(raw, size), compression) == "malformed_compression"


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_gzip_may_be_filled_up_with_zeros(size):
    raw = packed(b"abc", GZIP) + b"\0" * 1000
    assert unpack(splits.pieces_of(raw, size), GZIP) == b"abc"
    assert refusal(splits.pieces_of(raw + packed(b"abc", GZIP), size), GZIP) == (
        "malformed_compression"
    )


def test_a_wrong_checksum():
    raw = bytearray(packed(TEXT, GZIP))
    raw[-8] ^= 1
    assert refusal([bytes(raw)], GZIP) == "malformed_compression"


@BOTH
@pytest.mark.parametrize(("most", "passes"), [(999, False), (1000, True), (1001, True)])
def test_the_bound_of_the_text_and_its_neighbours(compression, most, passes):
    raw = packed(b"x" * 1000, compression)
    if passes:
        assert len(unpack([raw], compression, most=most)) == 1000
    else:
        assert refusal([raw], compression, most=most) == "body_too_large"


@BOTH
def test_a_bomb_is_refused_before_it_goes_off(compression):
    bomb = packed(bytes(16 * FREE_BYTES), compression)
    taken: list[int] = []
    with pytest.raises(ProblemError) as caught:
        taken.extend(map(len, decompressor(compression, ratio=200).feed(bomb)))
    assert (caught.value.code, caught.value.status) == ("compression_ratio_too_high", 413)
    assert sum(taken) <= max(FREE_BYTES, 200 * len(bomb))


@BOTH
def test_what_is_not_large_may_have_any_ratio(compression):
    text = bytes(FREE_BYTES)
    assert unpack([packed(text, compression)], compression, ratio=1) == text


def test_a_window_that_would_need_much_memory_is_refused():
    options = {zstd.CompressionParameter.window_log: 27}
    raw = zstd.ZstdCompressor(options=options).compress(TEXT, zstd.ZstdCompressor.FLUSH_BLOCK)
    with pytest.raises(ProblemError, match="--long") as caught:
        unpack([raw], ZSTD)
    assert caught.value.code == "unsupported_encoding"


def test_the_largest_window_of_the_standard_is_taken():
    options = {
        zstd.CompressionParameter.window_log: 23,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    assert unpack([zstd.compress(TEXT, options=options)], ZSTD) == TEXT


async def test_a_large_text_of_a_small_body_lets_others_have_the_event_loop():
    async def pieces() -> AsyncIterator[bytes]:
        yield packed(bytes(20 * 2**20), GZIP)

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    assert sum([len(data) async for data in unpacked(pieces(), decompressor(GZIP))]) == 20 * 2**20
    task.cancel()
    assert turns > 1


@BOTH
def test_there_is_a_bound_of_small_members(compression):
    small = packed(b"ab", compression)
    assert unpack([small * FREE_STREAMS], compression) == b"ab" * FREE_STREAMS
    many = small * 2 * FREE_STREAMS
    assert refusal(splits.pieces_of(many, 10_000), compression) == "malformed_compression"
    larger = packed(random.Random(0).randbytes(300), compression)
    assert len(unpack([larger * 2 * FREE_STREAMS], compression)) == 600 * FREE_STREAMS


def test_stored_blocks_are_gzip_too():
    packer = zlib.compressobj(0, wbits=31)
    raw = packer.compress(TEXT) + packer.flush()
    assert unpack(splits.pieces_of(raw, 65_536), GZIP) == TEXT


@pytest.mark.parametrize(
    ("encoding", "compression"),
    [(None, None), ("", None), ("identity", None), ("gzip", GZIP), ("X-GZIP", GZIP),
     (" zstd ", ZSTD)],
)  # fmt: skip
def test_content_encodings(encoding, compression):
    assert compression_of(encoding) == compression


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,zstd", "ÿ"])
def test_content_encodings_that_are_not_taken(encoding):
    with pytest.raises(ProblemError) as caught:
        compression_of(encoding)
    assert caught.value.code == "unsupported_encoding"
    assert caught.value.headers["Accept-Encoding"] == "gzip, zstd"


@pytest.mark.parametrize(
    ("ending", "compression"), [(".gz", GZIP), (".ZST", ZSTD), (".csv", None), ("", None)]
)
def test_endings(ending, compression):
    assert compression_by_ending(ending) == compression

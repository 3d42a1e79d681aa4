"""Decompressor: any pieces, within its limits; and the names of compressions."""

import gzip
import random
import zlib

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
    compression_by_suffix,
    compression_of,
    zstd,
)
from service.problems import ProblemError
from tests.support import splits

TEXT = b"".join(b"name %d,n%d@example.com\n" % (n, n) for n in range(20_000))
BOTH = pytest.mark.parametrize("compression", [GZIP, ZSTD])


def compressed(text: bytes, compression: str) -> bytes:
    return gzip.compress(text, mtime=0) if compression == GZIP else zstd.compress(text)


def decompressor_of(compression: str, *, most: int = 2**30, ratio: int = 10_000) -> Decompressor:
    return Decompressor(compression, max_bytes=most, max_ratio=ratio)


def decompress(pieces: list[bytes], compression: str, **bounds: int) -> bytes:
    decompressor = decompressor_of(compression, **bounds)
    text = b"".join(data for piece in pieces for data in decompressor.feed(piece))
    decompressor.close()
    return text


def problem_code(pieces: list[bytes], compression: str, **bounds: int) -> str:
    with pytest.raises(ProblemError) as caught:
        decompress(pieces, compression, **bounds)
    return caught.value.code


@BOTH
@given(data=st.data(), texts=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_members_and_frames_are_decompressed_in_any_pieces(compression, data, texts):
    raw = b"".join(compressed(text, compression) for text in texts)
    assert decompress(data.draw(splits.cuts(raw)), compression) == b"".join(texts)


@BOTH
@given(data=st.data(), flips=st.lists(st.integers(0, 10_000), max_size=3))
def test_damaged_data_has_one_result_in_any_pieces(compression, data, flips):
    raw = bytearray(compressed(TEXT[:500], compression))
    for flip in flips:
        raw[flip % len(raw)] ^= 1 << flip % 8
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    outcomes = set()
    for pieces in ([bytes(raw)], data.draw(splits.cuts(bytes(raw)))):
        try:
            outcomes.add(decompress(pieces, compression))
        except ProblemError as problem:
            outcomes.add(problem.code)
    assert len(outcomes) == 1


@BOTH
@pytest.mark.parametrize("size", [1, 1000, 2**20])
def test_decompressor_yields_small_steps(compression, size):
    decompressor = decompressor_of(compression)
    steps = [
        data
        for piece in splits.pieces_of(compressed(TEXT, compression), size)
        for data in decompressor.feed(piece)
    ]
    decompressor.close()
    assert b"".join(steps) == TEXT
    assert max(map(len, steps)) <= STEP_BYTES


@BOTH
@pytest.mark.parametrize("lacking", [1, 4, 9])
def test_a_truncated_stream_is_rejected(compression, lacking):
    raw = compressed(TEXT, compression)[:-lacking]
    for size in (7, 2**20):
        assert problem_code(splits.pieces_of(raw, size), compression) == "malformed_compression"


@BOTH
@pytest.mark.parametrize("raw", [b"", b"x", b"name,email\n" * 9, b"\0" * 40])
def test_uncompressed_data_is_rejected(compression, raw):
    assert problem_code([raw], compression) == "malformed_compression"


@BOTH
def test_data_of_the_other_compression_is_rejected(compression):
    other = ZSTD if compression == GZIP else GZIP
    assert problem_code([compressed(TEXT, other)], compression) == "malformed_compression"


@BOTH
@pytest.mark.parametrize("more", [b"x", b"\0x", b"name,email\n", b"\x1f\x8c"])
def test_other_data_after_the_stream_is_rejected(compression, more):
    raw = compressed(TEXT, compression) + more
    for size in (1, 2**20):
        assert problem_code(splits.pieces_of(raw, size), compression) == "malformed_compression"


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_gzip_may_be_padded_with_zeros(size):
    raw = compressed(b"abc", GZIP) + b"\0" * 1000
    assert decompress(splits.pieces_of(raw, size), GZIP) == b"abc"
    assert problem_code(splits.pieces_of(raw + compressed(b"abc", GZIP), size), GZIP) == (
        "malformed_compression"
    )


def test_a_wrong_checksum_is_rejected():
    raw = bytearray(compressed(TEXT, GZIP))
    raw[-8] ^= 1
    assert problem_code([bytes(raw)], GZIP) == "malformed_compression"


@BOTH
@pytest.mark.parametrize(("most", "passes"), [(999, False), (1000, True), (1001, True)])
def test_the_limit_of_the_text_and_its_neighbours(compression, most, passes):
    raw = compressed(b"x" * 1000, compression)
    if passes:
        assert len(decompress([raw], compression, most=most)) == 1000
    else:
        assert problem_code([raw], compression, most=most) == "body_too_large"


@BOTH
def test_a_decompression_bomb_is_rejected_early(compression):
    bomb = compressed(bytes(16 * FREE_BYTES), compression)
    taken: list[int] = []
    with pytest.raises(ProblemError) as caught:
        taken.extend(map(len, decompressor_of(compression, ratio=200).feed(bomb)))
    assert (caught.value.code, caught.value.status) == ("compression_ratio_too_high", 413)
    assert sum(taken) <= max(FREE_BYTES, 200 * len(bomb))


@BOTH
def test_a_small_text_may_have_any_compression_ratio(compression):
    text = bytes(FREE_BYTES)
    assert decompress([compressed(text, compression)], compression, ratio=1) == text


def test_a_zstd_window_that_needs_much_memory_is_rejected():
    options = {zstd.CompressionParameter.window_log: 27}
    raw = zstd.ZstdCompressor(options=options).compress(TEXT, zstd.ZstdCompressor.FLUSH_BLOCK)
    with pytest.raises(ProblemError, match="--long") as caught:
        decompress([raw], ZSTD)
    assert caught.value.code == "unsupported_encoding"


def test_the_largest_zstd_window_of_the_standard_is_accepted():
    options = {
        zstd.CompressionParameter.window_log: 23,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    assert decompress([zstd.compress(TEXT, options=options)], ZSTD) == TEXT


@BOTH
def test_the_number_of_small_members_is_limited(compression):
    small = compressed(b"ab", compression)
    assert decompress([small * FREE_STREAMS], compression) == b"ab" * FREE_STREAMS
    many = small * 2 * FREE_STREAMS
    assert problem_code(splits.pieces_of(many, 10_000), compression) == "malformed_compression"
    larger = compressed(random.Random(0).randbytes(300), compression)
    assert len(decompress([larger * 2 * FREE_STREAMS], compression)) == 600 * FREE_STREAMS


def test_stored_gzip_blocks_are_decompressed():
    packer = zlib.compressobj(0, wbits=31)
    raw = packer.compress(TEXT) + packer.flush()
    assert decompress(splits.pieces_of(raw, 65_536), GZIP) == TEXT


@pytest.mark.parametrize(
    ("encoding", "compression"),
    [(None, None), ("", None), ("identity", None), ("gzip", GZIP), ("X-GZIP", GZIP),
     (" zstd ", ZSTD)],
)  # fmt: skip
def test_compression_of_content_encodings(encoding, compression):
    assert compression_of(encoding) == compression


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,zstd", "ÿ"])
def test_other_content_encodings_are_rejected(encoding):
    with pytest.raises(ProblemError) as caught:
        compression_of(encoding)
    assert caught.value.code == "unsupported_encoding"
    assert caught.value.headers["Accept-Encoding"] == "gzip, zstd"


@pytest.mark.parametrize(
    ("suffix", "compression"), [(".gz", GZIP), (".ZST", ZSTD), (".csv", None), ("", None)]
)
def test_compression_by_suffix(suffix, compression):
    assert compression_by_suffix(suffix) == compression

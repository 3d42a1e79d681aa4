"""Chunk and BufferBudget: the memory of uploads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.intake.buffers import CHUNK_BYTES, BufferBudget, Chunk


@given(st.lists(st.binary(max_size=100)))
def test_chunk_has_the_bytes_that_were_filled_in(pieces):
    chunk = Chunk()
    for piece in pieces:
        assert bytes(chunk.fill(memoryview(piece))) == b""
    assert bytes(chunk.content) == b"".join(pieces)
    assert len(chunk) == len(chunk.content)


@pytest.mark.parametrize("over", [-1, 0, 1, 1000])
def test_a_full_chunk_returns_the_rest(over):
    chunk = Chunk()
    data = memoryview(bytes(range(256)) * (CHUNK_BYTES // 256) + bytes(1000))[: CHUNK_BYTES + over]
    assert len(chunk.fill(data)) == max(0, over)
    assert chunk.is_full == (over >= 0)
    assert chunk.content == data[:CHUNK_BYTES]


def test_buffer_budget_limits_second_chunks():
    budget = BufferBudget(2)
    assert [budget.try_acquire() for _ in range(3)] == [True, True, False]
    budget.release()
    assert budget.try_acquire()

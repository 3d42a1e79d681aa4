"""Memory for uploads: exactly as much as they fill, and returned to the system at once.

malloc keeps what it once had for blocks of this size: with fifty uploads of two chunks each, the
process would hold a third more than the chunks.
"""

import mmap
from typing import Final

CHUNK_BYTES: Final = 6 * 1024 * 1024
"""Chunk size that Storage requires: all chunks of an upload but the last must have it."""


class Chunk:
    """Successive bytes of an upload, up to CHUNK_BYTES."""

    def __init__(self) -> None:
        # Its pages take memory when they are first written to, until the last reference is gone.
        self._memory = mmap.mmap(-1, CHUNK_BYTES)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether no more bytes fit in."""
        return self._size == CHUNK_BYTES

    @property
    def content(self) -> memoryview:
        """The bytes, without a copy."""
        return memoryview(self._memory)[: self._size]

    def fill(self, data: memoryview) -> memoryview:
        """Take as many bytes as fit in; return the rest."""
        taken = data[: CHUNK_BYTES - self._size]
        self._memory[self._size : self._size + len(taken)] = taken
        self._size += len(taken)
        return data[len(taken) :]


class BufferBudget:
    """How many uploads of a process may fill a second chunk while their first one is sent."""

    def __init__(self, chunks: int = 24) -> None:
        self._left = chunks

    def try_acquire(self) -> bool:
        """Return whether another second chunk is allowed; if so, ``release`` must follow."""
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def release(self) -> None:
        """Give back what ``try_acquire`` has allowed."""
        self._left += 1

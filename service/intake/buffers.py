"""Memory for uploads: exactly as much as is in it, and given back at once.

What malloc has for pieces of this size grows with their number and stays: of fifty uploads at once,
each with two chunks, a third more than the chunks.
"""

import mmap
from typing import Final

CHUNK_BYTES: Final = 6 * 1024 * 1024
"""Storage's own chunk size: all but the last of an upload must have it."""


class Chunk:
    """Bytes of an upload that stand in a row; room for CHUNK_BYTES of them."""

    def __init__(self) -> None:
        # Pages of it become memory when they are written to, and go with the last reference.
        self._memory = mmap.mmap(-1, CHUNK_BYTES)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether there is no more room."""
        return self._size == CHUNK_BYTES

    @property
    def content(self) -> memoryview:
        """What is in it; not copied."""
        return memoryview(self._memory)[: self._size]

    def fill(self, data: memoryview) -> memoryview:
        """Take as much as there is room for; returns the rest."""
        taken = data[: CHUNK_BYTES - self._size]
        self._memory[self._size : self._size + len(taken)] = taken
        self._size += len(taken)
        return data[len(taken) :]


class BufferBudget:
    """How many uploads of a process may fill a chunk while their former one travels."""

    def __init__(self, most: int = 24) -> None:
        self._left = most

    def take(self) -> bool:
        """Begin, if not too many others do; then ``give_back`` has to follow."""
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """The former chunk has arrived."""
        self._left += 1

"""Bodies of any size, made as they are sent: records of about 1,000 bytes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from benchmarks.contacts import SOURCE

RECORD_BYTES: Final = 1000
BLOCK_RECORDS: Final = 1000

_RECORD: Final = b'{"name": "Large", "email": "large@example.com", "note": "%s"}'


def records_in(size: int) -> int:
    """How many records a body of about so many bytes has."""
    return max(1, size // RECORD_BYTES // BLOCK_RECORDS) * BLOCK_RECORDS


def body(size: int) -> Iterator[bytes]:
    """A JSON body; all contacts have the same e-mail."""
    record = _RECORD % (b"x" * (RECORD_BYTES - len(_RECORD)))
    block = b",".join([record] * BLOCK_RECORDS)
    yield b'{"source": "%s", "data": [' % SOURCE.encode()
    separator = b""
    for _ in range(records_in(size) // BLOCK_RECORDS):
        yield separator + block
        separator = b","
    yield b"]}"


async def body_async(size: int) -> AsyncIterator[bytes]:
    """The same for a client that sends many at once."""
    for piece in body(size):
        yield piece
        await asyncio.sleep(0)

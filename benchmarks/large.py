"""Bodies of any size with records of about 1,000 bytes, generated while they are sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from benchmarks.contacts import SOURCE

RECORD_BYTES: Final = 1000
BLOCK_RECORDS: Final = 1000

_RECORD: Final = b'{"name": "Large", "email": "large@example.com", "note": "%s"}'


def records_in(size: int) -> int:
    """Return the number of records in a body of about ``size`` bytes."""
    return max(1, size // RECORD_BYTES // BLOCK_RECORDS) * BLOCK_RECORDS


def body(size: int) -> Iterator[bytes]:
    """Yield a JSON body whose contacts all have the same e-mail address."""
    record = _RECORD % (b"x" * (RECORD_BYTES - len(_RECORD)))
    block = b",".join([record] * BLOCK_RECORDS)
    yield b'{"source": "%s", "data": [' % SOURCE.encode()
    separator = b""
    for _ in range(records_in(size) // BLOCK_RECORDS):
        yield separator + block
        separator = b","
    yield b"]}"


async def body_async(size: int) -> AsyncIterator[bytes]:
    """Yield the same body, for a client that sends many at once."""
    for piece in body(size):
        yield piece
        await asyncio.sleep(0)

"""Copies bytes between network and disk, in steps that are worth a change of threads."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiofiles
from aiofiles.threadpool.binary import AsyncFileIO
from aiohttp import BodyPartReader, StreamReader

STEP = 1 << 20


class Sink(Protocol):
    """Something to write bytes to, such as an aiofiles file."""

    def write(self, data: bytes, /) -> Coroutine[Any, Any, int]:
        """Write all of the bytes."""
        ...


async def chunks_of(body: StreamReader) -> AsyncIterator[bytes]:
    """Yield a raw body as it arrives."""
    while chunk := await body.readany():
        yield chunk


async def chunks_of_part(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Yield one part of a multipart body as it arrives."""
    while chunk := await part.read_chunk(STEP >> 2):
        yield bytes(chunk)


async def write_chunks(chunks: AsyncIterator[bytes], sink: Sink) -> int:
    """Write all chunks in larger steps; what has arrived is written even if the rest fails."""
    written, waiting, size = 0, list[bytes](), 0
    try:
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= STEP:
                full, waiting, size = waiting, [], 0
                written += await _write(sink, full)
    finally:
        written += await _write(sink, waiting)
    return written


async def _write(sink: Sink, chunks: list[bytes]) -> int:
    if not chunks:
        return 0
    joined = b"".join(chunks)
    await _uninterrupted(asyncio.ensure_future(sink.write(joined)))
    return len(joined)


async def _uninterrupted(writing: "asyncio.Future[object]") -> None:
    """Wait for a write even if this is cancelled, because its thread continues anyway."""
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise


async def save(chunks: AsyncIterator[bytes], path: Path) -> int:
    """Write a new file and return its size; if the body breaks off, no file is left."""
    try:
        async with aiofiles.open(path, "xb") as file:
            return await write_chunks(chunks, file)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


@dataclass(frozen=True)
class Slice:
    """An open file, read from its current position."""

    file: AsyncFileIO

    async def read(self, length: int) -> AsyncIterator[bytes]:
        """Yield the next bytes, in steps."""
        while length > 0 and (read := await self.file.read(min(length, STEP))):
            length -= len(read)
            yield read

    async def aclose(self) -> None:
        """Close the file."""
        await self.file.close()


async def open_slice(path: Path, start: int) -> Slice:
    """Open a file for reading from ``start`` on."""
    file = await aiofiles.open(path, "rb", buffering=0)
    await file.seek(start)
    return Slice(file)

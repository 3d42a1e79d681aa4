"""The Storage client of the service (asyncio): uploads, reads, removal."""

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp
from supabase import AsyncClient

from core.errors import PermanentError, StorageConflictError, UpstreamError
from core.supabase.errors import STORAGE, is_missing_object, translate_errors
from core.supabase.storage_shared import (
    BUCKET,
    CANCEL_HEADERS,
    PIECE_BYTES,
    RESUMABLE_PATH,
    TUS_HEADERS,
    Progress,
    answer_error,
    body_field,
    byte_count,
    cancel_upload_error,
    create_upload_error,
    digest_seconds,
    gateway_error,
    object_info_path,
    object_path,
)

_SLICE_BYTES: Final = 256 * 1024
"""Bytes that are handed to the connection at a time."""
_ONE_OBJECT_STATUSES: Final = {409, 413}
"""The failure concerns one object only: its name is taken, or it is too large."""


class AsyncStorageClient:
    """Requests to the bucket of the imports; each raises UpstreamError, and none is retried."""

    def __init__(
        self,
        supabase: AsyncClient,
        session: aiohttp.ClientSession,
        headers: dict[str, str],
        *,
        before_slice: Callable[[], Awaitable[None]],
    ) -> None:
        """``session`` has the project's address as its base; ``headers`` carry the key.

        ``before_slice`` is awaited before each 256 KiB of an upload, so that many uploads at once
        share the event loop fairly.
        """
        self._supabase = supabase
        self._session = session
        self._headers = headers
        self._before_slice = before_slice
        self.last_write_failed = False
        """Whether the last upload request failed for a reason that concerns every upload."""

    async def ensure_bucket(self) -> None:
        """Create the private bucket of the imports if it does not exist."""
        with translate_errors(STORAGE):
            if all(bucket.id != BUCKET for bucket in await self._supabase.storage.list_buckets()):
                await self._supabase.storage.create_bucket(BUCKET, options={"public": False})

    async def check(self) -> None:
        """Raise if Storage does not answer, or has no bucket for us."""
        with translate_errors(STORAGE):
            await self._supabase.storage.get_bucket(BUCKET)

    async def put(self, name: str, content: memoryview, content_type: str) -> None:
        """Store a small object with one standard upload.

        Raises StorageConflictError if the name is taken; ``holds`` then returns whether an earlier
        try of the same upload stored it.
        """
        headers = self._headers | {
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
            "x-upsert": "false",
        }
        with self._noting_write():
            async with self._session.post(
                object_path(name), data=self._body(content), headers=headers
            ) as response:
                await _check(response, 200)
                if body_field(await response.read(), "Key") is None:
                    raise gateway_error("200 without the object's name")

    async def holds(self, name: str, content: memoryview) -> bool:
        """Return whether an object's bytes equal ``content``.

        The object is read back: its ETag is not a checksum with every backend of Storage. Raises
        StorageConflictError if there is no such object.
        """
        async with self._get(object_path(name)) as response:
            at = 0
            async for piece in response.content.iter_any():
                if content[at : at + len(piece)] != piece:
                    return False
                at += len(piece)
            return at == len(content)

    async def size(self, name: str) -> int | None:
        """Return the size of an object in bytes; None if there is none."""
        try:
            async with self._get(object_info_path(name)) as response:
                size = body_field(await response.read(), "size")
        except StorageConflictError:
            return None
        if not isinstance(size, int):
            raise gateway_error("200 without the object's size")
        return size

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an object in pieces of at most 64 KiB; the caller must close it.

        Raises StorageConflictError if there is no such object.
        """
        async with self._get(object_path(name)) as response:
            async for piece in response.content.iter_chunked(PIECE_BYTES):
                yield piece

    async def remove(self, name: str) -> None:
        """Remove an object; it is not an error if there is none."""
        with translate_errors(STORAGE):
            await self._supabase.storage.from_(BUCKET).remove([name])

    async def create_upload(self, name: str, content_type: str) -> str:
        """Start a resumable upload of unknown length; return its path.

        Raises PermanentError if the name is taken. This upload has no bytes yet, so the object is
        another one.
        """
        metadata = {
            "bucketName": BUCKET,
            "objectName": name,
            "contentType": content_type,
            "cacheControl": "3600",
        }
        pairs = (f"{key} {b64encode(value.encode()).decode()}" for key, value in metadata.items())
        tus = TUS_HEADERS | {"Upload-Defer-Length": "1", "Upload-Metadata": ",".join(pairs)}
        with self._noting_write_failure():
            async with self._session.post(RESUMABLE_PATH, headers=self._headers | tus) as response:
                body = await response.read()
                if response.status != 201:
                    raise create_upload_error(response.status, response.headers, body)
                # Host and scheme may be wrong behind a gateway: only the last segment counts.
                location = response.headers.get("Location", "")
                upload_id = location.rstrip("/").rpartition("/")[2]
                if not upload_id:
                    raise gateway_error("201 without the upload's address")
                return f"{RESUMABLE_PATH}/{upload_id}"

    async def append(
        self, upload: str, offset: int, content: memoryview, *, length: int | None
    ) -> None:
        """Send the bytes at ``offset`` of an upload; the object's ``length`` ends the upload.

        The end takes longer for larger objects (see ``digest_seconds``). Raises
        StorageConflictError if Storage did not take all of them.
        """
        tus = TUS_HEADERS | {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(content)),
        }
        if length is not None:
            tus["Upload-Length"] = str(length)
        with self._noting_write():
            async with self._session.patch(
                upload,
                data=self._body(content),
                headers=self._headers | tus,
                timeout=self._timeout(length or 0),
            ) as response:
                await _check(response, 204)
                if byte_count(response.headers, "Upload-Offset") != offset + len(content):
                    raise StorageConflictError(STORAGE, "took only some of the bytes")

    async def progress(self, upload: str) -> Progress:
        """Ask how far an upload is."""
        headers = self._headers | TUS_HEADERS
        with translate_errors(STORAGE):
            async with self._session.head(upload, headers=headers) as response:
                await _check(response, 200)
                is_known = "Upload-Length" in response.headers
                length = byte_count(response.headers, "Upload-Length") if is_known else None
                return Progress(byte_count(response.headers, "Upload-Offset"), length)

    async def cancel_upload(self, upload: str) -> None:
        """End an upload and discard its bytes; it is not an error if there is none.

        Raises StorageConflictError if Storage has made an object of it, or is doing so.
        """
        headers = self._headers | CANCEL_HEADERS
        with translate_errors(STORAGE):
            async with self._session.delete(upload, headers=headers) as response:
                body = await response.read()
                error = cancel_upload_error(response.status, response.headers, body)
                if error is not None:
                    raise error

    @contextmanager
    def _noting_write(self) -> Iterator[None]:
        with self._noting_write_failure():
            yield
        self.last_write_failed = False

    @contextmanager
    def _noting_write_failure(self) -> Iterator[None]:
        try:
            with translate_errors(STORAGE):
                yield
        except StorageConflictError:
            raise
        except UpstreamError as error:
            if error.status not in _ONE_OBJECT_STATUSES:
                self.last_write_failed = True
            raise

    @asynccontextmanager
    async def _get(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a successful answer; raises StorageConflictError if there is no such object."""
        headers = self._headers | {"Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        with translate_errors(STORAGE):
            async with self._session.get(path, headers=headers) as response:
                if response.status != 200:
                    error = answer_error(response.status, response.headers, await response.read())
                    if isinstance(error, PermanentError) and is_missing_object(error):
                        raise StorageConflictError(STORAGE, error.detail, code=error.code)
                    raise error
                yield response

    def _timeout(self, size: int) -> aiohttp.ClientTimeout:
        """Return the session's timeout, with more time for the digest of so many bytes."""
        timeout = self._session.timeout
        if timeout.sock_read is None:
            return timeout
        return aiohttp.ClientTimeout(
            total=timeout.total,
            connect=timeout.connect,
            sock_connect=timeout.sock_connect,
            sock_read=timeout.sock_read + digest_seconds(size),
        )

    def _body(self, content: memoryview) -> AsyncIterator[memoryview] | bytes:
        return self._slices(content) if content else b""

    async def _slices(self, content: memoryview) -> AsyncIterator[memoryview]:
        for start in range(0, len(content), _SLICE_BYTES):
            await self._before_slice()
            yield content[start : start + _SLICE_BYTES]


async def _check(response: aiohttp.ClientResponse, expected: int) -> None:
    """Read the answer; raises UpstreamError unless it has the expected status."""
    body = await response.read()
    if response.status != expected:
        raise answer_error(response.status, response.headers, body)

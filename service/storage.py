"""Supabase Storage as the service needs it: objects in, objects out again if the import failed.

supabase-py does the bucket and the removal; it can neither stream nor resume an upload, so the
TUS requests (tus.io, protocol 1.0.0) are ours.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
from supabase import AsyncClient

from config.errors import Permanent, Transient, UpstreamError
from config.model import BUCKET
from config.upstream import STORAGE, from_body, retry_after, translated
from service.turns import Turns

_SLICE_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 64 * 1024
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_RESUMABLE: Final = "/storage/v1/upload/resumable"
_CONFLICTS: Final = {409, 423}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Storage has come with a resumable upload."""

    offset: int
    """Bytes it has."""
    length_known: bool
    """Whether it was told how many there will be."""


class Conflict(Transient):
    """Storage is not where the request thought it was: ask how far it is, then go on."""


class Storage:
    """Requests to Storage; all raise UpstreamError, none tries again by itself."""

    def __init__(
        self, supabase: AsyncClient, session: aiohttp.ClientSession, headers: dict[str, str]
    ) -> None:
        """``session`` has the project's address as its base; ``headers`` carry the key."""
        self._supabase = supabase
        self._session = session
        self._headers = headers
        self._turns = Turns()
        self.last_write_failed = False
        """Whether Storage did not take what was last sent to it."""

    async def ensure_bucket(self) -> None:
        """Create the private bucket of the imports if it is not there."""
        with translated(STORAGE):
            if all(bucket.id != BUCKET for bucket in await self._supabase.storage.list_buckets()):
                await self._supabase.storage.create_bucket(BUCKET, options={"public": False})

    async def check(self) -> None:
        """Raise if Storage does not answer, or has no bucket for us."""
        with translated(STORAGE):
            await self._supabase.storage.get_bucket(BUCKET)

    async def put(self, name: str, content: memoryview, content_type: str) -> None:
        """Standard upload of a small object; raises Conflict if the name is taken."""
        headers = self._headers | {
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
            "x-upsert": "false",
        }
        with self._writing():
            async with self._session.post(
                f"/storage/v1/object/{BUCKET}/{name}", data=self._body(content), headers=headers
            ) as response:
                await self._check(response, 200)

    async def remove(self, name: str) -> None:
        """Remove an object; it is no error if there is none."""
        with translated(STORAGE):
            await self._supabase.storage.from_(BUCKET).remove([name])

    async def has(self, name: str) -> bool:
        """Whether there is such an object."""
        with translated(STORAGE):
            return await self._supabase.storage.from_(BUCKET).exists(name)

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of an object, in pieces of at most 64 KiB; to be closed."""
        with translated(STORAGE):
            async with self._session.get(
                f"/storage/v1/object/{BUCKET}/{quote(name)}", headers=self._headers
            ) as response:
                await self._check(response, 200, read=False)
                async for piece in response.content.iter_chunked(_PIECE_BYTES):
                    yield piece

    async def create_upload(self, name: str, content_type: str) -> str:
        """Begin a resumable upload of unknown length; returns its path."""
        metadata = {
            "bucketName": BUCKET,
            "objectName": name,
            "contentType": content_type,
            "cacheControl": "3600",
        }
        encoded = ",".join(f"{key} {b64encode(v.encode()).decode()}" for key, v in metadata.items())
        headers = self._tus({"Upload-Defer-Length": "1", "Upload-Metadata": encoded})
        with self._failing():
            async with self._session.post(_RESUMABLE, headers=headers) as answer:
                await self._check(answer, 201)
                # Host and scheme may be wrong behind a gateway: only the last segment counts.
                upload_id = answer.headers["Location"].rstrip("/").rpartition("/")[2]
        return f"{_RESUMABLE}/{upload_id}"

    async def append(
        self, upload: str, offset: int, content: memoryview, *, length: int | None
    ) -> None:
        """Send the bytes that stand at ``offset``; ``length`` ends the upload.

        Raises Conflict if Storage did not take all of them.
        """
        headers = self._tus(
            {
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(len(content)),
            }
        )
        if length is not None:
            headers["Upload-Length"] = str(length)
        with self._writing():
            async with self._session.patch(
                upload, data=self._body(content), headers=headers
            ) as response:
                await self._check(response, 204)
                if int(response.headers["Upload-Offset"]) != offset + len(content):
                    raise Conflict(STORAGE, "took only some of the bytes")

    async def progress(self, upload: str) -> Progress:
        """Ask how far an upload is."""
        with translated(STORAGE):
            async with self._session.head(upload, headers=self._tus({})) as response:
                await self._check(response, 200)
                return Progress(
                    int(response.headers["Upload-Offset"]), "Upload-Length" in response.headers
                )

    async def cancel_upload(self, upload: str) -> None:
        """End an upload and forget what came of it; it is no error if there is none.

        Raises Conflict if Storage is just making an object of it, or has done so.
        """
        with translated(STORAGE):
            async with self._session.delete(upload, headers=self._tus({})) as response:
                if response.status == 400:
                    raise Conflict(STORAGE, await response.text(), code="whole")
                if response.status not in {404, 410}:
                    await self._check(response, 204)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._failing():
            yield
        self.last_write_failed = False

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with translated(STORAGE):
                yield
        except Conflict:
            raise
        except UpstreamError as error:
            # That one object is too large says nothing of the others.
            self.last_write_failed = self.last_write_failed or error.status != 413
            raise

    def _tus(self, headers: dict[str, str]) -> dict[str, str]:
        return self._headers | _TUS | headers

    async def _check(
        self, response: aiohttp.ClientResponse, expected: int, *, read: bool = True
    ) -> None:
        """Raise unless the status is the expected one; reads the answer to its end then."""
        if response.status == expected:
            if read:
                await response.read()
            return
        wait = retry_after(response.headers)
        error = from_body(STORAGE, response.status, await response.read(), retry_after=wait)
        if response.status in _CONFLICTS or (isinstance(error, Permanent) and error.status == 409):
            raise Conflict(STORAGE, error.detail, code=error.code)
        raise error

    def _body(self, content: memoryview) -> AsyncIterator[memoryview] | bytes:
        return self._slices(content) if content else b""

    async def _slices(self, content: memoryview) -> AsyncIterator[memoryview]:
        for start in range(0, len(content), _SLICE_BYTES):
            await self._turns.next()
            yield content[start : start + _SLICE_BYTES]

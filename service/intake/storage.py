"""Supabase Storage as the service needs it: objects in, objects out again if the import failed.

supabase-py does the bucket and the removal; it can neither stream nor resume an upload, so the
TUS requests (tus.io, protocol 1.0.0) are ours.
"""

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
from supabase import AsyncClient

from core.errors import PermanentError, TransientError, UpstreamError
from core.models import BUCKET
from core.supabase.errors import (
    STORAGE,
    error_from_body,
    is_missing_object,
    parse_json_object,
    retry_after,
    translate_errors,
)
from service.fair_scheduling import FairScheduler

_SLICE_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 64 * 1024
_TUS: Final = {"Tus-Resumable": "1.0.0"}
"""Storage also sends it with every answer of its resumable routes; a gateway does not."""
_RESUMABLE: Final = "/storage/v1/upload/resumable"
_CONFLICTS: Final = {409, 423}
_TAKEN: Final = "The resource already exists"
NAME_TAKEN: Final = "name_taken"
"""Code of the error that the name belongs to another object."""
_OF_ONE_OBJECT: Final = {409, 413}
"""Statuses that concern one object only: too large, or its name is taken."""
_GONE: Final = {404, 410}
_is_count: Final = re.compile(r"[0-9]{1,18}").fullmatch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Storage has come with a resumable upload."""

    offset: int
    """Bytes it has."""
    length: int | None
    """Bytes there will be; None if it was not told yet."""


class StorageConflictError(TransientError):
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
        self._turns = FairScheduler()
        self.last_write_failed = False
        """Whether Storage did not take what was last sent to it."""

    async def ensure_bucket(self) -> None:
        """Create the private bucket of the imports if it is not there."""
        with translate_errors(STORAGE):
            if all(bucket.id != BUCKET for bucket in await self._supabase.storage.list_buckets()):
                await self._supabase.storage.create_bucket(BUCKET, options={"public": False})

    async def check(self) -> None:
        """Raise if Storage does not answer, or has no bucket for us."""
        with translate_errors(STORAGE):
            await self._supabase.storage.get_bucket(BUCKET)

    async def put(self, name: str, content: memoryview, content_type: str) -> None:
        """Standard upload of a small object; raises StorageConflictError if the name is taken.

        ``holds`` then returns whether an earlier try of the same upload has taken it.
        """
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
                if "Key" not in (parse_json_object(await response.read()) or {}):
                    raise _gateway_success("200 without the object's name")

    async def holds(self, name: str, content: memoryview) -> bool:
        """Whether an object is byte for byte ``content``; raises StorageConflictError if there is none.

        The object is read back: its ETag is not a checksum with every backend of Storage.
        """
        async with self._got(f"/storage/v1/object/{BUCKET}/{name}") as response:
            at = 0
            async for piece in response.content.iter_any():
                if content[at : at + len(piece)] != piece:
                    return False
                at += len(piece)
            return at == len(content)

    async def size(self, name: str) -> int | None:
        """Bytes of an object; None if there is none."""
        try:
            async with self._got(f"/storage/v1/object/info/{BUCKET}/{name}") as response:
                size = (parse_json_object(await response.read()) or {}).get("size")
        except StorageConflictError:
            return None
        if not isinstance(size, int):
            raise _gateway_success("200 without the object's size")
        return size

    async def remove(self, name: str) -> None:
        """Remove an object; it is no error if there is none."""
        with translate_errors(STORAGE):
            await self._supabase.storage.from_(BUCKET).remove([name])

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of an object, in pieces of at most 64 KiB; to be closed.

        Raises StorageConflictError if there is none.
        """
        async with self._got(f"/storage/v1/object/{BUCKET}/{quote(name)}") as response:
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                yield piece

    async def create_upload(self, name: str, content_type: str) -> str:
        """Begin a resumable upload of unknown length; returns its path.

        Raises PermanentError if the name is taken: it cannot be by this upload, which has no bytes yet.
        """
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
                await self._check_created(answer)
                # Host and scheme may be wrong behind a gateway: only the last segment counts.
                upload_id = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
                if not upload_id:
                    raise _gateway_success("201 without the upload's address")
        return f"{_RESUMABLE}/{upload_id}"

    async def _check_created(self, answer: aiohttp.ClientResponse) -> None:
        try:
            await self._check(answer, 201)
        except StorageConflictError as conflict:
            if _is_own(answer) and conflict.detail.startswith(_TAKEN):
                raise PermanentError(
                    STORAGE, conflict.detail, code=NAME_TAKEN, status=409
                ) from None
            raise

    async def append(
        self, upload: str, offset: int, content: memoryview, *, length: int | None
    ) -> None:
        """Send the bytes that stand at ``offset``; ``length`` ends the upload.

        Raises StorageConflictError if Storage did not take all of them.
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
                if _count(response, "Upload-Offset") != offset + len(content):
                    raise StorageConflictError(STORAGE, "took only some of the bytes")

    async def progress(self, upload: str) -> Progress:
        """Ask how far an upload is."""
        with translate_errors(STORAGE):
            async with self._session.head(upload, headers=self._tus({})) as response:
                await self._check(response, 200)
                known = "Upload-Length" in response.headers
                length = _count(response, "Upload-Length") if known else None
                return Progress(_count(response, "Upload-Offset"), length)

    async def cancel_upload(self, upload: str) -> None:
        """End an upload and forget what came of it; it is no error if there is none.

        Raises StorageConflictError if Storage is just making an object of it, or has done so.
        """
        with translate_errors(STORAGE):
            async with self._session.delete(upload, headers=self._tus({})) as response:
                if response.status == 400:
                    raise StorageConflictError(STORAGE, await response.text(), code="whole")
                if not (response.status in _GONE and _is_own(response)):
                    await self._check(response, 204)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._failing():
            yield
        self.last_write_failed = False

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with translate_errors(STORAGE):
                yield
        except StorageConflictError:
            raise
        except UpstreamError as error:
            failed = error.status not in _OF_ONE_OBJECT
            self.last_write_failed = self.last_write_failed or failed
            raise

    @asynccontextmanager
    async def _got(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Storage's answer to a GET of an object; raises StorageConflictError if there is no such object."""
        headers = self._headers | {"Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        with translate_errors(STORAGE):
            async with self._session.get(path, headers=headers) as response:
                if response.status != 200:
                    await self._check_got(response)
                yield response

    async def _check_got(self, response: aiohttp.ClientResponse) -> None:
        try:
            await self._check(response, 200)
        except PermanentError as error:
            if is_missing_object(error):
                raise StorageConflictError(STORAGE, error.detail, code=error.code) from None
            raise

    def _tus(self, headers: dict[str, str]) -> dict[str, str]:
        return self._headers | _TUS | headers

    async def _check(self, response: aiohttp.ClientResponse, expected: int) -> None:
        if response.status == expected:
            await response.read()
            return
        wait = retry_after(response.headers)
        body, own = await response.read(), _is_own(response)
        error = error_from_body(STORAGE, response.status, body, retry_after=wait, own=own)
        if response.status in _CONFLICTS or (
            isinstance(error, PermanentError) and error.status == 409
        ):
            raise StorageConflictError(STORAGE, error.detail, code=error.code, retry_after=wait)
        raise error

    def _body(self, content: memoryview) -> AsyncIterator[memoryview] | bytes:
        return self._slices(content) if content else b""

    async def _slices(self, content: memoryview) -> AsyncIterator[memoryview]:
        for start in range(0, len(content), _SLICE_BYTES):
            await self._turns.next()
            yield content[start : start + _SLICE_BYTES]


def _is_own(response: aiohttp.ClientResponse) -> bool:
    """Whether a resumable route of Storage has answered, not a gateway."""
    return "Tus-Resumable" in response.headers


def _count(response: aiohttp.ClientResponse, header: str) -> int:
    """The number of bytes in a header; raises TransientError if it is missing or malformed."""
    text = response.headers.get(header, "")
    if not _is_count(text):
        raise _gateway_success(f"{response.status} without a usable {header}")
    return int(text)


def _gateway_success(told: str) -> TransientError:
    """Error for a success that lacks what Storage always sends: a gateway has answered."""
    return TransientError(STORAGE, f"answered {told}", code="gateway")

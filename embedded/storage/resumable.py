"""The routes for resumable uploads (tus 1.0.0).

Bytes are written to disk as they arrive, so a broken connection loses nothing that was received.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import formatdate

import aiofiles
from aiohttp import web
from aiohttp.typedefs import Handler

from embedded.storage import errors, tus
from embedded.storage.access import CATALOG, known_caller
from embedded.storage.catalog import Stored, valid_name
from embedded.storage.digests import DIGESTS
from embedded.storage.metadata import parse_metadata
from embedded.storage.permission import may_upload, mime_type_is_taken
from embedded.storage.streams import chunks_of, write_chunks
from embedded.storage.uploads import ExclusiveAccess, Upload, Uploads

UPLOADS = web.AppKey("uploads", Uploads)
GREATEST = 50 * 2**30
SECONDS = re.compile(r"-?\d+")

routes = web.RouteTableDef()


@web.middleware
async def answer_errors_as_text(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as plain text with their own status, except for an invalid token (JSON)."""
    try:
        if request.method != "OPTIONS":
            known_caller(request)
    except errors.StorageError as error:
        return error.as_json()
    try:
        with errors.disk_full_errors():
            response = await handler(request)
    except errors.StorageError as error:
        response = error.as_text()
    response.headers["Tus-Resumable"] = tus.VERSION
    response.headers.update(tus.ANSWER_HEADERS)
    return response


@routes.options("")
@routes.options("/{id}")
async def options(_request: web.Request) -> web.Response:
    """Show the protocol versions and extensions of this server."""
    facts = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Max-Size": str(GREATEST),
    }
    return web.Response(status=204, headers=facts | tus.PREFLIGHT_HEADERS)


@routes.post("")
@routes.post("/")
async def create(request: web.Request) -> web.Response:
    """Create an upload; the request may have its first bytes."""
    tus.check_version(request.headers)
    tus.check_concatenation(request.headers)
    size = tus.declared_length(request.headers)
    metadata = tus.parse_metadata(request.headers.get("Upload-Metadata"))
    bucket, name = metadata.get("bucketName") or "", metadata.get("objectName") or ""
    upload = Upload(bucket, valid_name(name), metadata, size)
    _check_new(request, upload)
    await request.config_dict[UPLOADS].add(upload)
    headers = await _first_bytes(request, upload)
    return web.Response(status=201, headers=headers | {"Location": _location(request, upload)})


def _check_new(request: web.Request, upload: Upload) -> None:
    _check_size(request, upload, upload.size)
    _check_permission(request, upload)
    bucket = request.config_dict[CATALOG].bucket(upload.bucket)
    mime_type_is_taken(bucket, upload.metadata.get("contentType") or "")
    age = upload.metadata.get("cacheControl") or ""
    upload.metadata["cacheControl"] = f"max-age={age}" if SECONDS.fullmatch(age) else "no-cache"


def _check_size(request: web.Request, upload: Upload, size: int | None) -> None:
    if size is not None and size > _limit(request, upload):
        raise errors.tus(413, "Maximum size exceeded\n")


def _limit(request: web.Request, upload: Upload) -> int:
    bucket = request.config_dict[CATALOG].bucket(upload.bucket)
    return min(bucket.file_size_limit or GREATEST, GREATEST)


def _check_permission(request: web.Request, upload: Upload) -> None:
    """Check each request, because each has its own token and x-upsert."""
    bucket = request.config_dict[CATALOG].bucket(upload.bucket)
    upsert = request.headers.get("x-upsert") == "true"
    may_upload(known_caller(request), bucket, upload.name, upsert=upsert)


def _location(request: web.Request, upload: Upload) -> str:
    path = request.path.rstrip("/")
    return f"{request.scheme}://{request.host}{path}/{upload.url_id}"


async def _first_bytes(request: web.Request, upload: Upload) -> dict[str, str]:
    if request.content_type != tus.OFFSET_STREAM and upload.size != 0:
        return _expiry(upload)
    async with request.config_dict[UPLOADS].writing(upload).alone() as turn:
        return await _receive(request, upload, 0, turn)


@routes.patch("/{id}")
async def append(request: web.Request) -> web.Response:
    """Receive the next bytes, at the offset that the server knows too."""
    tus.check_version(request.headers)
    offset = tus.offset(request.headers)
    if request.content_type != tus.OFFSET_STREAM:
        raise errors.tus(400, "Invalid content-type\n")
    upload = _find(request)
    _check_permission(request, upload)
    async with request.config_dict[UPLOADS].writing(upload).alone() as turn:
        await _agree(request, upload, offset)
        headers = await _receive(request, upload, offset, turn)
    return web.Response(status=204, headers=headers)


def _find(request: web.Request) -> Upload:
    """Return the upload of this URL; a finished one is known as long as its object exists."""
    upload = request.config_dict[UPLOADS].find(request.match_info["id"])
    if upload.done:
        bucket = request.config_dict[CATALOG].known(upload.bucket)
        stored = bucket.objects.get(upload.name) if bucket else None
        if stored is None or stored.version != upload.version:
            raise errors.upload_is_gone()
    return upload


async def _agree(request: web.Request, upload: Upload, offset: int) -> None:
    """Check the offset and the length of this request."""
    if await request.config_dict[UPLOADS].offset(upload) != offset:
        raise errors.tus(409, "Upload-Offset conflict\n")
    if (length := request.headers.get("Upload-Length")) is not None:
        await _declare(request, upload, offset, tus.number("upload-length", length))
    end = _limit(request, upload) if upload.size is None else upload.size
    if offset + (request.content_length or 0) > end:
        raise errors.tus(413, "upload's size exceeded\n")


async def _declare(request: web.Request, upload: Upload, offset: int, size: int) -> None:
    if upload.size is not None or size < offset:
        raise errors.tus(400, "Upload-Length or Upload-Defer-Length header required\n")
    _check_size(request, upload, size)
    await request.config_dict[UPLOADS].save(replace(upload, size=size))
    upload.size = size


async def _receive(
    request: web.Request, upload: Upload, offset: int, turn: ExclusiveAccess
) -> dict[str, str]:
    """Write what arrives, until its end or until another request wants to write."""
    end = _limit(request, upload) if upload.size is None else upload.size
    chunks = _no_more_than(end - offset, chunks_of(request.content))
    headers = {}
    uploads = request.config_dict[UPLOADS]
    async with aiofiles.open(uploads.bytes_of(upload), "r+b") as file:
        await file.seek(offset)
        try:
            async with turn.receiving():
                await write_chunks(chunks, file)
        except TimeoutError:
            headers["Connection"] = "close"
    reached = await uploads.offset(upload)
    ending = await _finish(request, upload) if reached == upload.size else _expiry(upload)
    return headers | {"Upload-Offset": str(reached)} | ending


async def _no_more_than(room: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if len(chunk) > room:
            yield chunk[:room]
            raise errors.tus(413, "Maximum size exceeded\n")
        room -= len(chunk)
        yield chunk


async def _finish(request: web.Request, upload: Upload) -> dict[str, str]:
    """Turn the complete upload into an object."""
    uploads = request.config_dict[UPLOADS]
    stored = Stored(
        bucket=upload.bucket,
        name=upload.name,
        version=upload.version,
        size=upload.size or 0,
        content_type=upload.metadata.get("contentType") or "application/octet-stream",
        cache_control=upload.metadata.get("cacheControl") or "no-cache",
        user_metadata=parse_metadata(upload.metadata.get("metadata")),
    )
    await request.config_dict[DIGESTS].take(stored.size)
    await request.config_dict[CATALOG].put(stored, uploads.bytes_of(upload))
    upload.done = True
    await uploads.save(upload)
    return {"Tus-Complete": "1"}


def _expiry(upload: Upload) -> dict[str, str]:
    return {"Upload-Expires": formatdate(upload.expires, usegmt=True)}


@routes.head("/{id}")
async def progress(request: web.Request) -> web.Response:
    """Show the offset of an upload."""
    tus.check_version(request.headers)
    uploads = request.config_dict[UPLOADS]
    upload = _find(request)
    async with uploads.writing(upload).alone():
        offset = await uploads.offset(upload)
    headers = {
        "Cache-Control": "no-store",
        "Upload-Offset": str(offset),
        "Upload-Metadata": tus.format_metadata(upload.metadata),
    }
    if upload.size is None:
        return web.Response(headers=headers | {"Upload-Defer-Length": "1"})
    return web.Response(headers=headers | {"Upload-Length": str(upload.size)})


@routes.delete("/{id}")
async def terminate(request: web.Request) -> web.Response:
    """Remove an unfinished upload."""
    tus.check_version(request.headers)
    uploads = request.config_dict[UPLOADS]
    upload = _find(request)
    _check_permission(request, upload)
    async with uploads.writing(upload).alone():
        if await uploads.offset(upload) == upload.size:
            raise errors.tus(400, "Cannot terminate an already completed upload")
        await uploads.remove(upload)
    return web.Response(status=204)

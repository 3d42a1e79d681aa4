"""The routes for standard uploads: one request is one object."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from embedded.storage import errors
from embedded.storage.access import CATALOG, known_caller
from embedded.storage.catalog import Bucket, Stored, valid_name
from embedded.storage.metadata import encoded_metadata, parse_metadata
from embedded.storage.permission import may_upload, mime_type_is_taken
from embedded.storage.streams import chunks_of, chunks_of_part, save

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Upload:
    """A body and the headers that describe it."""

    chunks: AsyncIterator[bytes]
    content_type: str
    cache_control: str
    user_metadata: dict[str, Any] | None


@routes.post("/object/{bucket}/{name:.+}")
async def create_object(request: web.Request) -> web.Response:
    """Store a new object; replaces an existing one only if the client asks for that."""
    return await _upload(request, upsert=request.headers.get("x-upsert") == "true")


@routes.put("/object/{bucket}/{name:.+}")
async def update_object(request: web.Request) -> web.Response:
    """Store an object, and replace an existing one."""
    return await _upload(request, upsert=True)


async def _upload(request: web.Request, *, upsert: bool) -> web.Response:
    catalog = request.config_dict[CATALOG]
    caller = known_caller(request)
    bucket = catalog.bucket(request.match_info["bucket"])
    name = valid_name(request.match_info["name"])
    may_upload(caller, bucket, name, upsert=upsert)
    stored = await store(request, bucket, name)
    return web.json_response({"Id": stored.id, "Key": f"{bucket.id}/{name}"})


async def store(request: web.Request, bucket: Bucket, name: str) -> Stored:
    """Store the request's body, raw or in a form, and replace any object of that name."""
    catalog = request.config_dict[CATALOG]
    upload = await _read(request)
    mime_type_is_taken(bucket, upload.content_type)
    version = str(uuid.uuid4())
    arriving = catalog.arrivals / version
    size = await save(_limited(upload.chunks, bucket), arriving)
    stored = Stored(
        bucket=bucket.id,
        name=name,
        version=version,
        size=size,
        content_type=upload.content_type,
        cache_control=upload.cache_control,
        user_metadata=upload.user_metadata,
    )
    try:
        return await catalog.put(stored, arriving)
    except OSError:
        await asyncio.to_thread(arriving.unlink)
        raise


async def _limited(chunks: AsyncIterator[bytes], bucket: Bucket) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if bucket.file_size_limit is not None and size > bucket.file_size_limit:
            raise errors.too_large()
        yield chunk


async def _read(request: web.Request) -> Upload:
    if request.content_type.startswith("multipart/"):
        return await _read_multipart(request)
    return Upload(
        chunks=chunks_of(request.content),
        content_type=request.headers.get("Content-Type", "application/octet-stream"),
        cache_control=request.headers.get("Cache-Control", "no-cache"),
        user_metadata=encoded_metadata(request.headers.get("x-metadata")),
    )


async def _read_multipart(request: web.Request) -> Upload:
    """Read the form up to its file; what follows is ignored."""
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.filename is not None:
            return _uploaded_part(part, fields)
        fields[part.name or ""] = await part.text()
    raise errors.invalid_request("No content provided")


def _uploaded_part(part: BodyPartReader, fields: dict[str, str]) -> Upload:
    content_type = part.headers.get("Content-Type", "application/octet-stream")
    age = fields.get("cacheControl")
    return Upload(
        chunks=chunks_of_part(part),
        content_type=fields.get("contentType", content_type),
        cache_control=f"max-age={age}" if age else "no-cache",
        user_metadata=parse_metadata(fields.get("metadata")),
    )

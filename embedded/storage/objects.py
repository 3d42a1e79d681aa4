"""The routes for stored objects: read, info, list, remove."""

import contextlib
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, json_body, known_caller, shown_object
from embedded.storage.catalog import Stored
from embedded.storage.digests import DIGESTS
from embedded.storage.listing import LIST, Query, describe, list_folder
from embedded.storage.ranges import ByteRange, parse_range
from embedded.storage.schema import Record, Texts
from embedded.storage.streams import open_slice

REMOVAL = Record({"prefixes": Texts(minimum=1, maximum=1000)}, required=("prefixes",))

routes = web.RouteTableDef()


@routes.get("/object/info/authenticated/{bucket}/{name:.+}", allow_head=False)
@routes.get("/object/info/{bucket}/{name:.+}", allow_head=False)
async def object_info(request: web.Request) -> web.Response:
    """Show the metadata of an object."""
    stored = shown_object(request)
    return web.json_response(_info(stored), headers={"ETag": stored.etag})


def _info(stored: Stored) -> dict[str, Any]:
    return {
        "id": stored.id,
        "name": stored.name,
        "version": stored.version,
        "bucket_id": stored.bucket,
        "size": stored.size,
        "content_type": stored.content_type,
        "cache_control": stored.cache_control,
        "etag": stored.etag,
        "metadata": stored.user_metadata or {},
        "last_modified": stored.updated_at,
        "created_at": stored.created_at,
    }


@routes.post("/object/list/{bucket}")
async def list_objects(request: web.Request) -> web.Response:
    """List a folder; empty for roles without a policy, and for unknown buckets."""
    query = Query.parse(await json_body(request, LIST))
    caller = known_caller(request)
    bucket = request.config_dict[CATALOG].known(request.match_info["bucket"])
    seen = list_folder(bucket, query) if bucket is not None and caller.may_all else []
    return web.json_response(seen)


@routes.get("/object/public/{bucket}/{name:.+}")
async def read_public_object(request: web.Request) -> web.StreamResponse:
    """Read an object of a public bucket, without authentication."""
    if not request.config_dict[CATALOG].bucket(request.match_info["bucket"]).public:
        raise errors.no_such_bucket()
    return await read_object(request)


@routes.get("/object/authenticated/{bucket}/{name:.+}")
@routes.get("/object/{bucket}/{name:.+}")
async def read_object(request: web.Request) -> web.StreamResponse:
    """Read an object, or a range of its bytes."""
    stored = shown_object(request)
    if request.headers.get("If-None-Match") == stored.etag:
        return web.Response(status=304, headers={"ETag": stored.etag})
    wanted, response = _beginning(request, stored)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    if "Range" in request.headers:
        await request.config_dict[DIGESTS].take(stored.size)
    try:
        file = await open_slice(request.config_dict[CATALOG].bytes_of(stored), wanted.first)
    except FileNotFoundError:  # replaced or removed after it was looked up
        return await read_object(request)
    async with contextlib.aclosing(file):
        await response.prepare(request)
        async for chunk in file.read(wanted.length):
            await response.write(chunk)
    return response


def _beginning(request: web.Request, stored: Stored) -> tuple[ByteRange, web.StreamResponse]:
    header = request.headers.get("Range")
    if header is None or request.method == "HEAD":
        return ByteRange(0, stored.size - 1), _response(stored, 200, stored.size)
    wanted = parse_range(header, stored.size)
    response = _response(stored, 206, wanted.length)
    response.headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{stored.size}"
    return wanted, response


def _response(stored: Stored, status: int, length: int) -> web.StreamResponse:
    harmless = "text/plain" if "text/html" in stored.content_type else stored.content_type
    response = web.StreamResponse(status=status)
    response.headers["Content-Type"] = harmless
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = stored.etag
    response.headers["Cache-Control"] = stored.cache_control
    response.headers["X-Robots-Tag"] = "none"
    modified = datetime.fromisoformat(stored.updated_at)
    response.headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    response.content_length = length
    return response


@routes.delete("/object/{bucket}")
async def remove_objects(request: web.Request) -> web.Response:
    """Remove the objects with these names that exist, and list them."""
    names = (await json_body(request, REMOVAL))["prefixes"]
    caller = known_caller(request)
    catalog = request.config_dict[CATALOG]
    bucket = catalog.known(request.match_info["bucket"])
    if bucket is None or not caller.may_all:
        return web.json_response([])
    removed = [await catalog.remove(bucket, name) for name in names]
    return web.json_response([describe(stored) for stored in removed if stored is not None])


@routes.delete("/object/{bucket}/{name:.+}")
async def remove_object(request: web.Request) -> web.Response:
    """Remove an object, which must exist."""
    caller = known_caller(request)
    catalog = request.config_dict[CATALOG]
    bucket = catalog.known(request.match_info["bucket"])
    if bucket is None:
        raise errors.no_such_key()
    stored = bucket.find(request.match_info["name"])
    if not caller.may_all:
        raise errors.access_denied("Access denied")
    await catalog.remove(bucket, stored.name)
    return web.json_response({"message": "Successfully deleted"})

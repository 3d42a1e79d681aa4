"""The routes for stored objects: read, info, list, remove."""

from typing import Any

from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, json_body, known_caller, shown_object
from embedded.storage.catalog import Stored
from embedded.storage.listing import LIST, Query, describe, list_folder
from embedded.storage.listing_v2 import LIST_V2, PageQuery, list_page
from embedded.storage.reading import head_of, headers_of, send_object
from embedded.storage.schema import Record, Texts

REMOVAL = Record({"prefixes": Texts(minimum=1, maximum=1000)}, required=("prefixes",))

routes = web.RouteTableDef()


@routes.get("/object/info/public/{bucket}/{name:.+}")
async def public_object_info(request: web.Request) -> web.StreamResponse:
    """Show the metadata of an object in a public bucket, without authentication."""
    _check_public(request)
    return await object_info(request)


@routes.get("/object/info/authenticated/{bucket}/{name:.+}")
@routes.get("/object/info/{bucket}/{name:.+}")
async def object_info(request: web.Request) -> web.Response:
    """Show the metadata of an object."""
    stored = shown_object(request)
    shown = ("ETag", "Last-Modified", "Cache-Control")
    headers = {name: value for name, value in headers_of(stored).items() if name in shown}
    return web.json_response(_info(stored), headers=headers)


def _check_public(request: web.Request) -> None:
    if not request.config_dict[CATALOG].bucket(request.match_info["bucket"]).public:
        raise errors.no_such_bucket()


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


@routes.post("/object/list-v2/{bucket}")
async def list_objects_v2(request: web.Request) -> web.Response:
    """List a page; empty for roles without a policy, and for unknown buckets."""
    query = PageQuery.parse(await json_body(request, LIST_V2))
    caller = known_caller(request)
    bucket = request.config_dict[CATALOG].known(request.match_info["bucket"])
    return web.json_response(list_page(bucket if caller.may_all else None, query))


@routes.get("/object/public/{bucket}/{name:.+}")
async def read_public_object(request: web.Request) -> web.StreamResponse:
    """Read an object of a public bucket, without authentication."""
    _check_public(request)
    return await read_object(request)


@routes.get("/object/authenticated/{bucket}/{name:.+}")
@routes.get("/object/{bucket}/{name:.+}")
async def read_object(request: web.Request) -> web.StreamResponse:
    """Read an object, or a range of its bytes."""
    if request.method == "HEAD":
        return head_of(shown_object(request))
    return await send_object(request, lambda: shown_object(request))


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

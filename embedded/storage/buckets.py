"""The routes for buckets."""

from dataclasses import replace

from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, json_body, known_caller, shown_bucket
from embedded.storage.bucket_limits import (
    CHANGED_BUCKET,
    NEW_BUCKET,
    check_changes,
    limits_in,
)
from embedded.storage.catalog import Bucket

routes = web.RouteTableDef()


@routes.post("/bucket")
async def create_bucket(request: web.Request) -> web.Response:
    """Create a bucket; its id and its name are the same."""
    body = await json_body(request, NEW_BUCKET)
    caller = known_caller(request)
    if not caller.may_all:
        raise errors.not_permitted()
    bucket = Bucket(body.get("id") or body["name"], **limits_in(body))
    await request.config_dict[CATALOG].add_bucket(bucket)
    return web.json_response({"name": bucket.id})


@routes.get("/bucket")
async def list_buckets(request: web.Request) -> web.Response:
    """List all buckets; without policies, other roles than the service role see none."""
    caller = known_caller(request)
    seen = request.config_dict[CATALOG].buckets() if caller.may_all else []
    return web.json_response([{**bucket.described(), "type": "STANDARD"} for bucket in seen])


@routes.get("/bucket/{bucket}")
async def get_bucket(request: web.Request) -> web.Response:
    """Show a bucket; without its type, as the real one does."""
    return web.json_response(shown_bucket(request, known_caller(request)).described())


@routes.put("/bucket/{bucket}")
async def update_bucket(request: web.Request) -> web.Response:
    """Change the limits of a bucket."""
    body = await json_body(request, CHANGED_BUCKET)
    check_changes(body)
    bucket = shown_bucket(request, known_caller(request))
    changed = replace(bucket, **limits_in(body))
    await request.config_dict[CATALOG].change_bucket(changed)
    return web.json_response({"message": "Successfully updated"})


@routes.post("/bucket/{bucket}/empty")
async def empty_bucket(request: web.Request) -> web.Response:
    """Remove all objects of a bucket."""
    bucket = shown_bucket(request, known_caller(request))
    for name in list(bucket.objects):
        await request.config_dict[CATALOG].remove(bucket, name)
    return web.json_response({"message": "Successfully emptied"})


@routes.delete("/bucket/{bucket}")
async def delete_bucket(request: web.Request) -> web.Response:
    """Remove an empty bucket."""
    bucket = shown_bucket(request, known_caller(request))
    await request.config_dict[CATALOG].remove_bucket(bucket.id)
    return web.json_response({"message": "Successfully deleted"})

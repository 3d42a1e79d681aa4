"""The routes for buckets."""

import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, json_body, known_caller, shown_bucket
from embedded.storage.catalog import Bucket

routes = web.RouteTableDef()


@routes.post("/bucket")
async def create_bucket(request: web.Request) -> web.Response:
    """Create a bucket; its id and its name are the same."""
    caller = known_caller(request)
    body = await json_body(request)
    if not isinstance(body.get("name"), str):
        raise errors.invalid_request("body must have required property 'name'")
    if not caller.may_all:
        raise errors.not_permitted()
    bucket = _limited(Bucket(body.get("id") or body["name"]), body)
    await request.config_dict[CATALOG].add_bucket(bucket)
    return web.json_response({"name": bucket.id})


@routes.get("/bucket")
async def list_buckets(request: web.Request) -> web.Response:
    """List all buckets; without policies, other roles than the service role see none."""
    caller = known_caller(request)
    seen = request.config_dict[CATALOG].buckets() if caller.may_all else []
    return web.json_response([bucket.described() for bucket in seen])


@routes.get("/bucket/{bucket}")
async def get_bucket(request: web.Request) -> web.Response:
    """Show a bucket."""
    return web.json_response(shown_bucket(request, known_caller(request)).described())


@routes.put("/bucket/{bucket}")
async def update_bucket(request: web.Request) -> web.Response:
    """Change the limits of a bucket."""
    bucket = shown_bucket(request, known_caller(request))
    changed = _limited(bucket, await json_body(request))
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


def _limited(bucket: Bucket, body: dict[str, Any]) -> Bucket:
    """Return the bucket with the limits that the body changes."""
    changes: dict[str, Any] = {
        name: body[name]
        for name in ("public", "file_size_limit", "allowed_mime_types")
        if name in body
    }
    if isinstance(changes.get("file_size_limit"), str):
        changes["file_size_limit"] = parse_size(changes["file_size_limit"])
    return replace(bucket, **changes)


_is_number = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15}").fullmatch


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 20MB; the units of Storage are decimal."""
    units = {"GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}
    for unit, factor in units.items():
        number = text.upper().removesuffix(unit)
        if number != text.upper() and _is_number(number):
            return int(float(number) * factor)
    raise errors.invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")

"""The routes that copy and move objects."""

from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, json_body, known_caller
from embedded.storage.auth import Caller
from embedded.storage.catalog import Bucket, Catalog, Stored, now, valid_name
from embedded.storage.listing import describe
from embedded.storage.metadata import encoded_metadata
from embedded.storage.permission import may_upload
from embedded.storage.schema import Boolean, Record, Text

_PLACES: Final = {
    "bucketId": Text(),
    "sourceKey": Text(),
    "destinationBucket": Text(),
    "destinationKey": Text(),
}
MOVE: Final = Record(_PLACES, required=("bucketId", "sourceKey", "destinationKey"))
COPY: Final = Record(
    {
        **_PLACES,
        "metadata": Record({"cacheControl": Text(), "mimetype": Text()}),
        "copyMetadata": Boolean(),
    },
    required=("sourceKey", "bucketId", "destinationKey"),
)

routes = web.RouteTableDef()


@routes.post("/object/copy")
async def copy_object(request: web.Request) -> web.Response:
    """Copy an object, with its metadata unless the client sends other."""
    body = await json_body(request, COPY)
    caller, catalog = known_caller(request), request.config_dict[CATALOG]
    name = valid_name(body["destinationKey"])
    source = _source(catalog, caller, body)
    bucket = _destination(catalog, body)
    upsert = request.headers.get("x-upsert") == "true"
    may_upload(caller, bucket, name, upsert=upsert)
    made = now()
    target = replace(
        _with_metadata(source, body, request), bucket=bucket.id, name=name, updated_at=made
    )
    copied = await catalog.copy(source, replace(target, created_at=made))
    key = {"Key": f"{bucket.id}/{name}", "Id": copied.id}
    return web.json_response({**key, **describe(copied)})


def _with_metadata(source: Stored, body: dict[str, Any], request: web.Request) -> Stored:
    if body.get("copyMetadata", True):
        return source
    given = body.get("metadata", {})
    return replace(
        source,
        content_type=given.get("mimetype", source.content_type),
        cache_control=given.get("cacheControl", source.cache_control),
        user_metadata=encoded_metadata(request.headers.get("x-metadata")),
    )


@routes.post("/object/move")
async def move_object(request: web.Request) -> web.Response:
    """Move an object, which keeps its id; an object of the new name is not replaced."""
    body = await json_body(request, MOVE)
    caller, catalog = known_caller(request), request.config_dict[CATALOG]
    name = valid_name(body["destinationKey"])
    source = _source(catalog, caller, body)
    await catalog.move(source, replace(source, bucket=_destination(catalog, body).id, name=name))
    return web.json_response({"message": "Successfully moved"})


def _source(catalog: Catalog, caller: Caller, body: dict[str, Any]) -> Stored:
    """Return the object to copy; hidden from roles without a policy."""
    bucket = catalog.known(body["bucketId"])
    source = bucket.objects.get(body["sourceKey"]) if bucket else None
    if source is None or not caller.may_all:
        raise errors.no_such_key()
    return source


def _destination(catalog: Catalog, body: dict[str, Any]) -> Bucket:
    bucket = catalog.known(body.get("destinationBucket") or body["bucketId"])
    if bucket is None:
        raise errors.no_related_resource()
    return bucket

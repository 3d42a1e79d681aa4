"""The first steps of every route: caller, bucket, object, JSON body."""

import json
from typing import Any, Final

from aiohttp import web

from embedded.storage import errors
from embedded.storage.auth import Caller, TokenVerifier
from embedded.storage.catalog import Bucket, Catalog, Stored
from embedded.storage.schema import Record

JSON: Final = "application/json"

CATALOG = web.AppKey("catalog", Catalog)
TOKEN_VERIFIER = web.AppKey("token_verifier", TokenVerifier)


def known_caller(request: web.Request) -> Caller:
    """Return the caller. Raises StorageError if the token is not valid."""
    return request.config_dict[TOKEN_VERIFIER].caller(request)


def shown_bucket(request: web.Request, caller: Caller) -> Bucket:
    """Return the bucket in the path. Raises StorageError if the caller may not see it."""
    bucket = request.config_dict[CATALOG].bucket(request.match_info["bucket"])
    if not caller.may_all:
        raise errors.no_such_bucket()
    return bucket


def shown_object(request: web.Request) -> Stored:
    """Return the object in the path. Raises StorageError if the caller may not read it.

    Without authentication only public buckets exist; for a role without a policy the object does
    not exist, because row level security hides it from Storage.
    """
    caller = request.config_dict[TOKEN_VERIFIER].caller_or_nobody(request)
    bucket = request.config_dict[CATALOG].bucket(request.match_info["bucket"])
    if bucket.public or caller.may_all:
        return bucket.find(request.match_info["name"])
    raise errors.no_such_key() if caller.known else errors.no_such_bucket()


async def json_body(request: web.Request, schema: Record) -> dict[str, Any]:
    """Return the body as the schema has it. Raises StorageError if it is not valid.

    Storage checks the body before it looks at the token, and ignores one of another content type.
    """
    return schema.coerced(_parsed(await request.read()) if _is_json(request) else None)


def _is_json(request: web.Request) -> bool:
    return "Content-Type" in request.headers and request.content_type == JSON


def _parsed(sent: bytes) -> object:
    if not sent:
        raise errors.malformed_body(f"Body cannot be empty when content-type is set to '{JSON}'")
    try:
        return json.loads(sent)
    except (ValueError, RecursionError) as error:
        message = f"Body is not valid JSON but content-type is set to '{JSON}'"
        raise errors.malformed_body(message) from error

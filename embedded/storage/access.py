"""What every route asks first: who is it, which bucket, what does the body say."""

import json
from typing import Any

from aiohttp import web

from embedded.storage import errors
from embedded.storage.auth import Caller, Doorkeeper
from embedded.storage.catalog import Bucket, Catalog, Stored

CATALOG = web.AppKey("catalog", Catalog)
DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)


def known_caller(request: web.Request) -> Caller:
    """The caller, whose token must be good."""
    return request.config_dict[DOORKEEPER].caller(request)


def shown_bucket(request: web.Request, caller: Caller) -> Bucket:
    """The bucket in the path, if the caller may see it."""
    bucket = request.config_dict[CATALOG].bucket(request.match_info["bucket"])
    if not caller.may_all:
        raise errors.no_such_bucket()
    return bucket


def shown_object(request: web.Request) -> Stored:
    """The object in the path, if the caller may read it.

    Strangers learn of public buckets only; a known role without a policy is told that
    there is no such object, which is all that row level security lets Storage see.
    """
    caller = request.config_dict[DOORKEEPER].caller_or_nobody(request)
    bucket = request.config_dict[CATALOG].bucket(request.match_info["bucket"])
    if bucket.public or caller.may_all:
        return bucket.find(request.match_info["name"])
    raise errors.no_such_key() if caller.known else errors.no_such_bucket()


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    sent = await request.read() or b"{}"
    try:
        body = json.loads(sent)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise errors.invalid_request("Body is not valid JSON") from error
    if not isinstance(body, dict):
        raise errors.invalid_request("body must be object")
    return body

"""The routes that sign URLs for a while, and those that serve them without any other token.

The token of a URL is a JWT with the stack's own secret. It names one object and one action, so
that a URL to read an object is not one to replace it.
"""

import re
import time
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

import jwt
from aiohttp import web

from embedded.storage import errors
from embedded.storage.access import CATALOG, TOKEN_VERIFIER, json_body, known_caller
from embedded.storage.auth import Caller
from embedded.storage.catalog import Bucket, valid_name
from embedded.storage.permission import may_upload, not_taken
from embedded.storage.reading import send_object
from embedded.storage.schema import Integer, Record, Texts
from embedded.storage.standard import store

DOWNLOAD: Final = "download"
UPLOAD: Final = "upload"
UPLOAD_SECONDS: Final = 2 * 3600
_LAST_EXPIRY: Final = (2**53 - 1) // 1000
"""What Storage signs at most, in seconds since 1970: the last time that JavaScript can count."""
_HIDDEN: Final = "Either the object does not exist or you do not have access to it"
_RESERVED = re.compile(r"%(3B|2F|3F|3A|40|26|3D|2B|24|2C|23)", re.IGNORECASE)

_EXPIRY: Final = {"expiresIn": Integer(minimum=1)}
SIGN: Final = Record(_EXPIRY, required=("expiresIn",))
SIGN_MANY: Final = Record(
    {**_EXPIRY, "paths": Texts(minimum=1, maximum=1000)}, required=("expiresIn", "paths")
)

routes = web.RouteTableDef()


@routes.post("/object/sign/{bucket}/{name:.+}")
async def sign_url(request: web.Request) -> web.Response:
    """Sign a URL to read an object."""
    expiry = _expiry(await json_body(request, SIGN))
    bucket = _seen_bucket(request, known_caller(request))
    if bucket is None or request.match_info["name"] not in bucket.objects:
        raise errors.no_such_key()
    url = _as_sent(request)
    return web.json_response({"signedURL": _download_url(request, url, expiry)})


@routes.post("/object/sign/{bucket}")
async def sign_urls(request: web.Request) -> web.Response:
    """Sign URLs to read several objects, those that exist and the caller may read."""
    body = await json_body(request, SIGN_MANY)
    expiry = _expiry(body)
    bucket = _seen_bucket(request, known_caller(request))
    signed = _signed(request, bucket, body["paths"], expiry)
    return web.json_response(list(signed))


def _signed(
    request: web.Request, bucket: Bucket | None, names: list[str], expiry: int
) -> Iterable[dict[str, str | None]]:
    for name in names:
        if bucket is not None and name in bucket.objects:
            url = _download_url(request, f"{bucket.id}/{name}", expiry)
            yield {"error": None, "path": name, "signedURL": url}
        else:
            yield {"error": _HIDDEN, "path": name, "signedURL": None}


def _seen_bucket(request: web.Request, caller: Caller) -> Bucket | None:
    bucket = request.config_dict[CATALOG].known(request.match_info["bucket"])
    return bucket if caller.may_all else None


def _expiry(body: dict[str, Any]) -> int:
    """Return when the URL expires, in seconds since 1970."""
    expiry: int = int(time.time()) + body["expiresIn"]
    if expiry > _LAST_EXPIRY:
        raise errors.invalid_parameter("Invalid Parameter expiresIn")
    return expiry


def _as_sent(request: web.Request) -> str:
    """Return bucket and name as in the request's path, decoded as ``decodeURI`` does.

    That leaves reserved characters encoded, so the real one's URLs of names with ``&`` or ``+``
    are not valid either.
    """
    path = request.raw_path.partition("?")[0].partition("/object/sign/")[2]
    return unquote(_RESERVED.sub(r"%25\1", path))


def _download_url(request: web.Request, url: str, expiry: int) -> str:
    token = _token(request, {"url": url, "scope": DOWNLOAD}, expiry)
    return f"/object/sign/{url}?token={token}"


def _token(request: web.Request, claims: dict[str, Any], expiry: int) -> str:
    secret = request.config_dict[TOKEN_VERIFIER].secret
    times = {"iat": int(time.time()), "exp": expiry}
    return jwt.encode(claims | times, secret, algorithm="HS256")


@routes.get("/object/sign/{bucket}/{name:.+}")
async def read_signed(request: web.Request) -> web.StreamResponse:
    """Read an object by a signed URL."""
    claims = _verified(request, DOWNLOAD)
    catalog, path = request.config_dict[CATALOG], request.match_info
    return await send_object(
        request, lambda: catalog.bucket(path["bucket"]).find(path["name"]), expires=claims["exp"]
    )


@routes.post("/object/upload/sign/{bucket}/{name:.+}")
async def sign_upload(request: web.Request) -> web.Response:
    """Sign a URL to store an object, once unless it is an upsert."""
    caller = known_caller(request)
    name, upsert = request.match_info["name"], request.headers.get("x-upsert") == "true"
    bucket = request.config_dict[CATALOG].known(request.match_info["bucket"])
    if bucket is None:
        raise errors.no_related_resource()
    may_upload(caller, bucket, name, upsert=upsert)
    url = f"{bucket.id}/{name}"
    claims = {"url": url, "upsert": upsert, "scope": UPLOAD}
    token = _token(request, claims, int(time.time()) + UPLOAD_SECONDS)
    return web.json_response({"url": f"/object/upload/sign/{url}?token={token}", "token": token})


@routes.put("/object/upload/sign/{bucket}/{name:.+}")
async def upload_signed(request: web.Request) -> web.Response:
    """Store an object by a signed URL."""
    claims = _verified(request, UPLOAD)
    bucket = request.config_dict[CATALOG].bucket(request.match_info["bucket"])
    name = valid_name(request.match_info["name"])
    not_taken(bucket, name, upsert=bool(claims.get("upsert")))
    await store(request, bucket, name)
    return web.json_response({"Key": f"{bucket.id}/{name}"})


def _verified(request: web.Request, scope: str) -> dict[str, Any]:
    """Return the claims of the request's token, valid for this object and for one action.

    PyJWT compares signatures in constant time. Raises StorageError.
    """
    if "token" not in request.query:
        raise errors.invalid_body("querystring must have required property 'token'")
    claims = request.config_dict[TOKEN_VERIFIER].claims(
        request.query["token"], errors.invalid_jwt, required=("exp",)
    )
    if claims.get("scope", UPLOAD if "upsert" in claims else DOWNLOAD) != scope:
        raise errors.invalid_signature(f"Token is not scoped for {scope}")
    if claims.get("url") != f"{request.match_info['bucket']}/{request.match_info['name']}":
        raise errors.invalid_signature()
    return claims

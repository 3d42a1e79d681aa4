"""Answers with the bytes of an object: conditions, ranges, downloads."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from aiohttp import web

from embedded.storage.access import CATALOG
from embedded.storage.catalog import Stored
from embedded.storage.digests import DIGESTS
from embedded.storage.ranges import ByteRange, parse_range
from embedded.storage.streams import open_slice

_LAST_DATE: Final = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""
_UNENCODED: Final = "!'()*~"
"""What encodeURIComponent of JavaScript leaves besides letters, digits and ``-._``."""


def head_of(stored: Stored) -> web.StreamResponse:
    """Return the headers of an object, whatever range or condition the request has."""
    response = web.StreamResponse(headers=headers_of(stored))
    response.content_length = stored.size
    return response


async def send_object(
    request: web.Request, find: Callable[[], Stored], *, expires: float | None = None
) -> web.StreamResponse:
    """Answer with the bytes, or with 304 if the client has them.

    ``find`` looks the object up, also a second time if it has been replaced meanwhile. ``expires``
    is the end of a signed URL in seconds since 1970. Raises StorageError.
    """
    stored = find()
    headers = headers_of(stored)
    if expires is not None:
        headers["Expires"] = formatdate(min(expires, _LAST_DATE), usegmt=True)
        del headers["Cache-Control"]
    headers |= _disposition(request)
    if _is_known(request, stored):
        return web.Response(status=304, headers=headers)
    wanted, response = _beginning(request, stored, headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    if "Range" in request.headers:
        await request.config_dict[DIGESTS].take(stored.size)
    try:
        file = await open_slice(request.config_dict[CATALOG].bytes_of(stored), wanted.first)
    except FileNotFoundError:  # replaced or removed after it was looked up
        return await send_object(request, find, expires=expires)
    async with contextlib.aclosing(file):
        await response.prepare(request)
        async for chunk in file.read(wanted.length):
            await response.write(chunk)
    return response


def headers_of(stored: Stored) -> dict[str, str]:
    """Return the headers of each answer with an object's bytes."""
    harmless = "text/plain" if "text/html" in stored.content_type else stored.content_type
    return {
        "Content-Type": harmless,
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "Cache-Control": stored.cache_control,
        "X-Robots-Tag": "none",
        "Last-Modified": format_datetime(_modified(stored), usegmt=True),
    }


def _modified(stored: Stored) -> datetime:
    """Return when the object was stored, in whole seconds as headers have it."""
    return datetime.fromisoformat(stored.updated_at).replace(microsecond=0)


def _disposition(request: web.Request) -> dict[str, str]:
    """Return the header that ``?download`` asks for, with the file name in it if any."""
    names = request.query.getall("download", [])
    if not names:
        return {}
    name = quote(",".join(names), safe=_UNENCODED)
    parts = f" filename={name}; filename*=UTF-8''{name}" if name else ""
    return {"Content-Disposition": f"attachment;{parts}"}


def _is_known(request: web.Request, stored: Stored) -> bool:
    """Whether the client has this version, by its entity tag or by its time."""
    if request.headers.get("If-None-Match") == stored.etag:
        return True
    since = _date(request.headers.get("If-Modified-Since"))
    return since is not None and _modified(stored) <= since


def _date(header: str | None) -> datetime | None:
    """Return the time in a header, None if it is none."""
    try:
        found = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _beginning(
    request: web.Request, stored: Stored, headers: dict[str, str]
) -> tuple[ByteRange, web.StreamResponse]:
    header = request.headers.get("Range")
    if header is None:
        wanted, response = ByteRange(0, stored.size - 1), web.StreamResponse(headers=headers)
    else:
        wanted = parse_range(header, stored.size)
        response = web.StreamResponse(status=206, headers=headers)
        response.headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{stored.size}"
    response.content_length = wanted.length
    return wanted, response

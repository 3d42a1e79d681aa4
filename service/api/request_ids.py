"""``X-Request-Id``: a name for each request, in its response and in all its log lines.

A gateway or a client may send it, to find the same request in its own logs and in ours. No
standard defines it, but most gateways know it.
"""

import re
import uuid
from typing import Final

from aiohttp import web

HEADER: Final = "X-Request-Id"
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}", re.ASCII)
_ID: Final[web.RequestKey[str]] = web.RequestKey("request_id")


def request_id(request: web.BaseRequest) -> str:
    """Return the id that came with a request, or a new one if it has none or one that is not plain.

    At most 128 letters, digits and ``._~+/=:@-`` are taken: it is written to logs and headers.
    """
    known = request.get(_ID)
    if known is None:
        sent = request.headers.get(HEADER, "")
        known = sent if _ACCEPTED.fullmatch(sent) else uuid.uuid4().hex
        request[_ID] = known
    return known

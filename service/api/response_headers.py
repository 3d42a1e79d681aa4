"""Headers that every response has: its request's id, and what a browser may do with it.

Responses of deprecated operations also have those that announce it.
"""

from typing import Final

from aiohttp import web

from service.api.deprecation import add_deprecation
from service.api.request_ids import HEADER, request_id

_DEFAULTS: Final = {
    # Text that a client has sent is never taken for a script or a page.
    "X-Content-Type-Options": "nosniff",
    # No other site may embed it.
    "Cross-Origin-Resource-Policy": "same-origin",
    # It is about people, and soon out of date.
    "Cache-Control": "no-store",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add them; a signal handler of aiohttp, called before the head of a response is sent."""
    for name, value in _DEFAULTS.items():
        response.headers.setdefault(name, value)
    response.headers[HEADER] = request_id(request)
    add_deprecation(request, response.headers)

"""Headers that every response has, unless it has its own: what a browser may do with it."""

from typing import Final

from aiohttp import web

_DEFAULTS: Final = {
    # Text that a client has sent is never taken for a script or a page.
    "X-Content-Type-Options": "nosniff",
    # No other site may embed it.
    "Cross-Origin-Resource-Policy": "same-origin",
    # It is about people, and soon out of date.
    "Cache-Control": "no-store",
}


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add them; a signal handler of aiohttp, called before the head of a response is sent."""
    for name, value in _DEFAULTS.items():
        response.headers.setdefault(name, value)

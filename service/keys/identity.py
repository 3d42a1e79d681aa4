"""By which key a request is allowed."""

from typing import Final

from aiohttp import web

KEY_NAME: Final[web.RequestKey[str]] = web.RequestKey("key_name")
"""The name of the key that a request was sent with; absent if it needed none."""


def key_name(request: web.Request) -> str | None:
    """Return the name of the key that a request was sent with, None if it needed none."""
    return request.get(KEY_NAME)

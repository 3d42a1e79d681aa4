"""Files that browsers load, with their security headers and ETags."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

import aiofiles
import aiofiles.os
from aiohttp import web

CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        # Scripts cannot turn text from data into markup.
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Revalidate each time, so that the page is never older than the API it calls.
    "Cache-Control": "no-cache",
}

DOCS_HEADERS: Final = {
    **HEADERS,
    # Stoplight Elements sets style attributes, has images in data: addresses and renders Markdown.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}

_STATIC: Final = Path(__file__).parent / "static"
_RENDERER: Final = {
    "elements.js": "web-components.min.js",
    "elements.css": "styles.min.css",
}
"""Stoplight Elements, which draws ``/docs``: our names of the files in the package stopments."""


class File:
    """Content to serve, with its media type."""

    def __init__(
        self, body: bytes, content_type: str, headers: Mapping[str, str] = HEADERS
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.etag = hashlib.sha256(body).hexdigest()[:32]
        self._headers = headers

    def response(self, request: web.Request) -> web.Response:
        """Return the file, or 304 if the client has this version of it."""
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {self.etag, "*"}:
            response = web.Response(status=304, headers=self._headers)
        else:
            response = web.Response(
                body=self.body,
                content_type=self.content_type,
                charset="utf-8",
                headers=self._headers,
            )
        response.etag = self.etag
        return response


async def read_files() -> dict[str, File]:
    """Return all files by name: those of ``static``, and the renderer of the API documentation."""
    paths = {name: _STATIC / name for name in await aiofiles.os.listdir(_STATIC)}
    package = resources.files("stopments") / "static"
    paths |= {name: Path(str(package / theirs)) for name, theirs in _RENDERER.items()}
    return {name: await _read(path) for name, path in paths.items()}


async def _read(path: Path) -> File:
    async with aiofiles.open(path, "rb") as file:
        body = await file.read()
    headers = DOCS_HEADERS if path.name == "docs.html" else HEADERS
    return File(body, CONTENT_TYPES[path.suffix], headers)

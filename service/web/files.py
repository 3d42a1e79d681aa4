"""The files of the page: read once, sent with a strict policy and an ETag."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from aiohttp import web

CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    # A text from data can then not become markup, whatever a script does with it.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked for each time and seldom sent again: a page is never of another version than the API.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class File:
    """Something to show, and its media type."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        """Changes with the content, and with nothing else."""
        return hashlib.sha256(self.body).hexdigest()[:32]

    def response(self, request: web.Request) -> web.Response:
        """The file, or 304 if the client has it already."""
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {self.etag, "*"}:
            response = web.Response(status=304, headers=HEADERS)
        else:
            response = web.Response(
                body=self.body, content_type=self.content_type, charset="utf-8", headers=HEADERS
            )
        response.etag = self.etag
        return response


def read_files() -> dict[str, File]:
    """All files of the page by their names; they are few and small."""
    folder = resources.files("service.web") / "static"
    return {
        file.name: File(file.read_bytes(), CONTENT_TYPES[_ending(file.name)])
        for file in folder.iterdir()
    }


def _ending(name: str) -> str:
    return name[name.rindex(".") :]

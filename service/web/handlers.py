"""The answers to a browser."""

from typing import Final

import msgspec
from aiohttp import web

from service.api.openapi.document import openapi_document
from service.problems import not_found
from service.web.docs_page import described
from service.web.files import File, read_files

_PAGE: Final = "index.html"


class Pages:
    """One method for each route; all that is sent is made at the start."""

    def __init__(self) -> None:
        document = openapi_document()
        files = read_files()
        self._page = files.pop(_PAGE)
        self._assets = files
        self._document = File(msgspec.json.encode(document), "application/json")
        self._docs = File(described(document), "text/html")

    async def page(self, request: web.Request) -> web.Response:
        """``GET /``: the page to import with."""
        return self._page.response(request)

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /assets/{name}``: what the page is made of."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise not_found()
        return asset.response(request)

    async def openapi(self, request: web.Request) -> web.Response:
        """``GET /openapi.json``: the API for programs."""
        return self._document.response(request)

    async def docs(self, request: web.Request) -> web.Response:
        """``GET /docs``: the API for people."""
        return self._docs.response(request)

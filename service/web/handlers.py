"""Handlers of the web pages. All content is prepared at the start."""

from collections.abc import Collection, Mapping
from typing import Self

import msgspec
from aiohttp import web

from service.api.openapi.document import openapi_document
from service.keys.scopes import Scope
from service.problem_types import PROBLEM_TYPES
from service.problems import not_found
from service.web.files import File, read_files
from service.web.problem_pages import problem_index, problem_page


class Pages:
    """A method for each route."""

    def __init__(self, files: Mapping[str, File], scopes: Collection[Scope] = ()) -> None:
        """``files`` are those of ``read_files``; requests need keys with the ``scopes``."""
        self._assets = dict(files)
        self._page = self._assets.pop("index.html")
        self._docs = self._assets.pop("docs.html")
        self._openapi = File(msgspec.json.encode(openapi_document(scopes)), "application/json")
        self._problem_index = File(problem_index(), "text/html")
        self._problems = {code: File(problem_page(code), "text/html") for code in PROBLEM_TYPES}

    @classmethod
    async def load(cls, scopes: Collection[Scope] = ()) -> Self:
        """Read the files and prepare the pages; requests need keys with the ``scopes``."""
        return cls(await read_files(), scopes)

    async def page(self, request: web.Request) -> web.Response:
        """``GET /``: the page to import files with."""
        return self._page.response(request)

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /assets/{name}``: a script, style sheet or image."""
        return _found(self._assets, request.match_info["name"]).response(request)

    async def openapi(self, request: web.Request) -> web.Response:
        """``GET /openapi.json``: the API, for programs."""
        return self._openapi.response(request)

    async def docs(self, request: web.Request) -> web.Response:
        """``GET /docs``: the API, for people."""
        return self._docs.response(request)

    async def problems(self, request: web.Request) -> web.Response:
        """``GET /problems``: the list of all problem types."""
        return self._problem_index.response(request)

    async def problem(self, request: web.Request) -> web.Response:
        """``GET /problems/{code}``: what a problem means and what to do."""
        return _found(self._problems, request.match_info["code"]).response(request)


def _found(files: Mapping[str, File], name: str) -> File:
    file = files.get(name)
    if file is None:
        raise not_found()
    return file

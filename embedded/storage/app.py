"""The Storage API as an aiohttp application."""

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from embedded.storage import buckets, copying, errors, objects, resumable, signing, standard
from embedded.storage.access import CATALOG, TOKEN_VERIFIER
from embedded.storage.auth import TokenVerifier
from embedded.storage.catalog import Bucket, Catalog
from embedded.storage.digests import DIGESTS, Digests
from embedded.storage.uploads import Uploads

CLIENT_CLOSED_REQUEST = 499


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a StorageError; a broken connection gets no answer."""
    try:
        with errors.disk_full_errors():
            return await handler(request)
    except errors.StorageError as error:
        return error.as_json()
    except ConnectionError:
        return web.Response(status=CLIENT_CLOSED_REQUEST)


async def storage_app(
    root: Path, jwt_secret: str, *, seconds_per_gb: float = 0.0
) -> web.Application:
    """Return the application, with the buckets and objects in a folder."""
    catalog, uploads = Catalog(root), Uploads(root / "uploads")
    await asyncio.to_thread(catalog.load)
    await asyncio.to_thread(uploads.load)
    app = web.Application(middlewares=[answer_errors])
    app[CATALOG] = catalog
    app[DIGESTS] = Digests(seconds_per_gb)
    app[TOKEN_VERIFIER] = TokenVerifier(jwt_secret)
    app[resumable.UPLOADS] = uploads
    app.router.add_get("/status", _status)
    for part in (buckets, copying, signing, objects, standard):
        app.add_routes(part.routes)
    app.add_subapp("/upload/resumable", _resumable_app())
    return app


async def _status(_request: web.Request) -> web.Response:
    """Say that the server runs."""
    return web.Response()


def _resumable_app() -> web.Application:
    app = web.Application(middlewares=[resumable.answer_errors_as_text])
    app.add_routes(resumable.routes)
    return app


async def ensure_bucket(app: web.Application, name: str) -> None:
    """Create a private bucket if it is missing."""
    if app[CATALOG].known(name) is None:
        await app[CATALOG].add_bucket(Bucket(name))

"""Which address is answered by which handler."""

from aiohttp import web

from service.handlers import Handlers
from service.jobs import Jobs
from service.pages.handlers import Pages
from service.rejections import Rejections


def add_routes(
    app: web.Application, handlers: Handlers, jobs: Jobs, rejections: Rejections, pages: Pages
) -> None:
    """Add the routes of the API, and of what people see."""
    app.router.add_post("/import", handlers.accept, expect_handler=handlers.expect)
    app.router.add_get("/import", jobs.list)
    app.router.add_get("/import/{jobId}", jobs.show)
    app.router.add_delete("/import/{jobId}", jobs.undo)
    app.router.add_post("/import/{jobId}/retry", jobs.retry)
    app.router.add_post("/import/{jobId}/cancel", jobs.cancel)
    app.router.add_get("/import/{jobId}/rejections", rejections.show)
    app.router.add_get("/healthz", handlers.health)
    app.router.add_get("/readyz", handlers.ready)
    app.router.add_get("/metrics", handlers.metrics)
    add_pages(app, pages)


def add_pages(app: web.Application, pages: Pages) -> None:
    """Add the routes of what people see."""
    app.router.add_get("/", pages.page)
    app.router.add_get("/assets/{name}", pages.asset)
    app.router.add_get("/openapi.json", pages.openapi)
    app.router.add_get("/docs", pages.docs)

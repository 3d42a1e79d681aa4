"""Which address is answered by which handler."""

from aiohttp import web

from service.handlers import Handlers
from service.jobs import Jobs
from service.rejections import Rejections


def add_routes(
    app: web.Application, handlers: Handlers, jobs: Jobs, rejections: Rejections
) -> None:
    """Add the routes of the API."""
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

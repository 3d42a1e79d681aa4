"""Serves the metrics of all worker processes of one master, in a process of its own.

dramatiq's own server answers one connection at a time, so that a client that sends nothing keeps
all others out.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from dramatiq.middleware import prometheus

from tasks.queue.metrics_folder import enter_own_folder
from tasks.queue.parent_watchdog import stop_with_parent

_IDLE_SECONDS: Final = 10.0
"""How long a client may send nothing."""


def serve_metrics() -> int:
    """Serve the metrics until the parent ends, at the address that dramatiq's variables name."""
    stop_with_parent()
    enter_own_folder()
    address = (prometheus.HTTP_HOST, prometheus.HTTP_PORT)
    with MetricsServer(address, folder=prometheus.DB_PATH, master=os.getppid()) as server:
        server.serve_forever()
    return 0


class MetricsServer(ThreadingHTTPServer):
    """Answers each GET request with the metrics, whatever its path is."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], *, folder: str, master: int) -> None:
        """``folder`` is the one that the worker processes of ``master`` share."""
        # Not at the top: importing the workers must not import prometheus_client, which looks for
        # the folder in the environment.
        from prometheus_client import CollectorRegistry  # noqa: PLC0415
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        from core.monitoring import BuildInfo  # noqa: PLC0415
        from tasks.queue.process_metrics import ProcessFamily  # noqa: PLC0415

        self.registry = CollectorRegistry()
        MultiProcessCollector(self.registry, folder)  # type: ignore[no-untyped-call]
        self.registry.register(BuildInfo())
        self.registry.register(ProcessFamily(master))
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = _IDLE_SECONDS
    server_version, sys_version = "contacts-importer", ""

    def do_GET(self) -> None:
        """Answer with the metrics in Prometheus' text format."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

        body = generate_latest(self.server.registry)
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        """Log no requests."""

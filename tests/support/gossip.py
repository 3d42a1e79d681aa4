"""A gateway in front of Supabase that, where it is told to, answers with all that it knows."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

INTERNALS = (
    "db-1.internal",
    "10.11.12.13",
    "select secret_column",
    "/srv/app/secret.py",
    "Traceback",
    "by order of gossip",
)
FORGED = "2026-01-01T00:00:00Z [info     ] forged"
"""A line that nobody has logged."""


@dataclass
class Telling:
    """Answers requests whose path begins so; ``body`` in place of the gossip, if there is one."""

    path: str
    status: int
    body: bytes | None = None
    times: int = 10**9


class Gossip(ThreadingHTTPServer):
    """``url`` takes the place of the Supabase behind it."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.tellings: list[Telling] = []
        self.client = httpx.Client(base_url=upstream, timeout=60)

    def told(self, path: str) -> Telling | None:
        for telling in self.tellings:
            if path.startswith(telling.path) and telling.times > 0:
                telling.times -= 1
                return telling
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Gossip
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        telling = self.server.told(self.path)
        if telling is None:
            self._forward(body)
        else:
            self._answer(telling.status, telling.body or self._gossip(), {})

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

    def _gossip(self) -> bytes:
        """The request's own head, the key in it, among internals and what no log should print."""
        text = f"{self.headers['apikey']} {' '.join(INTERNALS)}\n{FORGED}\n\x1b[2J\u202e"
        told = {"message": text, "error": text, "code": text, "details": text, "hint": text}
        return json.dumps(told).encode()

    def _forward(self, body: bytes) -> None:
        dropped = {"host", "content-length", "connection", "accept-encoding"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        answer = self.server.client.request(self.command, self.path, content=body, headers=headers)
        dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in dropped}
        self._answer(answer.status_code, answer.content, kept)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The tests have logs of their own to look at."""


@contextlib.contextmanager
def running_gossip(upstream: str) -> Iterator[Gossip]:
    with Gossip(upstream) as gossip, gossip.client:
        thread = threading.Thread(target=gossip.serve_forever)
        thread.start()
        try:
            yield gossip
        finally:
            gossip.shutdown()
            thread.join()

"""A gateway in front of Supabase whose errors contain secrets and internals, for some requests."""

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
    "by order of the upstream",
)
FORGED = "2026-01-01T00:00:00Z [info     ] forged"
"""A log line that an attacker would like to inject."""


@dataclass
class LeakyAnswer:
    """The answer to requests whose path starts with ``path``; without ``body`` it leaks."""

    path: str
    status: int
    body: bytes | None = None
    times: int = 10**9


class LeakyUpstream(ThreadingHTTPServer):
    """The server; ``url`` replaces the URL of Supabase."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.leaky_answers: list[LeakyAnswer] = []
        self.client = httpx.Client(base_url=upstream, timeout=60)

    def leaky_answer(self, path: str) -> LeakyAnswer | None:
        for leaky_answer in self.leaky_answers:
            if path.startswith(leaky_answer.path) and leaky_answer.times > 0:
                leaky_answer.times -= 1
                return leaky_answer
        return None


class _Handler(BaseHTTPRequestHandler):
    server: LeakyUpstream
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        leaky_answer = self.server.leaky_answer(self.path)
        if leaky_answer is None:
            self._forward(body)
        else:
            self._answer(leaky_answer.status, leaky_answer.body or self._leak(), {})

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

    def _leak(self) -> bytes:
        """Return the API key of the request, internals, and text that needs escaping in a log."""
        text = f"{self.headers['apikey']} {' '.join(INTERNALS)}\n{FORGED}\n\x1b[2J\u202e"
        leak = {"message": text, "error": text, "code": text, "details": text, "hint": text}
        return json.dumps(leak).encode()

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
        """Log nothing."""


@contextlib.contextmanager
def running_leaky_upstream(upstream: str) -> Iterator[LeakyUpstream]:
    with LeakyUpstream(upstream) as leaky, leaky.client:
        thread = threading.Thread(target=leaky.serve_forever)
        thread.start()
        try:
            yield leaky
        finally:
            leaky.shutdown()
            thread.join()

"""An HTTP server that receives webhooks."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Receiver:
    """Records all requests, and answers with each of ``statuses`` once, then with 204."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: queue.Queue[ReceivedRequest] = queue.Queue()
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.peers: queue.Queue[tuple[str, int]] = queue.Queue()
        """Where each request came from."""
        self.may_answer = threading.Event()
        """Requests are answered once this is set, as it is at first."""
        self.may_answer.set()

    @contextlib.contextmanager
    def running(self) -> Iterator["Receiver"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.put(ReceivedRequest(self.path, headers, body))
                receiver.peers.put(self.client_address)
                receiver.may_answer.wait(60)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

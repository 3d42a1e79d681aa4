"""HTTP requests byte by byte, for what no HTTP client would send."""

import json
import select
import socket
import struct

from tests.support.service import Service


class RawConnection:
    """A connection to the service."""

    def __init__(self, service: Service) -> None:
        self.socket = socket.create_connection(service.address, timeout=30)
        self._answer = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def head(self, path: str = "/import", **headers: str) -> None:
        named = {"Host": "localhost", "Content-Type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower-case names) and body of the next answer, or interim one."""
        status = int(self._answer.readline().split()[1])
        headers = {}
        while line := self._answer.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self._answer.read(int(headers.get("content-length", 0)))

    def rest(self) -> bytes:
        """Return everything until the connection ends."""
        return self._answer.read()

    def code(self) -> tuple[int, str]:
        """Return status and code of the next answer, which must be a problem."""
        status, headers, body = self.answer()
        assert headers["content-type"] == "application/problem+json"
        return status, json.loads(body)["code"]

    def verdict(self) -> tuple[tuple[int, str], str]:
        """Return status and code of the next answer, and the import's id if it was accepted."""
        status, headers, body = self.answer()
        answer = json.loads(body)
        if status == 202:
            return (status, ""), str(answer["jobId"])
        assert headers["content-type"] == "application/problem+json"
        return (status, answer["code"]), ""

    def is_answered(self) -> bool:
        """Whether an answer has started to arrive."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self, *, reset: bool = False) -> None:
        if reset:  # RST instead of FIN
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._answer.close()
        self.socket.close()

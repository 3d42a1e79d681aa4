"""HTTP as it is on the wire, for what no client would do."""

import json
import select
import socket
import struct

from tests.support.service import Service


class RawConnection:
    """A connection, byte by byte."""

    def __init__(self, service: Service) -> None:
        self.socket = socket.create_connection(service.address, timeout=30)
        self._answer = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, path: str = "/import", **headers: str) -> None:
        named = {"Host": "x", "Content-Type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of the next answer, interim or final."""
        status = int(self._answer.readline().split()[1])
        headers = {}
        while line := self._answer.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self._answer.read(int(headers.get("content-length", 0)))

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        return self._answer.read()

    def code(self) -> tuple[int, str]:
        status, headers, body = self.answer()
        assert headers["content-type"] == "application/problem+json"
        return status, json.loads(body)["code"]

    def verdict(self) -> tuple[tuple[int, str], str]:
        """Status and code of the next answer, and the id of the import if it was taken."""
        status, headers, body = self.answer()
        told = json.loads(body)
        if status == 202:
            return (status, ""), str(told["jobId"])
        assert headers["content-type"] == "application/problem+json"
        return (status, told["code"]), ""

    def is_answered(self) -> bool:
        """Whether there is something to read."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self, *, rudely: bool = False) -> None:
        if rudely:  # a reset instead of a farewell
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._answer.close()
        self.socket.close()

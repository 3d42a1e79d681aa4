"""A client with little overhead: posts a file, follows an import."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from benchmarks.contacts import SOURCE, Kind
from benchmarks.errors import BenchmarkError

ENDED = frozenset({"completed", "failed"})
BLOCK = 1024 * 1024
PATIENCE = 3600.0
PATHS = {Kind.JSON: "/import", **dict.fromkeys((Kind.CSV, Kind.NDJSON), f"/import?source={SOURCE}")}
TYPES = {
    Kind.JSON: "application/json",
    Kind.CSV: "text/csv",
    Kind.NDJSON: "application/x-ndjson",
}


@dataclass(frozen=True)
class Accepted:
    """A request that was answered with 202."""

    job: str
    begun: float
    """When it was sent, in seconds since 1970 by our clock."""
    at: float
    """When the answer was there."""

    @property
    def seconds(self) -> float:
        """From the first byte of the request to the answer."""
        return self.at - self.begun


@dataclass(frozen=True)
class Completed:
    """A completed import."""

    shown: Mapping[str, Any]
    finished: float
    """When it was, in seconds since 1970 by the database's clock."""
    seen: float
    """When we saw it, by ours."""


def post(
    url: str, kind: Kind, content: IO[bytes] | bytes | Iterator[bytes], length: int | None
) -> Accepted:
    """Send ``POST /import``, in chunks if the length is None. Raises BenchmarkError if rejected."""
    connection = _connection(url)
    headers = {"Content-Type": TYPES[kind]}
    headers |= {"Content-Length": str(length)} if length is not None else {}
    begun = time.time()
    connection.request("POST", PATHS[kind], content, headers, encode_chunked=length is None)
    answer = connection.getresponse()
    body = answer.read()
    at = time.time()
    connection.close()
    if answer.status != 202:
        raise BenchmarkError(f"POST /import was answered {answer.status}: {body.decode()}")
    return Accepted(json.loads(body)["jobId"], begun, at)


def post_file(url: str, kind: Kind, path: Path) -> Accepted:
    """Send a file with ``POST /import``."""
    with path.open("rb") as file:
        return post(url, kind, file, path.stat().st_size)


def follow(url: str, job: str, every: float) -> Completed:
    """Poll an import until it is completed. Raises BenchmarkError if it fails."""
    connection = _connection(url)
    deadline = time.monotonic() + PATIENCE
    while (shown := _shown(connection, job))["state"] not in ENDED:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{job} has not ended: {shown}")
        time.sleep(every)
    seen = time.time()
    connection.close()
    if shown["state"] != "completed":
        raise BenchmarkError(f"{job} failed: {shown}")
    return Completed(shown, datetime.fromisoformat(shown["finishedAt"]).timestamp(), seen)


def undo(url: str, job: str, every: float) -> None:
    """Undo an import, and poll it until it is undone."""
    connection = _connection(url)
    deadline = time.monotonic() + PATIENCE
    connection.request("DELETE", f"/import/{job}")
    connection.getresponse().read()
    while (shown := _shown(connection, job))["state"] != "undone":
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{job} is not undone: {shown}")
        time.sleep(every)
    connection.close()


def _shown(connection: http.client.HTTPConnection, job: str) -> dict[str, Any]:
    connection.request("GET", f"/import/{job}")
    shown: dict[str, Any] = json.loads(connection.getresponse().read())
    return shown


def _connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    return http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=PATIENCE, blocksize=BLOCK
    )

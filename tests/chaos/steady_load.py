"""Clients that send imports all the time, through a load balancer, and count what fails."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import httpx

from tests.chaos.data import ENDINGS, Data, make_data

SENDERS = 3
LARGE_EVERY = 8
PAUSE_SECONDS = 0.05
"""Of a sender between two imports, so that workers keep up."""
SMALL, LARGE = 20, 800
"""Records of an import; each eighth one is large."""


@dataclass(frozen=True)
class Accepted:
    """An import that a service has accepted."""

    data: Data
    job: str
    url: str
    """Of the service."""

    @property
    def import_id(self) -> str:
        return self.job.removeprefix("import-")


class Balancer:
    """Gives the address for each request: those in rotation, in turn."""

    def __init__(self, url: str) -> None:
        self._urls = [url]
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def add(self, url: str) -> None:
        with self._lock:
            self._urls = [*self._urls, url]

    def remove(self, url: str) -> None:
        with self._lock:
            self._urls = [each for each in self._urls if each != url]

    def pick(self) -> str:
        with self._lock:
            return self._urls[next(self._numbers) % len(self._urls)]

    def has(self, url: str) -> bool:
        with self._lock:
            return url in self._urls


@dataclass
class SteadyLoad:
    """Senders of imports, and a reader that asks for them."""

    balancer: Balancer
    rng: Random
    accepted: list[Accepted] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What was answered instead of 202 or 200, or the error of the connection."""
    refused: int = 0
    """Connections that a service out of rotation refused; these requests were sent again."""
    reads: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._send, args=[Random(self.rng.random())])
            for _ in range(SENDERS)
        ]
        threads.append(threading.Thread(target=self._read, args=[Random(self.rng.random())]))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Let the senders and the reader end after what they are doing."""
        self._over.set()

    def accepted_by(self, url: str) -> list[Accepted]:
        return [each for each in list(self.accepted) if each.url == url]

    def send(self, http: httpx.Client, data: Data, url: str | None = None) -> Accepted | None:
        """Send a data set, to the service at ``url`` or to one in rotation."""
        query = {"source": data.source} if data.ending == "csv" else {}
        headers = {"Content-Type": ENDINGS[data.ending]}
        answer = self._request(
            http, "POST", "/import", url, params=query, headers=headers, content=data.body
        )
        if answer is not None and answer.status_code == 202:
            sent_to = f"{answer.url.scheme}://{answer.url.netloc.decode()}"
            accepted = Accepted(data, answer.json()["jobId"], sent_to)
            self.accepted.append(accepted)
            return accepted
        if answer is not None:
            self.failed.append(f"POST: {answer.status_code} {answer.text}")
        return None

    def _request(
        self, http: httpx.Client, method: str, path: str, url: str | None = None, **more: object
    ) -> httpx.Response | None:
        while True:
            to = url or self.balancer.pick()
            try:
                return http.request(method, to + path, **more)  # type: ignore[arg-type]
            except httpx.ConnectError as error:
                if url is None and not self.balancer.has(to):
                    self.refused += 1
                    continue
                self.failed.append(f"{method}: {error!r}")
            except httpx.TransportError as error:
                self.failed.append(f"{method}: {error!r}")
            return None

    def _send(self, rng: Random) -> None:
        with httpx.Client(timeout=60) as http:
            for number in itertools.count():
                if self._over.wait(PAUSE_SECONDS):
                    return
                records = LARGE if number % LARGE_EVERY == 0 else SMALL
                ending = rng.choice(list(ENDINGS))
                self.send(http, make_data(rng, records=records, ending=ending))

    def _read(self, rng: Random) -> None:
        with httpx.Client(timeout=60) as http:
            while not self._over.wait(0.02):
                known = [each.job for each in list(self.accepted)[-100:]]
                for path in ("/import?limit=5", *(f"/import/{job}" for job in known[:1])):
                    answer = self._request(http, "GET", path)
                    if answer is None:
                        continue
                    if answer.status_code != 200:
                        self.failed.append(f"GET: {answer.status_code} {answer.text}")
                    self.reads += 1

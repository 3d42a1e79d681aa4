"""Runs Prometheus (the program has to be on the PATH) beside an importer on this machine."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from local.ports import free_port

PROGRAM: Final = "prometheus"
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


class Prometheus:
    """A running Prometheus; raises httpx.HTTPError if it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30)

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """Return the series of an expression between two times, in seconds since 1970."""
        found: list[dict[str, Any]] = self._get(
            "query_range", query=expression, start=start, end=end, step=step
        )["result"]
        return found

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        with contextlib.suppress(httpx.TransportError):
            return self._http.get("/-/ready").status_code == httpx.codes.OK
        return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _get(self, what: str, **parameters: str | float) -> dict[str, Any]:
        response = self._http.get(f"/api/v1/{what}", params=parameters).raise_for_status()
        data: dict[str, Any] = response.json()["data"]
        return data


@contextlib.contextmanager
def running_prometheus(
    folder: Path, targets: Mapping[str, str], *, rules: Path | None = None, interval: str = "1s"
) -> Iterator[Prometheus]:
    """Run Prometheus in ``folder``: it scrapes an address for each job, once in ``interval``.

    ``rules`` is a file with rules, which are evaluated as often.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise FileNotFoundError(f"{PROGRAM} is not on the PATH")
    config = folder / "prometheus.json"
    config.write_text(json.dumps(_config(targets, rules, interval)), "utf-8")
    port = free_port()
    arguments = [
        *(f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
    ]
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        _await_ready(prometheus, process, folder / "prometheus.log")
        yield prometheus
    finally:
        prometheus.close()
        process.terminate()
        process.wait()


def _config(targets: Mapping[str, str], rules: Path | None, interval: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [] if rules is None else [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in targets.items()
        ],
    }


def _await_ready(prometheus: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not prometheus.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{PROGRAM} did not start:\n{log.read_text('utf-8', 'replace')}")
        time.sleep(_POLL_SECONDS)

"""``python -m benchmarks.dashboard [PATH]``: a picture of the dashboard under load.

Runs the importer and Prometheus (on the PATH) on this machine, sends imports and faulty requests,
then asks each panel's queries and draws what they return, as Grafana would.
"""

import argparse
import contextlib
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from embedded.launch import running
from local.contacts import contacts
from local.ports import free_port
from local.processes import PROJECT, WORKERS, service, started, worker_environment
from local.prometheus import Prometheus, running_prometheus

DASHBOARD: Final = PROJECT / "deploy" / "monitoring" / "dashboard.json"
PICTURE: Final = PROJECT / "docs" / "dashboard.png"

_SETTINGS: Final = {
    "PART_BYTES": str(256 * 1024),
    "WEBHOOK_SECRET": f"whsec_{b64encode(bytes(32)).decode()}",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}
_RATE_INTERVAL: Final = "10s"
_STEP: Final = 1.0
_CELL: Final = (0.62, 0.3)
"""Inches of a cell of the dashboard's grid, which has 24 columns."""
_DPI: Final = 96
_COLOURS: Final = 64
_MOST_SERIES: Final = 6
"""Series in a legend; further ones are drawn."""
_BINARY: Final = ("", "Ki", "Mi", "Gi")
_DECIMAL: Final = ("", "k", "M")


@dataclass(frozen=True)
class Load:
    """Clients that send what is usual, and what is faulty, until they are stopped."""

    url: str
    receiver: str
    """Address for webhooks."""
    stop: threading.Event

    def run(self) -> None:
        """Send one request after the other."""
        chance = random.Random(1)
        with httpx.Client(base_url=self.url, timeout=60) as http:
            while not self.stop.is_set():
                self._send(http, chance)

    def _send(self, http: httpx.Client, chance: random.Random) -> None:
        job = self._import(http, chance, records=chance.choice((10, 10, 100, 2_000, 20_000)))
        http.get(f"/import/{job}")
        match chance.randrange(8):
            case 0:
                http.post("/import", content=b'{"source": "x", "data": [', headers=_JSON)
            case 1:
                http.post("/import", content=b"PK\x03\x04", headers={"Content-Type": "text/x"})
            case 2:
                http.get("/import/import-unknown")
            case 3:
                http.delete(f"/import/{job}")
            case 4:
                http.post("/import/preview", content=_body(chance, 50), headers=_JSON)
            case _:
                http.get("/import", params={"limit": 20})

    def _import(self, http: httpx.Client, chance: random.Random, *, records: int) -> str:
        options = {"notify": self.receiver} if chance.random() < 0.3 else {}
        answer = http.post("/import", params=options, content=_body(chance, records), headers=_JSON)
        return str(answer.raise_for_status().json()["jobId"])


_JSON: Final = {"Content-Type": "application/json"}


def _body(chance: random.Random, records: int) -> bytes:
    """Return an import in which some records are not contacts."""
    rows: list[object] = []
    for contact in contacts(records, seed=chance.randrange(1000)):
        match chance.randrange(40):
            case 0:
                rows.append({**contact, "email": "not an address"})
            case 1:
                rows.append({"note": "neither name nor address"})
            case 2:
                rows.append(17)
            case _:
                rows.append(contact)
    return json.dumps({"source": f"source {chance.randrange(3)}", "data": rows}).encode()


@contextlib.contextmanager
def _watched_importer(folder: Path) -> Iterator[tuple[str, Prometheus]]:
    """Run everything; gives the address of the service and its Prometheus."""
    with contextlib.ExitStack() as stack:
        settings = {**stack.enter_context(running(folder / "supabase")), **_SETTINGS}
        url, _ = stack.enter_context(service(settings, folder / "service.log"))
        port = free_port()
        workers = worker_environment(settings, folder / "metrics", port)
        stack.enter_context(started(list(WORKERS), workers, folder / "workers.log"))
        targets = {
            "contacts-importer-web": url.removeprefix("http://"),
            "contacts-importer-worker": f"127.0.0.1:{port}",
        }
        yield url, stack.enter_context(running_prometheus(folder, targets))


class _Receiver(BaseHTTPRequestHandler):
    """Accepts four webhooks of five."""

    _received = itertools.count()

    def do_POST(self) -> None:
        """Answer without reading the body."""
        self.send_response(500 if next(self._received) % 5 == 0 else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        """Log no requests."""


@contextlib.contextmanager
def _receiver() -> Iterator[str]:
    """Run a receiver of webhooks; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _under_load(url: str, receiver: str, seconds: float, clients: int) -> tuple[float, float]:
    """Send requests for so long; return when that began and ended."""
    load, begun = Load(url, receiver, threading.Event()), time.time()
    threads = [threading.Thread(target=load.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    load.stop.set()
    for thread in threads:
        thread.join()
    return begun, time.time()


def draw(
    panels: list[dict[str, Any]], prometheus: Prometheus, begun: float, ended: float
) -> Figure:
    """Draw all panels at their places; raises ValueError if a query returns nothing at all."""
    bottom = max(place["y"] + place["h"] for place in (panel["gridPos"] for panel in panels))
    width, height = 24 * _CELL[0], bottom * _CELL[1]
    figure = Figure(figsize=(width, height), dpi=_DPI)
    for panel in panels:
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - place["y"] / bottom
        if panel["type"] == "row":
            figure.text(0.005, top - 0.6 / bottom, panel["title"], weight="bold", fontsize=11)
            continue
        box = (
            left + 0.035,
            top - (place["h"] - 1.7) / bottom,
            place["w"] / 24 - 0.045,
            (place["h"] - 2.9) / bottom,
        )
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=9, loc="left")
        _draw_panel(axes, panel, prometheus, begun, ended)
    return figure


def _draw_panel(
    axes: Axes, panel: dict[str, Any], prometheus: Prometheus, begun: float, ended: float
) -> None:
    found = [
        (_label(target["legendFormat"], series["metric"]), series["values"])
        for target in panel["targets"]
        for series in prometheus.query_range(
            target["expr"].replace("$__rate_interval", _RATE_INTERVAL), begun, ended, _STEP
        )
    ]
    if not found:
        raise ValueError(f"the queries of {panel['title']!r} return nothing")
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    if panel["type"] == "timeseries":
        _draw_series(axes, found, begun, unit)
        return
    axes.set_axis_off()
    last = [float(values[-1][1]) for _, values in found]
    text = _shown(last[0], unit) if panel["type"] == "stat" else "\n".join(sorted(dict(found)))
    axes.text(0.02, 0.2, text, fontsize=20 if panel["type"] == "stat" else 9)


def _draw_series(
    axes: Axes, found: list[tuple[str, list[tuple[float, str]]]], begun: float, unit: str
) -> None:
    largest_first = sorted(found, key=lambda each: -max(float(value) for _, value in each[1]))
    for number, (label, values) in enumerate(largest_first):
        points = [(at - begun, float(value)) for at, value in values]
        shown = label if number < _MOST_SERIES else None
        axes.plot([at for at, _ in points], [value for _, value in points], lw=1, label=shown)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _shown(value, unit)))
    axes.grid(lw=0.3)
    axes.legend(
        fontsize=6,
        ncols=2,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        frameon=False,
        borderaxespad=0,
    )


def _label(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace(f"{{{{{name}}}}}", value)
    return template


def _shown(value: float, unit: str) -> str:
    """Return a value as Grafana shows it, roughly."""
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "s":
            return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"
        case "bytes" | "Bps":
            return _scaled(value, 1024, _BINARY) + ("B" if unit == "bytes" else "B/s")
        case _:
            return _scaled(value, 1000, _DECIMAL)


def _scaled(value: float, step: int, prefixes: tuple[str, ...]) -> str:
    power = 0
    while abs(value) >= step and power < len(prefixes) - 1:
        value, power = value / step, power + 1
    return f"{value:.3g} {prefixes[power]}"


def _save(figure: Figure, path: Path) -> None:
    """Save with few colours, so that the file stays small."""
    figure.savefig(path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(_COLOURS)
    small.save(path, optimize=True)


def main() -> int:
    """Run it all; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=PICTURE, help="the picture to write")
    parser.add_argument("--seconds", type=float, default=90.0, help="of load (%(default)s)")
    parser.add_argument("--clients", type=int, default=2, help="at a time (%(default)s)")
    arguments = parser.parse_args()
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    with (
        tempfile.TemporaryDirectory() as name,
        _receiver() as receiver,
        _watched_importer(Path(name)) as (url, prometheus),
    ):
        begun, ended = _under_load(url, receiver, arguments.seconds, arguments.clients)
        _save(draw(panels, prometheus, begun, ended), arguments.path)
    sys.stdout.write(f"{arguments.path}: {arguments.path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

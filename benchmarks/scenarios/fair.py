"""Whether imports keep each other waiting: each case beside the same thing alone."""

import base64
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from benchmarks.client import Accepted, follow, post, post_file
from benchmarks.contacts import Kind
from benchmarks.errors import BenchmarkError
from benchmarks.figures import percentile
from benchmarks.importer import Importer, await_true
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run
from core.ids import JOB_PREFIX

LOOK_EVERY: Final = 0.05
LOOK_AFTER: Final = 0.25
"""When to ask for the end of a small import, which has its own time: asking costs the machine as
much as a fifth of the import.
"""
CLIENTS: Final = 16
SMALL_RECORDS: Final = 3
BESIDE_SMALL: Final = 2 * (False, True, True, False)
"""The large imports, one after the other: this way, neither kind gains if the machine grows slower
or faster meanwhile. One that is repeated differs by up to 10 %.
"""
WEBHOOK_ROUNDS: Final = 4
WITH_WEBHOOKS: Final = 500
HUNDRED: Final = 100
SHARED_PARTS: Final = 24

_RECORDS_DONE: Final = """
    select coalesce(sum(imported), 0) from public.import_parts where import_id = '{}'
"""
_STARTED: Final = """
    select p.import_id = i.id
    from public.imports i join public.import_parts p on p.started_at > i.created_at
    where i.id = '{}' order by p.started_at
"""
_CREATED: Final = """
    select extract(epoch from created_at)::float8 from public.imports where id = '{}'
"""
_ENDED_BESIDE: Final = """
    select o.started_at > i.created_at
    from public.imports i
    join public.imports o on o.id <> i.id and o.finished_at between i.created_at and i.finished_at
    where i.id = '{}'
"""
"""Whether each other import that ended while this one was open has begun after its acceptance."""
_OPEN_AT_START: Final = """
    select count(*) from public.imports i
    join public.imports o on o.id <> i.id and o.created_at < i.created_at
      and (o.finished_at is null or o.finished_at > i.created_at)
    where i.id = '{}'
"""
_SECONDS: Final = """
    select extract(epoch from finished_at)::float8 from public.imports
    where state = 'completed' order by finished_at
"""


def run(lab: Lab) -> list[Result]:
    """Run all cases with each writer, once: a case has hundreds of imports."""
    secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    settings = {"WEBHOOK_SECRET": secret, "WEBHOOK_ALLOW_PRIVATE": "true"}
    tables: dict[str, tuple[Sequence[Column], list[Run]]] = {}
    with lab.importer(environment=settings) as importer:
        for writer in lab.writers:
            importer.work(writer)
            for case in (_beside_large, _shares, _sources, _webhooks, _long_queue):
                importer.server.erase()
                title, columns, figures = case(lab, importer, writer)
                name = f"ours, {writer}"
                lab.say(f"  {name:<20} {title}: {_shown(columns, figures)}")
                tables.setdefault(title, (columns, []))[1].append(Run(name, figures))
    return [Result("fair", title, columns, runs) for title, (columns, runs) in tables.items()]


Case = tuple[str, Sequence[Column], dict[str, float]]


def _beside_large(lab: Lab, importer: Importer, _writer: str) -> Case:
    """A large import alone and with a small one each second."""
    rows = 6 * lab.options.rows
    path = lab.data(rows).file(Kind.CSV)
    ahead = importer.server.seconds_ahead()
    alone, beside = [], []
    latencies: list[float] = []
    for is_beside in BESIDE_SMALL:
        importer.server.erase()
        large = post_file(importer.url, Kind.CSV, path)
        if not is_beside:
            alone.append(_seconds(importer, large))
            continue
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(_seconds, importer, large)
            while not ended.done():
                due = time.monotonic() + 1
                latencies.append(_small_import(importer, f"small-{len(latencies)}", ahead))
                time.sleep(max(0.0, due - time.monotonic()))
            beside.append(ended.result())
    figures = {
        "median": 1000 * percentile(latencies, 0.5),
        "p99": 1000 * percentile(latencies, 0.99),
        "rate": sum(alone) / sum(beside),
        "alone": len(alone) * rows / sum(alone),
    }
    columns = (
        Column("median", "3 contacts, POST to completed: median, ms", ",.0f"),
        Column("p99", "99th percentile, ms", ",.0f"),
        Column("rate", "rate of the large one, of that alone"),
        Column("alone", "alone, rows/s", ",.0f"),
    )
    return f"A small import a second beside one of {rows:,} contacts", columns, figures


def _shares(lab: Lab, importer: Importer, _writer: str) -> Case:
    """Two imports that begin together, and a third one in their middle."""
    rows = 2 * lab.options.rows
    path = lab.data(rows).file(Kind.CSV)
    with ThreadPoolExecutor(3) as pool:
        both = list(pool.map(lambda source: _posted(importer, path, source), ("one", "two")))
        await_true(lambda: _done(importer, both[0]) > rows // 4, "A quarter is imported")
        third = _posted(importer, path, "three")
        ends = list(pool.map(lambda job: _finished(importer, job), (*both, third)))
    started = importer.server.ask(_STARTED.format(third.removeprefix(JOB_PREFIX)))
    own = [is_own for (is_own,) in started]
    begun = max(_created(importer, job) for job in both)
    figures = {
        "apart": abs(ends[0] - ends[1]) / (min(ends[:2]) - begun),
        "before": float(own.index(True)),
        "share": sum(own[:SHARED_PARTS]) / SHARED_PARTS,
    }
    columns = (
        Column("apart", "the two ended apart, of their time"),
        Column("before", "parts of theirs begun before the third's first", ",.0f"),
        Column("share", f"of the first {SHARED_PARTS} parts begun since, the third's"),
    )
    return f"Two imports of {rows:,} contacts, and a third in the middle", columns, figures


def _sources(lab: Lab, importer: Importer, _writer: str) -> Case:
    """One import of a source beside two hundred of another source."""
    rows = max(1000, lab.options.rows // 10)
    path = lab.data(rows).file(Kind.CSV)
    crowd = 200
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = list(pool.map(lambda _: _posted(importer, path, "crowd"), range(crowd)))
    one = _posted(importer, path, "single")
    _finished(importer, one)
    ended = importer.server.ask(_ENDED_BESIDE.format(one.removeprefix(JOB_PREFIX)))
    ((waiting,),) = importer.server.ask(_OPEN_AT_START.format(one.removeprefix(JOB_PREFIX)))
    for job in jobs:
        httpx.post(f"{importer.url}/import/{job}/cancel")
    await_true(lambda: _open(importer) == 0, "The other imports are cancelled")
    begun_after = sum(is_later for (is_later,) in ended)
    figures = {
        "ahead": float(len(ended)),
        "overtaking": float(begun_after),
        "waiting": float(waiting),
    }
    columns = (
        Column("ahead", "imports of the other source that ended first", ",.0f"),
        Column("overtaking", "of these, begun after it was accepted", ",.0f"),
        Column("waiting", "that were open then", ",.0f"),
    )
    return f"One import of {rows:,} contacts after {crowd} of another source", columns, figures


def _webhooks(_lab: Lab, importer: Importer, _writer: str) -> Case:
    """Small imports whose webhooks go to a receiver that never answers."""
    with _silent_receiver() as address:
        seconds = []
        for query in ("", f"?notify={address}/hook") * WEBHOOK_ROUNDS:
            importer.server.erase()
            begun = time.monotonic()
            _post_many(importer, WITH_WEBHOOKS, query)
            await_true(lambda: _open(importer) == 0, "All imports have ended")
            seconds.append(time.monotonic() - begun)
    alone, beside = seconds[::2], seconds[1::2]
    figures = {"later": sum(beside) / sum(alone), "alone": sum(alone) / WEBHOOK_ROUNDS}
    columns = (
        Column("later", "time until all have ended, of that without webhooks"),
        Column("alone", "without, s"),
    )
    title = f"{WITH_WEBHOOKS} imports whose webhooks are never answered"
    return title, columns, figures


def _long_queue(lab: Lab, importer: Importer, writer: str) -> Case:
    """The first and the last hundred of many small imports that wait for workers."""
    count = max(10 * HUNDRED, lab.options.rows // 100)
    importer.rest()
    _post_many(importer, count, "")
    importer.work(writer, warm=False)
    await_true(lambda: _open(importer) == 0, "All imports have ended", 600)
    ended = [seconds for (seconds,) in importer.server.ask(_SECONDS)]
    # Of the first hundred some are imported while the workers start.
    first = ended[2 * HUNDRED] - ended[HUNDRED]
    last = ended[-1] - ended[-HUNDRED - 1]
    figures = {"first": first, "last": last, "ratio": last / first}
    columns = (
        Column("first", "the second hundred, s"),
        Column("last", "the last hundred, s"),
        Column("ratio", "last : second"),
    )
    return f"{count:,} imports of one contact wait for workers", columns, figures


def _shown(columns: Sequence[Column], figures: dict[str, float]) -> str:
    return ", ".join(f"{each.title} {format(figures[each.figure], each.form)}" for each in columns)


def _seconds(importer: Importer, accepted: Accepted) -> float:
    """Return the seconds from the start of an import to its end, by the database's clock."""
    return _finished(importer, accepted.job) - _created(importer, accepted.job)


def _small_import(importer: Importer, source: str, ahead: float) -> float:
    """Return the seconds from POST to ``completed``, by the database's clock for the latter.

    It is so many seconds ``ahead``.
    """
    body = _body(source, SMALL_RECORDS)
    accepted = post(importer.url, Kind.JSON, body, len(body))
    time.sleep(LOOK_AFTER)
    return follow(importer.url, accepted.job, LOOK_EVERY).finished - ahead - accepted.begun


def _body(source: str, records: int) -> bytes:
    data = [{"name": f"Person {n}", "email": f"{source}.{n}@example.com"} for n in range(records)]
    return json.dumps({"source": source, "data": data}).encode()


def _posted(importer: Importer, path: object, source: str) -> str:
    """Send a file under a source; returns its job."""
    with open(str(path), "rb") as file:  # noqa: PTH123 -- one of many in threads
        answer = httpx.post(
            f"{importer.url}/import?source={source}",
            content=file,
            headers={"Content-Type": "text/csv"},
            timeout=600,
        )
    if answer.status_code != 202:
        raise BenchmarkError(f"POST /import was answered {answer.status_code}: {answer.text}")
    return str(answer.json()["jobId"])


def _post_many(importer: Importer, count: int, query: str) -> None:
    """Send small imports from several clients at once."""
    with httpx.Client(base_url=importer.url, timeout=600) as client:

        def send(number: int) -> None:
            while True:
                answer = client.post(
                    f"/import{query}",
                    content=_body(f"many-{number % 7}", 1),
                    headers={"Content-Type": "application/json"},
                )
                if answer.status_code != 503:
                    break
                time.sleep(LOOK_EVERY)
            if answer.status_code != 202:
                raise BenchmarkError(f"Answered {answer.status_code}: {answer.text}")

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send, range(count)))


def _done(importer: Importer, job: str) -> int:
    """Return how many records of an import are imported."""
    ((done,),) = importer.server.ask(_RECORDS_DONE.format(job.removeprefix(JOB_PREFIX)))
    return int(done)


def _open(importer: Importer) -> int:
    ((count,),) = importer.server.ask(
        "select count(*) from public.imports where finished_at is null"
    )
    return int(count)


def _finished(importer: Importer, job: str) -> float:
    return follow(importer.url, job, LOOK_EVERY).finished


def _created(importer: Importer, job: str) -> float:
    ((created,),) = importer.server.ask(_CREATED.format(job.removeprefix(JOB_PREFIX)))
    return float(created)


@contextlib.contextmanager
def _silent_receiver() -> Iterator[str]:
    """Accept connections on loopback and never answer; yields the address."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()

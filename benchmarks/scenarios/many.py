"""Milliseconds of status, lists, sweeps and retention with ROWS ended imports in the tables."""

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock
from urllib.parse import urlsplit

from benchmarks.client import follow, post
from benchmarks.contacts import Kind
from benchmarks.errors import BenchmarkError
from benchmarks.figures import percentile
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run
from benchmarks.server import Server
from config.settings import Settings
from core.ids import JOB_PREFIX
from tasks.services import Services

if TYPE_CHECKING:
    from tasks.metrics import Metrics

CHUNK = 100_000
"""Imports that are inserted in one transaction."""
REQUESTS, WARM_UPS = 200, 20
SWEEPS = 20
SOURCES = 100
REJECTIONS = 5
"""Rejections of each tenth import."""
EXPIRED = 10_000
"""Imports that retention removes, the oldest ones."""
SHOWN_MS, LISTED_MS, SWEPT_MS, EXPIRED_MS = 20.0, 20.0, 1000.0, 60_000.0
"""What an operation may take, in the middle of many."""
MEDIAN, P99, LIMIT = "median", "p99", "limit"
COLUMNS = (
    Column(MEDIAN, "median, ms", ",.1f"),
    Column(P99, "p99, ms", ",.1f"),
    Column(LIMIT, "may take, ms", ",.0f"),
)

FIRST_AT, APART = 1_700_000_000, 30
# Import n was accepted n half minutes after the first one. One in a hundred has failed, one in two
# thousand was undone: only odd numbers, so that sources with an even number have none.
IMPORTS = """
SET statement_timeout = 0;
WITH made AS (
  SELECT n, to_timestamp(1700000000 + n * 30) AS at,
         (lpad(to_hex((1700000000 + n * 30::bigint) * 1000), 12, '0') || '7'
          || lpad(to_hex(n % 4096), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid AS id,
         CASE WHEN n % 102 = 51 THEN 'failed' WHEN n % 2002 = 3 THEN 'undone'
              ELSE 'completed' END AS state
  FROM generate_series({first}, {last}) AS n
),
imports AS (
  INSERT INTO public.imports (
    id, source, format, object, bytes, records, state, message_id, created_at, started_at,
    finished_at, small, parts_total, parts_done, parts_failed, imported, rejected, rejected_codes,
    idempotency_key, fingerprint, sha256, received, plan, detected)
  SELECT id, 'source ' || n % {sources}, 'json', 'import-' || id || '.json', 20000, 100, state,
         gen_random_uuid(), at, at, at, true, 1, (state = 'completed')::integer,
         (state = 'failed')::integer, CASE WHEN state <> 'completed' THEN 0
           WHEN n % 10 = 0 THEN 100 - {rejections} ELSE 100 END,
         CASE WHEN n % 10 = 0 THEN {rejections} ELSE 0 END,
         CASE WHEN n % 10 = 0 THEN '{{"email_invalid": {rejections}}}' ELSE '{{}}' END::jsonb,
         'key ' || n, md5(n::text), md5(n::text) || md5(n::text), 20000,
         '{{"places": {{"name": [ ["name"] ], "email": [ ["email"] ]}}}}',
         '{{"encoding": "utf-8", "compression": null}}'
  FROM made
),
parts AS (
  INSERT INTO public.import_parts (
    import_id, part, byte_start, byte_end, first_record, records, state, started_at, finished_at,
    imported, rejected, rejected_codes, failure_code, failure, message_id)
  SELECT id, 1, 0, 20000, 1, 100, CASE state WHEN 'completed' THEN 'done' ELSE state END, at, at,
         CASE WHEN state <> 'completed' THEN 0
           WHEN n % 10 = 0 THEN 100 - {rejections} ELSE 100 END,
         CASE WHEN n % 10 = 0 THEN {rejections} ELSE 0 END,
         CASE WHEN n % 10 = 0 THEN '{{"email_invalid": {rejections}}}'::jsonb END,
         CASE WHEN state = 'failed' THEN 'object_missing' END,
         CASE WHEN state = 'failed' THEN 'The stored object is gone.' END, gen_random_uuid()
  FROM made
),
rejections AS (
  INSERT INTO public.import_rejections (import_id, record, part, code, message, content)
  SELECT id, record, 1, 'email_invalid', 'The email is not a valid address.',
         '{{"name": "Ada", "email": "no address"}}'
  FROM made, generate_series(1, {rejections}) AS record WHERE n % 10 = 0
)
INSERT INTO dramatiq.queue (queue_name, message_id, state, mtime, message)
SELECT 'imports-small', gen_random_uuid(), 'done', now() AT TIME ZONE 'UTC',
       jsonb_build_object('actor_name', 'import_part', 'args', jsonb_build_array(id, 1))
FROM made WHERE n % 10 = 1
"""
SEEN = """
SELECT id FROM public.imports ORDER BY id OFFSET {at} LIMIT 1
"""
FINISH = (
    "VACUUM (ANALYZE) public.imports",
    "VACUUM (ANALYZE) public.import_parts",
    "VACUUM (ANALYZE) public.import_rejections",
    "VACUUM (ANALYZE) dramatiq.queue",
)


def run(lab: Lab) -> list[Result]:
    """Fill the tables, measure each operation, and empty them again."""
    lab.server.erase()
    count = lab.options.rows
    fill(lab, count)
    middle = _id_at(lab.server, count // 2)
    shown = [_id_at(lab.server, random.Random(each).randrange(count)) for each in range(REQUESTS)]
    with lab.importer() as importer:
        lists = {
            "list: first page": "limit=20",
            "list: first page of 100": "limit=100",
            "list: page in the middle": f"limit=20&cursor={middle}",
            "list: failed ones": "limit=20&state=failed",
            "list: failed ones, in the middle": f"limit=20&state=failed&cursor={middle}",
            "list: a source": "limit=20&source=source%208",
            "list: undone ones of a source": "limit=20&source=source%203&state=undone",
            "list: failed ones of a source without": "limit=20&source=source%208&state=failed",
        }
        runs = [
            _timed(lab, importer.url, "status", [f"/import/{each}" for each in shown], SHOWN_MS)
        ]
        runs += [
            _timed(lab, importer.url, name, [f"/import?{query}"] * REQUESTS, LISTED_MS)
            for name, query in lists.items()
        ]
        importer.work(lab.writer)
        runs += _accepted(lab, importer.url)
    runs.append(_swept(lab))
    runs += _expired(lab, min(EXPIRED, count // 2))
    lab.server.erase()
    title = f"{count:,} ended imports in the tables"
    notes = (
        f"One request after the other, {REQUESTS} of each. There is a part for each import, "
        f"{REJECTIONS} rejections for every tenth, and a finished message for every tenth. A sweep "
        "here looks for lost imports, undos, objects and uploads, and finds nothing to do. "
        "Retention removes the oldest imports with their rejections and with their objects, which "
        "Storage does not have."
    )
    return [Result("many", title, COLUMNS, runs, (), [notes])]


def fill(lab: Lab, count: int) -> None:
    """Insert ended imports, as many as given, and what a busy month would leave beside them."""
    begun = time.monotonic()
    for first in range(1, count + 1, CHUNK):
        last = min(count, first + CHUNK - 1)
        values = {"sources": SOURCES, "rejections": REJECTIONS}
        lab.server.ask(IMPORTS.format(first=first, last=last, **values))
    for statement in FINISH:
        lab.server.ask(statement, dsn=lab.server.admin)
    ((found,),) = lab.server.ask("SELECT count(*) FROM public.imports")
    if found != count:
        raise BenchmarkError(f"There are {found:,} imports, but should be {count:,}.")
    lab.say(f"  {count:,} imports inserted in {time.monotonic() - begun:.0f} s")


def _id_at(server: Server, at: int) -> str:
    ((found,),) = server.ask(SEEN.format(at=at))
    return f"{JOB_PREFIX}{found}"


def _timed(lab: Lab, url: str, name: str, paths: list[str], limit: float) -> Run:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)

    def get(path: str) -> None:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchmarkError(f"{path} was answered {answer.status}: {body.decode()}")

    with closing(connection):
        for path in paths[:WARM_UPS]:
            get(path)
        return _run(lab, name, (_seconds(partial(get, path)) for path in paths), limit)


def _accepted(lab: Lab, url: str) -> Iterator[Run]:
    """Import three contacts, again and again: what is accepted now costs no more either."""
    bodies = [
        b'{"source": "benchmark", "data": [{"name": "P%d"}, {"name": "Q"}, {"name": "R"}]}' % each
        for each in range(REQUESTS)
    ]
    posts, ends = [], []
    for body in bodies:
        accepted = post(url, Kind.JSON, body, len(body))
        posts.append(accepted.seconds)
        ends.append(follow(url, accepted.job, 0.005).seen - accepted.begun)
    yield _run(lab, "import of 3 contacts: 202", posts, None)
    yield _run(lab, "import of 3 contacts: completed", ends, None)


def _swept(lab: Lab) -> Run:
    with _services(lab.server) as services:
        sweep = services.sweep

        def once() -> None:
            sweep.queue_lost_imports()
            sweep.delete_old_messages()
            sweep.remove_orphans(time.time())
            sweep.end_abandoned_uploads()

        return _run(lab, "sweep", [_seconds(once) for _ in range(SWEEPS)], SWEPT_MS)


def _expired(lab: Lab, count: int) -> Iterator[Run]:
    kept = time.time() - (FIRST_AT + APART * count)
    for name, seconds in (("with nothing due", kept + 365 * 86_400), (f"of {count:,}", kept)):
        limits = dict.fromkeys(("keep_objects", "keep_rejections", "keep_imports"), seconds)
        with _services(lab.server, **limits) as services:
            taken = [_seconds(services.sweep.retention.run)]
        yield _run(lab, f"retention {name}", taken, EXPIRED_MS)


@contextmanager
def _services(server: Server, **more: float) -> Iterator[Services]:
    settings: dict[str, Any] = {name.lower(): value for name, value in server.env.items()} | more
    services = Services.from_settings(
        Settings(**settings), cast("Metrics", Mock()), threading.Event()
    )
    try:
        yield services
    finally:
        services.close()


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _run(lab: Lab, name: str, seconds: "Iterator[float] | list[float]", limit: float | None) -> Run:
    values = [each * 1000 for each in seconds]
    figures = {MEDIAN: percentile(values, 0.5), P99: percentile(values, 0.99)}
    figures |= {} if limit is None else {LIMIT: limit}
    lab.say(f"  {name:<40} {figures[MEDIAN]:>10,.1f} ms {figures[P99]:>10,.1f} ms p99")
    return Run(name, figures)

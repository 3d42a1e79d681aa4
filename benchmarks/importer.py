"""The importer under measurement: the real commands, started as docs/deploy.md says."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.client import follow, post
from benchmarks.contacts import SOURCE, Kind
from benchmarks.errors import BenchmarkError
from benchmarks.server import Server
from benchmarks.usage import CLIENT, CORES, Group, Meter, named, peak_bytes, reset_peak, tree
from config.settings import Settings
from core.ids import JOB_PREFIX
from local.ports import free_port
from local.processes import WORKERS, Started, service, started, worker_environment

POSTGREST, COPY = "postgrest", "copy"
WRITERS = (POSTGREST, COPY)
WRITER_SETTING = "contacts_writer"
WARM_UPS = 3
READY = "Worker process is ready for action."
PART_DONE = '"event": "part done"'
PATIENCE, LOOK_EVERY = 60.0, 0.05
PROCESSES = int(WORKERS[WORKERS.index("--processes") + 1])


def await_true(condition: Callable[[], bool], what: str) -> None:
    """Look until it is so; raises BenchmarkError if it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Not so within {PATIENCE:.0f} s: {what}.")
        time.sleep(LOOK_EVERY)


def writer_known(writer: str) -> bool:
    """Whether this version of the importer has that writer."""
    return writer == POSTGREST or WRITER_SETTING in Settings.model_fields


@dataclass(frozen=True)
class Workers:
    """One ``dramatiq tasks``, as one machine would run it."""

    started: Started
    processes: int

    @property
    def root(self) -> psutil.Process:
        """Dramatiq's master."""
        return psutil.Process(self.started.pid)

    @property
    def ready(self) -> bool:
        """Whether all of them take messages, as Dramatiq's log tells."""
        return self.started.log.read_text().count(READY) == self.processes

    def parts_done(self, job: str) -> int:
        """How many parts of an import they have done, as their log tells."""
        lines = self.started.log.read_text().splitlines()
        return sum(PART_DONE in line and job.removeprefix(JOB_PREFIX) in line for line in lines)

    def each(self) -> list[psutil.Process]:
        """The worker processes: those that the master has forked first."""
        children = self.root.children()
        return sorted(children, key=lambda child: child.pid)[: self.processes]


class Importer:
    """A service that runs, and the workers that are needed at the moment."""

    def __init__(self, server: Server, url: str, process: Started, folder: Path) -> None:
        self.server = server
        self.url = url
        self._service = psutil.Process(process.pid)
        self._folder = folder
        self._writer: str | None = None
        self._starts = itertools.count(1)
        self._running = contextlib.ExitStack()
        self.workers: list[Workers] = []

    def work(self, writer: str, *, machines: int = 1, processes: int = PROCESSES) -> None:
        """See to it that just these workers run, and that they have run once."""
        if self._writer == (wanted := f"{writer} {machines} {processes}"):
            return
        self.rest()
        for number in range(machines):
            self.workers.append(self._start(writer, number, processes))
        await_true(lambda: all(each.ready for each in self.workers), "All workers are ready")
        self._writer = wanted
        self.warm_up()

    def rest(self) -> None:
        """Stop all workers."""
        self._running.close()
        self.workers.clear()
        self._writer = None

    def warm_up(self) -> None:
        """Import some contacts, so that connections are open and code is loaded."""
        for _ in range(WARM_UPS):
            body = b'{"source": "%s", "data": [{"name": "Warm Up"}]}' % SOURCE.encode()
            follow(self.url, post(self.url, Kind.JSON, body, len(body)).job, 0.02)

    def meter(self) -> Meter:
        """What reads the CPU seconds of all that takes part."""
        return Meter((*self._own_groups(), *_groups_of(self.server.pid)))

    def reset_peaks(self) -> None:
        """Let the peaks begin anew."""
        for process in self._processes().values():
            reset_peak(process)

    def peaks(self) -> dict[str, int]:
        """Peak resident bytes by process."""
        return {name: peak_bytes(process) for name, process in self._processes().items()}

    def _processes(self) -> dict[str, psutil.Process]:
        workers = [each for workers in self.workers for each in workers.each()]
        return {
            "service": self._service,
            **{f"worker {number}": worker for number, worker in enumerate(workers, 1)},
        }

    def _own_groups(self) -> Iterator[Group]:
        yield Group("service", lambda: [self._service])
        if self.workers:
            roots = [workers.root for workers in self.workers]
            cores = sum(workers.processes for workers in self.workers)
            yield Group("workers", lambda: [each for root in roots for each in tree(root)], cores)
        yield Group(CLIENT, lambda: [psutil.Process()])

    def _start(self, writer: str, number: int, processes: int) -> Workers:
        metrics = self._folder / f"metrics-{number}"
        environment = worker_environment(self.server.env, metrics, free_port())
        environment |= {WRITER_SETTING.upper(): writer, "LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        command = list(WORKERS)
        command[command.index("--processes") + 1] = str(processes)
        log = self._folder / f"workers-{next(self._starts)}.log"
        return Workers(self._running.enter_context(started(command, environment, log)), processes)


@contextlib.contextmanager
def running_importer(
    server: Server, folder: Path, module: str, environment: Mapping[str, str]
) -> Iterator[Importer]:
    """A service beside the server, run by ``module``; workers come with ``Importer.work``."""
    log = folder / f"{module}-{free_port()}.log"
    with service({**server.env, **environment}, log, module=module) as (url, process):
        importer = Importer(server, url, process, folder)
        try:
            yield importer
        finally:
            importer.rest()


def _groups_of(pid: int | None) -> Iterator[Group]:
    """The groups of an embedded stack: its gateway is also its Storage."""
    if pid is None:
        return
    stack = psutil.Process(pid)
    postgrest, postmaster = named(stack, "postgrest"), named(stack, "postgres")
    yield Group("PostgREST", lambda: [postgrest], CORES)
    yield Group("Postgres", lambda: tree(postmaster), CORES)
    yield Group("Storage and gateway", lambda: [stack], with_ended=False)

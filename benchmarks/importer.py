"""The importer under measurement: the real commands, started as docs/deploy.md says."""

import contextlib
import itertools
import tempfile
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
from config.settings import PARTS_AT_A_TIME, Settings
from core.ids import JOB_PREFIX
from local.ports import free_port
from local.processes import WORKERS, Started, service, started, worker_environment

POSTGREST, COPY = "postgrest", "copy"
WRITERS = (POSTGREST, COPY)
WRITER_SETTING = "contacts_writer"
WARM_UPS = 3
READY = "Worker process is ready for action."
PART_FINISHED = '"event": "part finished"'
PATIENCE, LOOK_EVERY = 60.0, 0.05
PROCESSES = int(WORKERS[WORKERS.index("--processes") + 1])


def await_true(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll a condition until it is true. Raises BenchmarkError if that takes too long."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Not so within {patience:.0f} s: {what}.")
        time.sleep(LOOK_EVERY)


def writer_known(writer: str) -> bool:
    """Whether this version of the importer has that writer."""
    return writer == POSTGREST or WRITER_SETTING in Settings.model_fields


@dataclass(frozen=True)
class Workers:
    """The worker processes of one ``dramatiq tasks``, as on one machine."""

    started: Started
    processes: int

    @property
    def root(self) -> psutil.Process:
        """The master process of Dramatiq."""
        return psutil.Process(self.started.pid)

    @property
    def ready(self) -> bool:
        """Whether all worker processes are ready, by Dramatiq's log."""
        return self.started.log.read_text().count(READY) == self.processes

    def parts_done(self, job: str) -> int:
        """Return how many parts of an import they have finished, by their log."""
        lines = self.started.log.read_text().splitlines()
        return sum(PART_FINISHED in line and job.removeprefix(JOB_PREFIX) in line for line in lines)

    def each(self) -> list[psutil.Process]:
        """Return the worker processes, the first children of the master."""
        children = self.root.children()
        return sorted(children, key=lambda child: child.pid)[: self.processes]


class Importer:
    """A running service, and the workers that the current contender needs."""

    def __init__(
        self,
        server: Server,
        url: str,
        process: Started,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        """``environment`` has further settings of the workers."""
        self.server = server
        self.url = url
        self._environment = environment
        self._service = psutil.Process(process.pid)
        self._folder = folder
        self._writer: str | None = None
        self._starts = itertools.count(1)
        self._running = contextlib.ExitStack()
        self.workers: list[Workers] = []

    def work(
        self,
        writer: str,
        *,
        machines: int = 1,
        processes: int = PROCESSES,
        warm: bool = True,
    ) -> None:
        """Run exactly these workers, and warm them up if they are new, unless ``warm`` is false."""
        if self._writer == (wanted := f"{writer} {machines} {processes}"):
            return
        self.rest()
        for number in range(machines):
            self.workers.append(self._start(writer, number, processes))
        await_true(lambda: all(each.ready for each in self.workers), "All workers are ready")
        self._writer = wanted
        if warm:
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
        """Return a meter for all processes that take part."""
        return Meter((*self._own_groups(), *_groups_of(self.server.pid)))

    def reset_peaks(self) -> None:
        """Reset the peaks of all processes."""
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
        environment |= self._environment
        environment |= {WRITER_SETTING.upper(): writer, "LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        command = list(WORKERS)
        command[command.index("--processes") + 1] = str(processes)
        command[command.index("--threads") + 1] = str(PARTS_AT_A_TIME[writer])
        log = self._folder / f"workers-{next(self._starts)}.log"
        return Workers(self._running.enter_context(started(command, environment, log)), processes)


@contextlib.contextmanager
def running_importer(
    server: Server, folder: Path, module: str, environment: Mapping[str, str]
) -> Iterator[Importer]:
    """Run the service by ``module``; ``Importer.work`` starts workers with the same settings.

    All logs are in a new folder below ``folder``: the log of workers shows when they are ready, so
    it must not have lines of workers that an earlier scenario has started.
    """
    folder = Path(tempfile.mkdtemp(prefix="importer-", dir=folder))
    log = folder / f"{module}-{free_port()}.log"
    with service({**server.env, **environment}, log, module=module) as (url, process):
        importer = Importer(server, url, process, folder, environment)
        try:
            yield importer
        finally:
            importer.rest()


def _groups_of(pid: int | None) -> Iterator[Group]:
    """Return the process groups of an embedded stack, whose gateway is also its Storage."""
    if pid is None:
        return
    stack = psutil.Process(pid)
    postgrest, postmaster = named(stack, "postgrest"), named(stack, "postgres")
    yield Group("PostgREST", lambda: [postgrest], CORES)
    yield Group("Postgres", lambda: tree(postmaster), CORES)
    yield Group("Storage and gateway", lambda: [stack], with_ended=False)

"""A worker process from its start to its end, as a middleware of dramatiq."""

import gc
import os
import sys
import threading
import time

import structlog
from dramatiq import Broker, Middleware, Worker

from config.logging import configure_logging
from config.settings import Settings, SettingsError
from core.errors import SelfCheckError
from core.self_check import run_self_check
from tasks.queue.connections import DeferredPool, connection_arguments
from tasks.queue.parent_watchdog import end_with_master
from tasks.services import Services

log = structlog.stdlib.get_logger(__name__)

EXIT_UNFIT = 2
EXIT_FORCED = 3
_STOP_SECONDS = 25.0
_HAND_BACK_SECONDS = 5.0
_RECURSION_LIMIT = 3_000
_GC_THRESHOLD = 5_000


class Runtime(Middleware):
    """Reads the settings, makes the clients, and closes them in the end.

    It has to be the first middleware: at a process's start the last one comes first, and dramatiq's
    Prometheus must have chosen its folder before our metrics are made.
    """

    def __init__(self, pool: DeferredPool) -> None:
        self._pool = pool
        self._stopping = threading.Event()
        self._settings: Settings | None = None
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """What this process can do."""
        if self._services is None:
            raise RuntimeError("this is no worker process: nothing was read from the environment")
        return self._services

    @property
    def settings(self) -> Settings:
        """What the process was told by the environment."""
        if self._settings is None:
            raise RuntimeError("this is no worker process: nothing was read from the environment")
        return self._settings

    def sweep(self) -> None:
        """Look for what a crash left behind, if it is this process's turn."""
        self.services.sweep.take_turn()

    def after_process_boot(self, _broker: Broker) -> None:
        """Become able to work; ends the process if a setting is wrong or Python would spoil data.

        dramatiq would only log an exception here and go on with a worker that can do nothing.
        """
        try:
            self._boot()
        except (SelfCheckError, SettingsError) as error:
            print(error, file=sys.stderr, flush=True)
            raise SystemExit(EXIT_UNFIT) from None
        except Exception:
            log.exception("worker cannot start")
            raise SystemExit(1) from None

    def before_worker_boot(self, _broker: Broker, worker: Worker) -> None:
        """Take no more messages than can soon be worked on, so that idle machines get them."""
        worker.queue_prefetch = worker.worker_threads + 1
        self._pool.open(connection_arguments(self.settings), worker.worker_threads)

    def before_worker_shutdown(self, _broker: Broker, _worker: Worker) -> None:
        """Have what is in work handed back; end also if the database does not answer.

        An exception that is raised in the threads, as dramatiq's ShutdownNotifications does, could
        come anywhere: also between the begin of an attempt and the place that would hand it back.
        """
        self._stopping.set()
        self._pool.stop_waiting()
        threading.Thread(target=_end_by_force, name="end", daemon=True).start()

    def after_worker_shutdown(self, _broker: Broker, _worker: Worker) -> None:
        """Hand back what threads that do not end have in work, and close what is open."""
        # In a thread, so that a database that does not answer is not waited for.
        rest = threading.Thread(target=self.services.import_part.hand_back_rest, daemon=True)
        rest.start()
        rest.join(_HAND_BACK_SECONDS)
        self.services.close()
        self._pool.close()

    def _boot(self) -> None:
        end_with_master()
        run_self_check()
        self._settings = Settings.from_environment()
        connection_arguments(self._settings)
        configure_logging(self._settings)
        # What the service could read, this must be able to read, however deep its call stack was.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
        # A batch of rows is thousands of lists, none of them in a cycle: to look through them each
        # time there are 700 more takes a third of the time of reading CSV.
        gc.set_threshold(_GC_THRESHOLD)
        from tasks.metrics import PrometheusMetrics  # noqa: PLC0415 -- see there

        self._services = Services.from_settings(self._settings, PrometheusMetrics(), self._stopping)


def _end_by_force() -> None:
    """End a process that a server which neither answers nor hangs up keeps from ending.

    dramatiq bounds its wait for threads, but not what it tells the queue after that. Nothing is
    lost: the sessions end with the process, and others find what it had in work.
    """
    time.sleep(_STOP_SECONDS)
    log.error("not stopped in time: the process ends without handing back its work")
    os._exit(EXIT_FORCED)

"""The life of a worker process, from its start to its end, as a dramatiq middleware."""

import gc
import os
import sys
import threading
import time
from typing import Final

import structlog
from dramatiq import Broker, Middleware, Worker

from config.logging import configure_logging
from config.settings import Settings, SettingsError
from core.errors import SelfCheckError
from core.self_check import run_self_check
from tasks.errors import EXIT_UNFIT
from tasks.queue.connections import DeferredPool, connection_arguments
from tasks.queue.lanes import threads_by_queue
from tasks.queue.parent_watchdog import stop_with_parent
from tasks.services import Services

log = structlog.stdlib.get_logger(__name__)

EXIT_FORCED: Final = 3
_STOP_SECONDS: Final = 25.0
_HAND_BACK_SECONDS: Final = 5.0
_RECURSION_LIMIT: Final = 3_000
_GC_THRESHOLD: Final = 5_000
_NOT_BOOTED: Final = "this is not a worker process: no setting was read"


class Runtime(Middleware):
    """Reads the settings, makes the services and closes them.

    It has to be the first middleware. When a process starts, dramatiq calls the last one first, and
    MessageMetrics has to set the metrics' folder before any metric is created.
    """

    def __init__(self, pool: DeferredPool) -> None:
        self._pool = pool
        self._stopping = threading.Event()
        self._settings: Settings | None = None
        self._worker: Worker | None = None
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """What this process can do; raises RuntimeError outside a worker process."""
        if self._services is None:
            raise RuntimeError(_NOT_BOOTED)
        return self._services

    @property
    def settings(self) -> Settings:
        """The settings of this process; raises RuntimeError outside a worker process."""
        if self._settings is None:
            raise RuntimeError(_NOT_BOOTED)
        return self._settings

    def sweep(self) -> None:
        """Do the sweeps that are due; raises UpstreamError."""
        self.services.sweep.run_if_due()

    def after_process_boot(self, _broker: Broker) -> None:
        """Make the services; ends the process if a setting is wrong or this Python is unusable.

        dramatiq would only log an exception, and continue with a worker that can do nothing.
        """
        try:
            self._boot()
        except (SelfCheckError, SettingsError) as error:
            print(error, file=sys.stderr, flush=True)
            raise SystemExit(EXIT_UNFIT) from None
        except Exception:
            log.exception("worker cannot start")
            raise SystemExit(1) from None

    def _boot(self) -> None:
        stop_with_parent()
        run_self_check()
        self._settings = Settings.from_environment()
        connection_arguments(self._settings)  # raises SettingsError
        configure_logging(self._settings)
        # Records that the service could parse must not be nested too deeply for a worker, whose
        # call stack is deeper.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
        # A batch of rows is thousands of lists without cycles. With the default threshold, looking
        # for cycles among them takes a third of the time of reading CSV.
        gc.set_threshold(_GC_THRESHOLD)
        from tasks.metrics import Metrics  # noqa: PLC0415 -- its docstring says why

        self._services = Services.from_settings(self._settings, Metrics(), self._stopping)

    def before_worker_boot(self, _broker: Broker, worker: Worker) -> None:
        """Open the queue's pool when the first worker of the process starts, for all of them."""
        if self._worker is None:
            self._worker = worker
            threads = threads_by_queue(worker)
            self._pool.open(
                connection_arguments(self.settings),
                queues=len(threads),
                threads=sum(threads.values()),
            )

    def before_worker_shutdown(self, _broker: Broker, worker: Worker) -> None:
        """Ask the threads to hand back their work, and make sure that the process ends.

        They check an event. dramatiq's ShutdownNotifications raises an exception in the threads
        instead, which could come anywhere: also after an attempt was started and before the code
        that would hand it back.
        """
        if worker is not self._worker:
            return
        self._stopping.set()
        self._pool.stop_waiting()
        threading.Thread(target=_end_by_force, name="end-by-force", daemon=True).start()

    def after_worker_shutdown(self, _broker: Broker, worker: Worker) -> None:
        """Hand back the work of threads that have not ended, and close all connections."""
        if worker is not self._worker:
            return
        # In a thread, since the database may not answer.
        rest = threading.Thread(target=self.services.import_part.hand_back_all, daemon=True)
        rest.start()
        rest.join(_HAND_BACK_SECONDS)
        self.services.close()
        self._pool.close()


def _end_by_force() -> None:
    """End a process that waits for a server which neither answers nor closes the connection.

    dramatiq limits its wait for threads, but not its calls of the queue after that. Nothing is
    lost: the database sessions end with the process, and other workers find its messages.
    """
    time.sleep(_STOP_SECONDS)
    log.error("not stopped in time: the process ends without handing back its work")
    os._exit(EXIT_FORCED)

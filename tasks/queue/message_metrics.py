"""Measures the messages of a worker process, and has the metrics of all processes served.

It takes the place of dramatiq's own middleware, whose metrics have another prefix and milliseconds.
"""

import os
import time
from typing import TYPE_CHECKING, Any

from dramatiq import Broker, MessageProxy, Middleware
from dramatiq.middleware import prometheus

from tasks.queue.metrics_folder import enter_own_folder
from tasks.queue.metrics_server import serve_metrics

if TYPE_CHECKING:
    from tasks.metrics import Metrics


class MessageMetrics(Middleware):
    """Counts messages and measures how long they take.

    It has to be the last middleware. When a process starts, dramatiq calls the last one first, and
    the metrics' folder has to be set before any metric is created.
    """

    def __init__(self) -> None:
        self._metrics: Metrics | None = None
        self._started: dict[str, float] = {}

    @property
    def forks(self) -> list[object]:
        """Functions that dramatiq runs in processes of their own; it finds them by their names."""
        return [serve_metrics]

    def after_process_boot(self, _broker: Broker) -> None:
        """Set the folder of the metrics, then make the metrics."""
        enter_own_folder()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = prometheus.DB_PATH
        from tasks.metrics import Metrics  # noqa: PLC0415 -- its docstring says why

        self._metrics = Metrics()

    def before_process_message(self, _broker: Broker, message: MessageProxy) -> None:
        """Start to measure."""
        self._started[message.message_id] = time.monotonic()

    def after_process_message(
        self,
        _broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401, ARG002 -- dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Count the message, which is queued again if its actor has raised."""
        started = self._started.pop(message.message_id, None)
        if self._metrics is not None and started is not None:
            self._metrics.message_processed(
                message.queue_name,
                message.actor_name,
                time.monotonic() - started,
                queued_again=exception is not None,
            )

"""The delay of a message that has to be tried again: the backoff, or a named time if longer."""

from typing import Any

from dramatiq import Broker, MessageProxy
from dramatiq.common import compute_backoff
from dramatiq.errors import Retry
from dramatiq.middleware import Retries


class RetryNoSoonerError(Retry):
    """Requeues the message after ``delay``, or after its backoff if that is longer."""

    def __init__(self, message: str, delay: int) -> None:
        """``delay`` is in milliseconds."""
        super().__init__(message, delay)  # type: ignore[no-untyped-call]
        self.delay: int = delay


class BackingOffRetries(Retries):
    """dramatiq's Retries, whose backoff cannot be shortened by the time that an upstream names.

    Otherwise ``Retry-After: 0`` would use up all tries of a part within a short time.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401
        exception: BaseException | None = None,
    ) -> None:
        """Queue the message again if its actor raised."""
        if isinstance(exception, RetryNoSoonerError):
            exception.delay = max(exception.delay, self._backoff(broker, message))
        super().after_process_message(  # type: ignore[no-untyped-call]
            broker, message, result=result, exception=exception
        )

    def _backoff(self, broker: Broker, message: MessageProxy) -> int:
        """Milliseconds; computed as dramatiq does."""
        options = {**broker.get_actor(message.actor_name).options, **message.options}
        factor = options.get("min_backoff", self.min_backoff)
        most = options.get("max_backoff", self.max_backoff)
        retries = options.get("retries", 0)
        return int(compute_backoff(retries, factor=factor, max_backoff=most)[1])

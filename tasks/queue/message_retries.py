"""The delay before a message is processed again: the backoff, or a named time if that is longer."""

from typing import Any

from dramatiq import Broker, MessageProxy
from dramatiq.common import compute_backoff
from dramatiq.errors import Retry
from dramatiq.middleware import Retries


class RetryNoSoonerError(Retry):
    """Raised by an actor to be called again after ``delay``, or after the backoff if longer."""

    def __init__(self, message: str, delay: int) -> None:
        """``delay`` is in milliseconds."""
        super().__init__(message, delay)  # type: ignore[no-untyped-call]
        self.delay: int = delay


class BackingOffRetries(Retries):
    """dramatiq's Retries with the backoff as a lower limit for RetryNoSoonerError.

    Otherwise an upstream that sends ``Retry-After: 0`` would use up all retries of a part at once.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401
        exception: BaseException | None = None,
    ) -> None:
        """Queue the message again if its actor has raised."""
        if isinstance(exception, RetryNoSoonerError):
            exception.delay = max(exception.delay, self._backoff(broker, message))
        super().after_process_message(  # type: ignore[no-untyped-call]
            broker, message, result=result, exception=exception
        )

    def _backoff(self, broker: Broker, message: MessageProxy) -> int:
        """The backoff in milliseconds, computed as dramatiq's Retries does."""
        options = {**broker.get_actor(message.actor_name).options, **message.options}
        factor = options.get("min_backoff", self.min_backoff)
        longest = options.get("max_backoff", self.max_backoff)
        retries = options.get("retries", 0)
        return int(compute_backoff(retries, factor=factor, max_backoff=longest)[1])

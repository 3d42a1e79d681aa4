"""Traces: what a request led to, in the service and later in the workers (OpenTelemetry).

They are off unless the settings name a collector. Then nothing of OpenTelemetry is imported, and
the methods of ``Traces`` do nothing.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, TypeAlias

from config.settings import Settings

Attributes: TypeAlias = Mapping[str, str | int]
SpanKind: TypeAlias = Literal["internal", "server", "producer", "consumer"]
Exceptions: TypeAlias = tuple[type[BaseException], ...]

JOB_ID: Final = "contacts_importer.job_id"
OUTCOME: Final = "contacts_importer.outcome"
"""Names of attributes that several spans have."""

_NO_SPAN: Final = nullcontext()


class Traces:
    """Makes spans; this class makes none, since traces are off.

    Attributes and reasons must have nothing of a client's data: no addresses, names, sources or
    messages of other programs.
    """

    def span(  # noqa: PLR0913 -- everything that a span begins with
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        start: int | None = None,
        attributes: Attributes | None = None,
        expected: Exceptions = (),
    ) -> AbstractContextManager[None]:
        """Return a context that is one span, during which all log lines have its ``trace_id``.

        It is a child of the span that runs, or of ``parent``, a ``traceparent`` of W3C Trace
        Context; with neither, or one that is invalid, it begins a trace. It began at ``start``
        (``time.time_ns()``) if that is given. An exception that ends it makes it an error, unless
        it is ``expected``.
        """
        del name, kind, parent, start, attributes, expected
        return _NO_SPAN

    def annotate(self, attributes: Attributes) -> None:
        """Add attributes to the span that runs."""

    def fail(self, reason: str) -> None:
        """Make the span that runs an error; the first reason counts."""

    def traceparent(self) -> str | None:
        """Return the ``traceparent`` of the span that runs, for messages; None without a span."""
        return None

    def close(self, seconds: float) -> None:
        """Send what was not sent yet, for at most so many seconds."""


NO_TRACES: Final = Traces()


def start_traces(settings: Settings, process: str) -> Traces:
    """Return what makes spans, for ``process``: ``web`` or ``worker``.

    Starts a thread that sends them, so call it in the process that is to make them.
    """
    url = settings.traces_url
    if url is None:
        return NO_TRACES
    # Takes a tenth of a second and some MiB.
    from config.open_telemetry import OpenTelemetry  # noqa: PLC0415

    return OpenTelemetry.to_collector(url, f"contacts-importer-{process}")

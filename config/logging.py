"""Structured logs on standard error: readable on a terminal, one line of JSON per event elsewhere.

Log lines of libraries get the same format. Ids that are bound with
``structlog.contextvars.bound_contextvars`` appear in every line of the work that they identify.

Log lines and the messages of exceptions can contain text of clients and of Supabase. It cannot end
a line, control a terminal or reverse the direction of text: JSON escapes it, and the console shows
it as Python's ``repr`` would. Tracebacks show no variables, and secrets are replaced in every line.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from config.settings import API_KEY_PREFIX, Settings

_VERBOSE_LIBRARIES: Final = (
    "httpx", "httpcore", "hpack", "dramatiq_pg", "aiohttp.access", "urllib3",
)  # fmt: skip
_SHORTEST_SECRET: Final = 8
"""Characters; replacing shorter secrets would make all lines unreadable."""
_API_KEY: Final = rf"{API_KEY_PREFIX}[\w-]+"
"""Clients' keys are not known here, but they all begin alike."""
_RECOGNISABLE: Final = 16
"""Characters by which a longer secret is recognised if a line has only its start."""


def configure_logging(settings: Settings) -> None:
    """Send our log lines and those of libraries to standard error; replaces all handlers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _SecretFilter(
            settings.secrets(),
            foreign_pre_chain=_event_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_render_processors(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_event_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_uncaught


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    cause = (kind, error, trace)
    logging.getLogger(__name__).critical("uncaught exception", exc_info=cause)


def _event_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _render_processors(settings: Settings) -> list[Processor]:
    is_terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
    if settings.log_format == "console" or (settings.log_format == "auto" and is_terminal):
        renderer = structlog.dev.ConsoleRenderer(
            colors=is_terminal, repr_native_str=True, exception_formatter=_write_traceback
        )
        return [_make_event_printable, renderer]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


class _SecretFilter(structlog.stdlib.ProcessorFormatter):
    """Replaces secrets in finished lines, wherever they come from."""

    def __init__(self, secrets: Iterable[str], **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._secret = re.compile("|".join([*_secret_patterns(secrets), _API_KEY]))

    def format(self, record: logging.LogRecord) -> str:
        return self._secret.sub("[secret]", super().format(record))


def _secret_patterns(secrets: Iterable[str]) -> list[str]:
    """Patterns for each secret, as it is and as JSON and Python escape it, and for its start."""
    escaped = {
        form
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])
    }
    whole = [re.escape(form) for form in sorted(escaped, key=len, reverse=True)]
    truncated = [
        f"{re.escape(form[:_RECOGNISABLE])}[^\\s\"'\\\\]*"
        for form in escaped
        if len(form) > _RECOGNISABLE
    ]
    return whole + truncated


def _to_json(event: EventDict, **options: Any) -> str:  # noqa: ANN401
    """Return JSON in ASCII; DEL is the one control character that JSON does not escape."""
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


def _make_event_printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape the event's text, which the console shows as it is (it shows values by ``repr``)."""
    event["event"] = _printable(str(event["event"]))
    return event


def _write_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Write an indented traceback, so that no line of a message looks like a log line."""
    lines = "".join(traceback.format_exception(*exc_info)).splitlines()
    out.writelines(f"\n    {_printable(line)}" for line in lines)


def _printable(text: str) -> str:
    """Escape what does not print, such as control characters and bidirectional overrides."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

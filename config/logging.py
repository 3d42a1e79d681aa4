"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else.

Lines of the libraries take the same way. Ids that are bound with
``structlog.contextvars.bound_contextvars`` stand in every line of the work they name.

Text of clients and of Supabase comes into lines, and into the messages of exceptions. It cannot end
a line, steer a terminal or turn the text around: JSON escapes it, for people it is shown as Python
would write it. Tracebacks never show variables, and wherever a secret would still appear, it is
blotted out.
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

from config.settings import Settings

_CHATTY: Final = ("httpx", "httpcore", "hpack", "dramatiq_pg", "aiohttp.access")
_SHORTEST_SECRET: Final = 8
"""Characters; to blot out shorter ones would spoil every line."""
_TELLING: Final = 16
"""Characters by which a longer secret is known even if the line has only its beginning."""


def configure_logging(settings: Settings) -> None:
    """Send our lines and those of the libraries to standard error, replacing what was set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _SecretFilter(
            settings.secrets(),
            foreign_pre_chain=_before(),
            processors=[_without_meta, *_rendering(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_before(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_end


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends the process is told like all else."""
    cause = (kind, error, trace)
    logging.getLogger(__name__).critical("ended in a way that was not foreseen", exc_info=cause)


class _SecretFilter(structlog.stdlib.ProcessorFormatter):
    """The last line of defence: whatever a line is about, it tells no secret."""

    def __init__(self, secrets: Iterable[str], **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._secret = re.compile("|".join(_patterns(secrets)) or "(?!)")

    def format(self, record: logging.LogRecord) -> str:
        return self._secret.sub("[secret]", super().format(record))


def _patterns(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is and as JSON or Python write it; or a long one's beginning, cut short."""
    long = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
    written = {form for one in long for form in (one, json.dumps(one)[1:-1], repr(one)[1:-1])}
    whole = [re.escape(form) for form in sorted(written, key=len, reverse=True)]
    cut = [
        f"{re.escape(form[:_TELLING])}[^\\s\"'\\\\]*" for form in written if len(form) > _TELLING
    ]
    return whole + cut


def _before() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(settings: Settings) -> list[Processor]:
    terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
    if settings.log_format == "console" or (settings.log_format == "auto" and terminal):
        renderer = structlog.dev.ConsoleRenderer(
            colors=terminal, repr_native_str=True, exception_formatter=_write_traceback
        )
        return [_event_printable, renderer]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_json),
    ]


def _json(event: EventDict, **options: Any) -> str:  # noqa: ANN401
    """In ASCII; DEL is the one control character that JSON lets pass."""
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


def _event_printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The console shows values by their repr(), but the event as it is."""
    event["event"] = _printable(str(event["event"]))
    return event


def _write_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Indented, so that no line of an exception's message looks like one of the log."""
    lines = "".join(traceback.format_exception(*exc_info)).splitlines()
    out.writelines(f"\n    {_printable(line)}" for line in lines)


def _printable(text: str) -> str:
    """All that does not print as Python would write it: control characters, bidi overrides, ..."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


_without_meta: Final = structlog.stdlib.ProcessorFormatter.remove_processors_meta

"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else.

Lines of the libraries take the same way. Ids that are bound with
``structlog.contextvars.bound_contextvars`` stand in every line of the work they name.
"""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import Processor

from config.settings import Settings

_CHATTY: Final = ("httpx", "httpcore", "hpack", "dramatiq_pg", "aiohttp.access")


def configure_logging(settings: Settings) -> None:
    """Send our lines and those of the libraries to standard error, replacing what was set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_before(), processors=[_without_meta, *_rendering(settings)]
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
        return [structlog.dev.ConsoleRenderer(colors=terminal)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


_without_meta: Final = structlog.stdlib.ProcessorFormatter.remove_processors_meta

"""Query parameters and links of lists that are returned one page at a time."""

from collections.abc import Mapping

from aiohttp import web
from multidict import MultiMapping

from service.problems import ProblemError


def single(query: "MultiMapping[str]", name: str) -> str | None:
    """Return the value of a query parameter, None if it is absent or empty.

    Raises ProblemError (``{name}_invalid``) if it is given more than once.
    """
    values = query.getall(name, [])
    if len(values) > 1:
        raise ProblemError(f"{name}_invalid", f"Give {name} once.")
    return values[0] or None if values else None


def parse_number(text: str, *, max_digits: int) -> int:
    """Return the number written in ASCII digits; 0 if the text is anything else or too long."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= max_digits else 0


def page_limit(query: "MultiMapping[str]", *, maximum: int, default: int) -> int:
    """Return the requested page size, ``default`` if there is none.

    Raises ProblemError (``limit_invalid``) unless it is a number from 1 to ``maximum``.
    """
    text = single(query, "limit")
    if text is None:
        return default
    limit = parse_number(text, max_digits=9)
    if not 1 <= limit <= maximum:
        raise ProblemError("limit_invalid", f"The limit is a number from 1 to {maximum}.")
    return limit


def link_to(request: web.Request, cursor: str) -> str:
    """Return the ``Link`` header (RFC 8288) of the next page, which begins after ``cursor``."""
    query: Mapping[str, str] = {**request.query, "cursor": cursor}
    return f'<{request.rel_url.with_query(query)}>; rel="next"'

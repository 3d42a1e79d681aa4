"""Lists that come a page at a time: how long a page is, and where the next one is found."""

from collections.abc import Mapping

from aiohttp import web
from multidict import MultiMapping

from service.problems import ProblemError


def single(query: "MultiMapping[str]", name: str) -> str | None:
    """The value of a query parameter, None if there is none or it is empty.

    Raises ProblemError if it is given twice.
    """
    values = query.getall(name, [])
    if len(values) > 1:
        raise ProblemError(f"{name}_invalid", f"Give {name} once.")
    return values[0] or None if values else None


def number_in(text: str, *, longest: int) -> int:
    """The number that so many digits at most are; 0 if the text is anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= longest else 0


def page_limit(query: "MultiMapping[str]", *, most: int, usual: int) -> int:
    """How many entries a page shall have; raises ProblemError unless that is 1 to ``most``."""
    text = single(query, "limit")
    if text is None:
        return usual
    limit = number_in(text, longest=9)
    if not 1 <= limit <= most:
        raise ProblemError("limit_invalid", f"The limit is a number from 1 to {most}.")
    return limit


def link_to(request: web.Request, cursor: str) -> str:
    """A ``Link`` header to the next page (RFC 8288), with all else as it was asked for."""
    query: Mapping[str, str] = {**request.query, "cursor": cursor}
    return f'<{request.rel_url.with_query(query)}>; rel="next"'

"""Query parameters and links of lists that are returned one page at a time."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeVar

from aiohttp import web
from multidict import MultiMapping

from service.problems import ProblemError

T = TypeVar("T")

MAX_PAGE_BYTES: Final = 256 * 1024
"""Bytes of content after which a page ends, whatever its limit is: many clients read slowly."""
_WRITE_BYTES: Final = 64 * 1024
PAGES_AT_ONCE: Final = 4
"""Pages that are read and encoded at a time; others wait, and take no memory meanwhile."""


def that_fit(rows: Sequence[T], limit: int, size_of: Callable[[T], int]) -> Sequence[T]:
    """Return the first ``limit`` rows, or fewer if they are larger than a page; at least one."""
    sizes = accumulate(map(size_of, rows[:limit]))
    fitting = sum(1 for size in sizes if size <= MAX_PAGE_BYTES)
    return rows[: max(1, fitting)]


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


async def send_slowly(
    request: web.Request, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send the JSON of a page in pieces, so that little of it is copied if nobody reads it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
    response.content_length = len(body)
    await response.prepare(request)
    if request.method != "HEAD":
        content = memoryview(body)
        for start in range(0, len(content), _WRITE_BYTES):
            await response.write(content[start : start + _WRITE_BYTES])
    await response.write_eof()
    return response

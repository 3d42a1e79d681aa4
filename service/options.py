"""What a request asks for beside its contacts: a dry run, and to be the same as an earlier one.

The header is that of draft-ietf-httpapi-idempotency-key-header: a string as structured fields have
it (RFC 9651, 3.3.3). Most clients leave the quotes out, so that is taken too.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web

from service.problems import Problem

_KEY: Final = "Idempotency-Key"
MAX_KEY: Final = 255
_ESCAPED: Final = re.compile(r'\\(["\\])')
_quoted: Final = re.compile(r' *"((?:[!#-\[\]-~]|\\["\\])+)" *', re.ASCII).fullmatch
# What could be two headers in one, or a parameter, is no key.
_bare: Final = re.compile(r" *([!#-+\--:<-\[\]-~]+) *", re.ASCII).fullmatch
_TOLD_APART: Final = {"source", "dryRun"}
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Options:
    """As the address and the headers of one request have it."""

    key: str | None = None
    """Of all requests with the same one, the first that is accepted makes an import."""
    dry_run: bool = False
    """Whether everything shall be done but to insert the contacts."""
    asked: tuple[str, ...] = ()
    """All else that decides what becomes of the same bytes, in a fixed order."""
    notify: str | None = None
    """The address to tell of the import's end."""

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """Raises Problem if they make no sense."""
        return cls(_key(request), _dry_run(request), _asked(request))


def _key(request: web.Request) -> str | None:
    values = request.headers.getall(_KEY, [])
    if not values:
        return None
    key = _plain(values[0])
    if len(values) > 1 or not 0 < len(key) <= MAX_KEY:
        raise Problem(
            "idempotency_key_invalid",
            f"Send one {_KEY} of 1 to {MAX_KEY} visible ASCII characters, in quotes, such as "
            '"8e03978e-40d5-43dd-bc93-6894a57f9324".',
        )
    return key


def _plain(value: str) -> str:
    """What the header says; empty if it says nothing that can be a key."""
    if found := _quoted(value):
        return _ESCAPED.sub(r"\1", found[1])
    found = _bare(value)
    return found[1] if found else ""


def _asked(request: web.Request) -> tuple[str, ...]:
    address = (pair for pair in request.query.items() if pair[0] not in _TOLD_APART)
    encoding = request.headers.get("Content-Encoding", "")
    return (
        *(f"{name}={value}" for name, value in sorted(address)),
        request.charset or "",
        encoding,
    )


def _dry_run(request: web.Request) -> bool:
    values = request.query.getall("dryRun", ["false"])
    if len(values) > 1 or values[0] not in _TRUTHS:
        raise Problem("dry_run_invalid", "dryRun must be true or false.")
    return _TRUTHS[values[0]]

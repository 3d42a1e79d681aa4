"""What a request asks for beside its contacts: a dry run, and to be the same as an earlier one.

The header is that of draft-ietf-httpapi-idempotency-key-header: a string as structured fields have
it (RFC 9651, 3.3.3). Most clients leave the quotes out, so that is taken too.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web
from multidict import MultiMapping

from service.options import IMPORT_OPTIONS, check_source, refuse_unknown
from service.problems import ProblemError

_KEY: Final = "Idempotency-Key"
MAX_KEY: Final = 255
_ESCAPED: Final = re.compile(r'\\(["\\])')
_quoted: Final = re.compile(r' *"((?:[!#-\[\]-~]|\\["\\])+)" *', re.ASCII).fullmatch
# What could be two headers in one, or a parameter, is no key.
_bare: Final = re.compile(r" *([!#-+\--:<-\[\]-~]+) *", re.ASCII).fullmatch
_TOLD_APART: Final = {"source", "dryRun"}
_TRUTHS: Final = {"true": True, "false": False}


class GivenOptions:
    """The values of a request's options, from its address and from the fields of its form."""

    def __init__(self, query: "MultiMapping[str]") -> None:
        """Raises MalformedInputError if the address has an option that is not known."""
        refuse_unknown(query, IMPORT_OPTIONS, "query parameter")
        self._values = {name: query.getall(name, []) for name in IMPORT_OPTIONS}

    def add(self, name: str, value: str) -> None:
        """Take the value of a form's field."""
        self._values[name].append(value)

    def __getitem__(self, name: str) -> list[str]:
        """All values of an option; an empty address to notify is none."""
        return [value for value in self._values[name] if value or name != "notify"]

    def source(self) -> str | None:
        """The source, None if it is not given.

        Raises ProblemError if it is given twice, and MalformedInputError if it cannot be used.
        """
        values = self["source"]
        if len(values) > 1:
            raise ProblemError(
                "duplicate_key", "Give the source once, in the address or in one field of the form."
            )
        return check_source(values[0]) if values else None

    def dry_run(self) -> bool:
        """Whether a dry run is asked for; raises ProblemError if that is not clear."""
        values = self["dryRun"] or ["false"]
        if len(values) > 1 or values[0] not in _TRUTHS:
            raise ProblemError("dry_run_invalid", "Give dryRun once, as true or false.")
        return _TRUTHS[values[0]]

    def told_apart(self) -> list[str]:
        """All that is given, in a fixed order, but for what the fingerprint has by itself."""
        return [
            f"{name}={value}"
            for name in sorted(IMPORT_OPTIONS)
            if name not in _TOLD_APART
            for value in sorted(self[name])
        ]


@dataclass(frozen=True, slots=True)
class Options:
    """What one request asks for."""

    key: str | None = None
    """Of all requests with the same one, the first that is accepted makes an import."""
    dry_run: bool = False
    """Whether everything shall be done but to insert the contacts."""
    asked: tuple[str, ...] = ()
    """All else that decides what becomes of the same bytes, in a fixed order."""
    notify: str | None = None
    """The address to tell of the import's end."""

    @classmethod
    def of(cls, request: web.Request, given: GivenOptions) -> Self:
        """Raises ProblemError if they make no sense."""
        return cls(_key(request), given.dry_run(), _asked(request, given))


def _key(request: web.Request) -> str | None:
    values = request.headers.getall(_KEY, [])
    if not values:
        return None
    key = _plain(values[0])
    if len(values) > 1 or not 0 < len(key) <= MAX_KEY:
        raise ProblemError(
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


def _asked(request: web.Request, given: GivenOptions) -> tuple[str, ...]:
    encoding = request.headers.get("Content-Encoding", "")
    return (*given.told_apart(), request.charset or "", encoding)

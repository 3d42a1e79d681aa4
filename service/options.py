"""The options that requests may give; any other is refused, since ignoring it could do harm."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from core.errors import MalformedInputError
from core.job_view import MAX_SOURCE_LENGTH

IMPORT_OPTIONS: Final = ("source", "dryRun", "delimiter", "map", "notify")
"""Of ``POST /import``, as query parameters and as fields of a form."""

_STEMS: Final = ("dry", "delim", "map", "notif")
_NEAR: Final = 0.8
_SHOWN: Final = 40
_NO_SOURCE: Final = [name.casefold() for name in IMPORT_OPTIONS if name != "source"]
_SEPARATORS: Final = re.compile(r"[\s_.-]+")


def refuse_unknown(names: Iterable[str], known: Sequence[str], what: str) -> None:
    """Raise MalformedInputError (``unknown_option``) for the first name that is not a known one.

    ``what`` is what the names are, for the message.
    """
    for name in names:
        if name not in known:
            meant = _nearest(name, known)
            hint = f' Did you mean "{meant}"?' if meant else ""
            listed = f"Known are {', '.join(known)}." if known else "There are none here."
            raise _unknown(name, f'"{_shown(name)}" is not a known {what}.{hint} {listed}')


def refuse_option_like(key: str, *, closely: bool = True) -> None:
    """Raise MalformedInputError (``unknown_option``) for a key of a JSON body that looks like an option.

    Other keys beside ``source`` and ``data`` are a client's own metadata, which may pass. Without
    ``closely`` only a key that begins like an option is refused, which takes far less time.
    """
    if not is_option_like(key, closely=closely):
        return
    raise _unknown(
        key,
        f'"{_shown(key)}" in the body would be ignored. A JSON body holds "source" and "data"; '
        "give options in the address, such as /import?dryRun=true. "
        f"Known are {', '.join(IMPORT_OPTIONS)}.",
    )


def is_option_like(key: str, *, closely: bool = True) -> bool:
    """Whether a key begins like an option other than ``source``, or is nearly one."""
    plain = _plain(key[:_SHOWN])
    return plain.startswith(_STEMS) or (
        closely and bool(get_close_matches(plain, _NO_SOURCE, 1, _NEAR))
    )


def _nearest(name: str, known: Sequence[str]) -> str | None:
    by_plain = {_plain(each): each for each in known}
    found = get_close_matches(_plain(name[:_SHOWN]), by_plain, 1)
    return by_plain[found[0]] if found else None


def _plain(name: str) -> str:
    """A name without case and separators."""
    return _SEPARATORS.sub("", name).casefold()


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."


def _unknown(name: str, detail: str) -> MalformedInputError:
    return MalformedInputError("unknown_option", detail, param=_shown(name))


def check_source(value: object) -> str:
    """The source if it can be stored and logged; raises MalformedInputError if not."""
    if not isinstance(value, str):
        raise _invalid("The source must be a string.")
    if not value.strip():
        raise _invalid("The source is empty: name where the contacts come from.")
    if len(value) > MAX_SOURCE_LENGTH:
        raise _invalid(f"The source is longer than {MAX_SOURCE_LENGTH} characters.")
    # Control characters (Cc), line and paragraph separators, and half a surrogate pair (Cs).
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in value):
        raise _invalid("The source has control characters.")
    return value


def _invalid(detail: str) -> MalformedInputError:
    return MalformedInputError("source_invalid", detail)

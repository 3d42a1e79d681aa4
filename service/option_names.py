"""The options that requests may have: their names, and what a valid source is.

A request with an unknown option is rejected. If it were ignored, a misspelt ``dryRun`` would import
contacts that nobody wanted to import.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from core.errors import MalformedInputError
from core.job_view import MAX_SOURCE_LENGTH

IMPORT_OPTIONS: Final = (
    *("source", "dryRun", "delimiter", "map", "notify"),
    *("encoding", "header", "email", "name", "keep"),
)
"""Options of ``POST /import``, as query parameters or as fields of a form."""

_MAX_QUOTED_NAME: Final = 40
"""Characters of a client's name that are compared with the known ones and quoted in a problem."""
_SEPARATORS: Final = re.compile(r"[\s_.-]+")
_OPTION_STEMS: Final = ("dry", "delim", "map", "notif")
_SIMILARITY: Final = 0.8
_PLAIN_WORDS: Final = frozenset({"encoding", "header", "email", "keep"})
"""Options with names that a body can have for itself, with other letters around them."""
_METADATA: Final = frozenset({"source", "name"})
"""Keys that a body may have for itself, such as the name of a list."""
_COMPARED_CLOSELY: Final = [
    name.casefold() for name in IMPORT_OPTIONS if name not in _METADATA | _PLAIN_WORDS
]
_INVALID_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
"""Format characters that words need in some scripts, and emojis; others hide or reorder text."""
"""Control characters, lone surrogates, line and paragraph separators."""


def check_option_names(names: Iterable[str], known: Sequence[str], what: str) -> None:
    """Raise MalformedInputError (``unknown_option``) for the first name that is not ``known``.

    ``what`` says what the names are, such as "query parameter", for the error's detail.
    """
    for name in names:
        if name not in known:
            nearest = _nearest(name, known)
            hint = f' Did you mean "{nearest}"?' if nearest else ""
            listed = f"Known are {', '.join(known)}." if known else "There are none here."
            raise _unknown_option(name, f'"{_quoted(name)}" is not a known {what}.{hint} {listed}')


def option_in_body(key: str) -> MalformedInputError:
    """Return the error (``unknown_option``) for a key of a JSON body that resembles an option.

    Other keys beside ``source`` and ``data`` are a client's own metadata, and are allowed.
    """
    return _unknown_option(
        key,
        f'"{_quoted(key)}" in the body would be ignored. A JSON body holds "source" and "data"; '
        f"give options in the address, such as /import?dryRun=true. Known are "
        f"{', '.join(IMPORT_OPTIONS)}.",
    )


def is_option_like(key: str, *, closely: bool = True) -> bool:
    """Return whether a key is an option other than ``source``, begins like one, or is nearly one.

    Without ``closely`` only the beginning is looked at, which takes far less time.
    """
    plain = _normalised(key[:_MAX_QUOTED_NAME])
    if plain in _PLAIN_WORDS or plain.startswith(_OPTION_STEMS):
        return True
    return closely and bool(get_close_matches(plain, _COMPARED_CLOSELY, 1, _SIMILARITY))


def check_source(value: object) -> str:
    """Return the source if it can be stored and logged.

    Raises MalformedInputError (``source_invalid``) if not.
    """
    if not isinstance(value, str):
        raise _invalid_source("The source must be a string.")
    if not value.strip():
        raise _invalid_source("The source is empty: name where the contacts come from.")
    if len(value) > MAX_SOURCE_LENGTH:
        raise _invalid_source(f"The source is longer than {MAX_SOURCE_LENGTH} characters.")
    if any(
        unicodedata.category(char) in _INVALID_CATEGORIES and char not in _JOINERS for char in value
    ):
        raise _invalid_source("The source has control characters or invisible ones.")
    return value


def _nearest(name: str, known: Sequence[str]) -> str | None:
    by_normalised = {_normalised(each): each for each in known}
    matches = get_close_matches(_normalised(name[:_MAX_QUOTED_NAME]), by_normalised, 1)
    return by_normalised[matches[0]] if matches else None


def _normalised(name: str) -> str:
    """Return a name in lower case, without the separators between its words."""
    return _SEPARATORS.sub("", name).casefold()


def _quoted(name: str) -> str:
    return name if len(name) <= _MAX_QUOTED_NAME else f"{name[:_MAX_QUOTED_NAME]}..."


def _unknown_option(name: str, detail: str) -> MalformedInputError:
    return MalformedInputError("unknown_option", detail, param=_quoted(name))


def _invalid_source(detail: str) -> MalformedInputError:
    return MalformedInputError("source_invalid", detail)

"""The name of where contacts come from, as the client gives it."""

import unicodedata

from config.errors import MalformedInput

MAX_SOURCE_LENGTH = 200
"""Characters."""


def check_source(value: object) -> str:
    """The source if it can be stored and logged; raises MalformedInput if not."""
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


def _invalid(detail: str) -> MalformedInput:
    return MalformedInput("source_invalid", detail)

"""Lengths of time as people write them, such as ``12h`` or ``30d``: in settings and in requests."""

import re
from typing import Final

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}
_is_duration = re.compile(r"([0-9]{1,9})([mhd])").fullmatch

MIN_KEPT: Final = 60
"""Seconds for which something that is kept for a time is kept at least."""
MAX_KEPT: Final = 36_500 * 86_400
"""And at most: a hundred years. Without a limit, it is kept for ever."""


def parse_duration(text: str) -> int:
    """Return the seconds that a number of minutes (``m``), hours (``h``) or days (``d``) has.

    Raises ValueError.
    """
    match = _is_duration(text)
    if match is None:
        raise ValueError("must be a number of minutes, hours or days, such as 90m, 12h or 30d")
    return int(match[1]) * _SECONDS[match[2]]

"""Choice of a media type by the ``Accept`` header (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence
from typing import Final

_media_range: Final = re.compile(
    r"\s*([\w.+*-]+)/([\w.+*-]+)\s*(?:;.*?\bq\s*=\s*\"?([01](?:\.\d*)?)\"?.*|;.*)?", re.ASCII
).fullmatch


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """Return the offered media type that the client prefers, the first one if it has no preference.

    Returns None if it accepts none of them. Invalid media ranges are ignored; without a valid one
    the client accepts everything.
    """
    ranges = [match for part in (accept or "").split(",") if (match := _media_range(part))]
    if not ranges:
        return offers[0]
    qualities = {offer: _quality(offer, ranges) for offer in offers}
    best = max(offers, key=lambda offer: qualities[offer])
    return best if qualities[best] > 0 else None


def _quality(offer: str, ranges: Sequence[re.Match[str]]) -> float:
    """Return the quality (``q``) of the most specific range that matches; 0 if none does."""
    kind, _, subtype = offer.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        for match in ranges:
            if (match[1].lower(), match[2].lower()) == wanted:
                return float(match[3]) if match[3] else 1.0
    return 0.0

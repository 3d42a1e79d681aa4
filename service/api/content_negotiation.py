"""Which of the media types on offer a client wants (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence
from typing import Final

_range: Final = re.compile(
    r"\s*([\w.+*-]+)/([\w.+*-]+)\s*(?:;.*?\bq\s*=\s*\"?([01](?:\.\d*)?)\"?.*|;.*)?", re.ASCII
).fullmatch


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """The best of ``offers``, of which the first ones come first; None if none is acceptable.

    What is no media range is passed over; where none is left, anything is acceptable.
    """
    ranges = [found for part in (accept or "").split(",") if (found := _range(part))]
    if not ranges:
        return offers[0]
    wanted = {offer: _quality(offer, ranges) for offer in offers}
    best = max(offers, key=lambda offer: wanted[offer])
    return best if wanted[best] > 0 else None


def _quality(offer: str, ranges: Sequence[re.Match[str]]) -> float:
    """That of the most specific range; 0 if none is for it."""
    kind, _, subtype = offer.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        for found in ranges:
            if (found[1].lower(), found[2].lower()) == wanted:
                return float(found[3]) if found[3] else 1.0
    return 0.0

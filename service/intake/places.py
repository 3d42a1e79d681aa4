"""Who may upload: a limited number of places, of which no slow clients keep the others out."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from service.intake.minimum_rate import BYTES_PER_SECOND, MinimumRate
from service.problems import ProblemError

_SLOW: Final = 20_000
"""Bytes a second of an upload that may be ended for another one when all places are taken."""
_GRACE_SECONDS: Final = 2.0
"""How long the service must have waited for an upload before it counts as slow."""
_SHORT_GRACE_SECONDS: Final = 0.1
"""The same for a client that has more places than the one that asks for one."""
_HIGHEST_FACTOR: Final = 10
"""By how much the minimum rate is higher when all places are taken than when half of them are."""


@dataclass(frozen=True, eq=False, slots=True)
class _Place:
    client: str
    rate: MinimumRate


class UploadPlaces:
    """The places of one service process."""

    def __init__(self, places: int, per_client: int | None) -> None:
        """``per_client`` limits how many one client may take; by default it may take all."""
        self._size = places
        self._per_client = per_client or places
        self._taken: set[_Place] = set()
        self._by_client: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return len(self._taken)

    def check(self, client: str) -> None:
        """Raise ProblemError (``too_many_uploads``) if ``take`` would."""
        self._to_be_ended(client)

    def take(self, client: str, rate: MinimumRate) -> None:
        """Take a place until the current task ends; ``rate`` shows how fast its body arrives.

        If all are taken, the slowest upload of the client with the most places is ended, with the
        problem ``client_too_slow``; if all that this client may take, its own slowest one. Raises
        ProblemError (``too_many_uploads``) if none is slow.
        """
        if (slowest := self._to_be_ended(client)) is not None:
            slowest.rate.cut()
            self._release(slowest)
        place = _Place(client, rate)
        self._taken.add(place)
        self._by_client[client] += 1
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(lambda _: self._release(place))

    def least_rate(self) -> float:
        """Return the minimum rate, which rises when more than half of the places are taken."""
        crowding = max(0.0, 2 * len(self._taken) / self._size - 1)
        return BYTES_PER_SECOND * (1 + (_HIGHEST_FACTOR - 1) * crowding)

    def _to_be_ended(self, client: str) -> _Place | None:
        """Return the upload that has to end so that a client can have a place; None if one is free.

        Raises ProblemError (``too_many_uploads``) if the client can have none.
        """
        held = self._by_client
        if has_its_share := held[client] >= self._per_client:
            candidates = {place for place in self._taken if place.client == client}
        elif len(self._taken) < self._size:
            return None
        else:
            candidates = self._taken
        slow = [place for place in candidates if self._is_slow(place.rate, place.client, client)]
        if not slow:
            share = f"{self._per_client} uploads of yours are running. " if has_its_share else ""
            raise _too_many(f"{share}Send it again in a moment.")
        return min(slow, key=lambda each: (-held[each.client], each.rate.bytes_per_second()))

    def _is_slow(self, rate: MinimumRate, client: str, other: str) -> bool:
        """Return whether a client's upload may be ended for another client's."""
        holds_more = self._by_client[client] > self._by_client[other] + 1
        grace = _SHORT_GRACE_SECONDS if holds_more else _GRACE_SECONDS
        return rate.is_waiting and rate.waited() >= grace and rate.bytes_per_second() < _SLOW

    def _release(self, place: _Place) -> None:
        if place in self._taken:
            self._taken.discard(place)
            self._by_client[place.client] -= 1
            if not self._by_client[place.client]:
                del self._by_client[place.client]


def _too_many(detail: str) -> ProblemError:
    return ProblemError("too_many_uploads", detail, headers={"Retry-After": "1"})

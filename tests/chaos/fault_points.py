"""The moments of the work at which a fault strikes."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import Data
from tests.support.faults import START_PART, Hold

MOMENTS = ["start", "middle", "last"]
LONGEST_PART = 270 * 1024


def each(values: Iterable[Any], *, fast: Collection[Any]) -> list[Any]:
    """All values as parameters; those that are not fast are for `make chaos` only."""

    def marked(one: Any) -> Any:
        several = one if isinstance(one, tuple) else (one,)
        return one if one in fast else pytest.param(*several, marks=pytest.mark.slow)

    return [marked(one) for one in values]


def hold_at(chaos: Chaos, moment: str, data: list[Data], *, lose: bool | None = None) -> Hold:
    """A request of a worker that is held: early, half-way, or near the very end.

    Whether it is held before or after it was done, and whether its answer is lost, is diced.
    """
    rng = chaos.rng
    after, lost = rng.random() < 0.5, rng.random() < 0.5
    parts = sum(max(1, len(one.body) // LONGEST_PART) for one in data)
    stack = chaos.stack
    if moment == "start":
        kind, skip = stack.writes, rng.randint(0, 2)
    elif moment == "middle":
        kind, skip = rng.choice([stack.writes, stack.ends, (START_PART, b"")]), parts // 2
    else:
        kind, skip = stack.ends, parts - 1
    requests, containing = kind
    hold = Hold(
        requests,
        skip=skip,
        containing=containing,
        after=after,
        lose=lost if lose is None else lose,
    )
    stack.proxy.inject(hold)
    return hold

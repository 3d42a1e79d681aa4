"""The points of an import at which a fault is injected."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import Data
from tests.support.faults import START_PART, Hold

MOMENTS = ["start", "middle", "last"]
LONGEST_PART = 270 * 1024
"""Bytes."""


def parameters(values: Iterable[Any], *, fast: Collection[Any]) -> list[Any]:
    """Return all values as pytest parameters; those not in ``fast`` run only in ``make chaos``."""

    def parameter(value: Any) -> Any:
        arguments = value if isinstance(value, tuple) else (value,)
        return value if value in fast else pytest.param(*arguments, marks=pytest.mark.slow)

    return [parameter(value) for value in values]


def hold_at(chaos: Chaos, moment: str, data: list[Data], *, lose: bool | None = None) -> Hold:
    """Hold a request of a worker: an early one, one in the middle, or one near the end.

    Chosen at random: whether it is held before or after it was processed, and, if ``lose`` is None,
    whether its answer is lost.
    """
    rng = chaos.rng
    after, lost = rng.random() < 0.5, rng.random() < 0.5
    parts = sum(max(1, len(data_set.body) // LONGEST_PART) for data_set in data)
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

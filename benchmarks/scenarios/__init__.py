"""The scenarios, by name."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.lab import Lab
from benchmarks.measure import Result
from benchmarks.scenarios import (
    fair,
    importing,
    latency,
    layouts,
    linear,
    many,
    memory,
    scale,
    slow_storage,
    small,
    table,
    undo,
    uploading,
)

SCENARIOS: Final[Mapping[str, Callable[[Lab], list[Result]]]] = {
    "import": importing.run,
    "layouts": layouts.run,
    "upload": uploading.run,
    "latency": latency.run,
    "small": small.run,
    "fair": fair.run,
    "memory": memory.run,
    "linear": linear.run,
    "scale": scale.run,
    "slow-storage": slow_storage.run,
    "undo": undo.run,
    "many": many.run,
    "table": table.run,
}

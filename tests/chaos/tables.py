"""The tables that the chaos tests fill in: outcomes by fault, and the cost of hostile requests."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.support.session_tables import aligned

FAULTS: Final = "faults"
HOSTILE: Final = "hostile requests"

_FAULT_HEAD: Final = [
    "fault",
    "runs",
    "imports",
    "records sent",
    "contacts",
    "rejections",
    "lost",
    "doubled",
    "left behind",
    "swept",
    "seconds to recover",
]
_HOSTILE_HEAD: Final = ["hostile request", "answer", "MiB", "ms", "CPU s", "CPU s/MB"]


@dataclass(frozen=True)
class Verdict:
    """What became of one run of one fault."""

    imports: int = 0
    sent: int = 0
    """Records sent."""
    contacts: int = 0
    rejections: int = 0
    lost: int = 0
    """Contacts that are missing."""
    doubled: int = 0
    """Contacts that are there more than once."""
    left: int = 0
    """Objects without an import, unfinished uploads and unprocessed messages."""
    swept: int = 0
    """Objects that only the sweep could find, and has removed."""
    seconds: float = 0.0
    """From the end of the fault to the end of the last import."""

    def row(self, fault: str) -> dict[str, Any]:
        """Return the row of the table for this fault."""
        return {"fault": fault, **asdict(self)}


def render_faults(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each fault, with sums over its runs, and one for all."""
    faults: dict[str, list[Verdict]] = {}
    for row in rows:
        fault = row["fault"]
        faults.setdefault(fault, []).append(
            Verdict(**{key: value for key, value in row.items() if key != "fault"})
        )
    every = [verdict for verdicts in faults.values() for verdict in verdicts]
    lines = [_fault_line(fault, verdicts) for fault, verdicts in sorted(faults.items())]
    yield from aligned([_FAULT_HEAD, *lines, _fault_line("all", every)])


def _fault_line(fault: str, verdicts: list[Verdict]) -> list[str]:
    return [
        fault,
        str(len(verdicts)),
        f"{sum(verdict.imports for verdict in verdicts):,}",
        f"{sum(verdict.sent for verdict in verdicts):,}",
        f"{sum(verdict.contacts for verdict in verdicts):,}",
        f"{sum(verdict.rejections for verdict in verdicts):,}",
        str(sum(verdict.lost for verdict in verdicts)),
        str(sum(verdict.doubled for verdict in verdicts)),
        str(sum(verdict.left for verdict in verdicts)),
        str(sum(verdict.swept for verdict in verdicts)),
        f"{max(verdict.seconds for verdict in verdicts):.1f}",
    ]


def render_hostile(rows: list[list[str]]) -> Iterator[str]:
    """Yield a line for each hostile request."""
    yield from aligned([_HOSTILE_HEAD, *rows])

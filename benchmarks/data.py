"""The files to import, generated once and ignored by Git."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contacts import Kind, Profile, bad_records, body
from local.processes import PROJECT

KEPT = PROJECT / ".benchmarks"
"""Git ignores it; ``make clean`` removes it."""


@dataclass(frozen=True)
class DataSet:
    """A number of contacts of one profile, as files of all kinds."""

    profile: Profile
    rows: int
    seed: int

    @property
    def bad(self) -> int:
        """Number of records that must be rejected."""
        return bad_records(self.profile, self.rows, self.seed)

    def file(self, kind: Kind) -> Path:
        """Return the file of that kind, which is generated if it is missing."""
        path = KEPT / "data" / f"{self.profile}-{self.rows}-{self.seed}.{kind}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make(kind, path)
        return path

    def _make(self, kind: Kind, path: Path) -> None:
        half_made = path.with_name(f".{path.name}.{os.getpid()}")
        with half_made.open("w", encoding="utf-8", newline="") as file:
            file.writelines(body(kind, self.profile, self.rows, self.seed))
        half_made.rename(path)

"""The service's splitters alone: in this process, from memory, without any output."""

import time
from dataclasses import dataclass
from typing import Final

from benchmarks.contacts import Kind
from benchmarks.data import DataSet
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Run
from benchmarks.ours import MB_RATE, SECONDS
from config.settings import Settings
from core.reading import sniffing
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.options import ImportOptions
from service.intake.reading import decide_reading
from service.intake.request import ImportRequest
from service.splitting.base import Splitter

PIECE: Final = 64 * 1024
"""About the size of a read of aiohttp."""

_KINDS: Final = {
    Kind.JSON: sniffing.Kind.JSON_ENVELOPE,
    Kind.CSV: sniffing.Kind.CSV,
    Kind.NDJSON: sniffing.Kind.NDJSON,
}


@dataclass(frozen=True)
class Splitting:
    """Splits one file; the rate is per CPU second of one core."""

    data: DataSet
    kind: Kind

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"splitter, {self.kind.upper()}"

    def run(self) -> Run:
        """Split the file once."""
        content = self.data.file(self.kind).read_bytes()
        limits = default_limits(len(content))
        request = ImportRequest(_KINDS[self.kind], ImportOptions("benchmark"))
        begun = time.process_time()
        splitter = decide_reading(request, Sample.of(content)).splitter(limits)
        passed = _feed(splitter, content)
        seconds = time.process_time() - begun
        split = splitter.split()
        if split.records != self.data.rows or passed != split.bytes:
            raise BenchmarkError(f"{self.name}: {split.records} records, {passed} bytes.")
        figures = {MB_RATE: len(content) / 1e6 / seconds, SECONDS: seconds}
        return Run(self.name, figures, rows=self.data.rows)


def _feed(splitter: Splitter, content: bytes) -> int:
    passed = 0
    for start in range(0, len(content), PIECE):
        passed += sum(map(len, splitter.feed(content[start : start + PIECE])))
    return passed + sum(map(len, splitter.close()))


def default_limits(body_bytes: int) -> Limits:
    """Return the limits that the settings have by default, for a body of this size."""
    return Limits(body_bytes, _default("max_record_bytes"), _default("part_bytes"))


def _default(name: str) -> int:
    return int(Settings.model_fields[name].default)

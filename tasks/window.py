"""Contacts that wait to be written, together with the text they came from."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from config.formats.runs import Run
from tasks.model import Batch, Refusal, Rejection
from tasks.parsing import Parser
from tasks.sifting import Sifted

MAX_CONTENT: Final = 4096
"""Bytes of a rejected record that are kept."""

MAX_BYTES: Final = 2 * 1024 * 1024
"""Text of a window; one run more may come on top."""


class Window:
    """Neighbouring runs, kept until their contacts are written.

    Only then is it known which records the database refuses, and a rejection shows its record.
    """

    def __init__(self, first_record: int, max_records: int) -> None:
        """``max_records`` may be passed by a single run that holds more."""
        self._max_records = max_records
        self.batch = Batch(first_record, [], [])
        self.contacts = 0
        """Number of contacts in the batch."""
        self._bytes = 0
        self._runs: list[tuple[int, Run[Any]]] = []

    def has_room(self, sifted: Sifted) -> bool:
        """Whether another run may join those that wait."""
        records = len(self.batch) + len(sifted.names)
        return not self._runs or (records <= self._max_records and self._bytes < MAX_BYTES)

    def add(self, sifted: Sifted) -> None:
        """Let a run wait."""
        self.batch.names.extend(sifted.names)
        self.batch.emails.extend(sifted.emails)
        self.contacts += sifted.contacts
        self._bytes += len(sifted.run.raw)
        self._runs.append((sifted.first_record, sifted.run))

    def rejections(self, refusals: Iterable[Refusal], parser: Parser[Any]) -> list[Rejection]:
        """The refusals of records in this window, with the records as they came."""
        reasons = {refusal.record: refusal.reason for refusal in refusals}
        texts = self._texts(reasons.keys(), parser)
        return [Rejection(at, reasons[at], texts[at]) for at in sorted(reasons)]

    def _texts(self, wanted: Collection[int], parser: Parser[Any]) -> dict[int, str]:
        texts = {}
        for first, run in self._runs:
            numbers = range(first, first + len(run.records))
            here = [number for number in wanted if number in numbers]
            if here:
                all_of_run = parser.texts(run)
                texts.update({at: _storable(all_of_run[at - first]) for at in here})
        return texts


def _storable(text: bytes) -> str:
    shown = text[:MAX_CONTENT].decode("utf-8", "ignore").replace("\0", "\ufffd")
    return shown.encode()[:MAX_CONTENT].decode("utf-8", "ignore")

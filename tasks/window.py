"""Contacts that wait to be written, together with the text they came from."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from config.formats.runs import Run
from config.rejection_objects import Rejection
from tasks.model import Batch, Refusal
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

    def rejections(self, refusals: Sequence[Refusal], parser: Parser[Any]) -> list[Rejection]:
        """The refusals of records in this window, in their order, with the records as they came."""
        rejections: list[Rejection] = []
        at = 0
        for first, run in self._runs:
            end = bisect_left(refusals, first + len(run.records), at, key=_record)
            if end > at:
                texts = parser.texts(run)
                rejections += [
                    Rejection(
                        refusal.record,
                        refusal.reason.code,
                        refusal.reason.message,
                        _storable(texts[refusal.record - first]),
                    )
                    for refusal in refusals[at:end]
                ]
            at = end
        return rejections


def _record(refusal: Refusal) -> int:
    return refusal.record


def _storable(text: bytes) -> str:
    shown = text[:MAX_CONTENT].decode("utf-8", "ignore")
    if "\0" not in shown:
        return shown
    replaced = shown.replace("\0", "\ufffd").encode()
    return replaced[:MAX_CONTENT].decode("utf-8", "ignore")

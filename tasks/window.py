"""Contacts that wait to be written, together with the text they came from."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from config.formats.runs import Run
from tasks.model import Contact, Refusal, Rejection
from tasks.parsing import Parser
from tasks.validation import Refused, validated

MAX_CONTENT: Final = 4096
"""Bytes of a rejected record that are kept."""

MAX_BYTES: Final = 2 * 1024 * 1024
"""Text of a window; one run more may come on top."""


class Sifted:
    """One run, its records told apart."""

    def __init__(self, run: Run[Any], first_record: int, parser: Parser[Any]) -> None:
        self.run = run
        self.first_record = first_record
        self.contacts: list[Contact] = []
        self.refusals: list[Refusal] = []
        self._sift(parser)

    def _sift(self, parser: Parser[Any]) -> None:
        fields, keep = parser.fields, self.contacts.append
        for number, record in enumerate(self.run.records, self.first_record):
            try:
                keep(Contact(number, *validated(*fields(record))))
            except Refused as refused:
                self.refusals.append(Refusal(number, refused.reason))


class Window:
    """Neighbouring runs, kept until their contacts are written.

    Only then is it known which records the database refuses, and a rejection shows its record.
    """

    def __init__(self, max_contacts: int) -> None:
        """``max_contacts`` may be passed by a single run that holds more."""
        self._max_contacts = max_contacts
        self.contacts: list[Contact] = []
        self._bytes = 0
        self._runs: list[tuple[int, Run[Any]]] = []

    def has_room(self, sifted: Sifted) -> bool:
        """Whether another run may join those that wait."""
        contacts = len(self.contacts) + len(sifted.contacts)
        return not self._runs or (contacts <= self._max_contacts and self._bytes < MAX_BYTES)

    def add(self, sifted: Sifted) -> None:
        """Let a run wait."""
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

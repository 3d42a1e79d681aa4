"""A run of records told apart: contacts here, refusals there."""

from typing import Any

from config.formats.runs import Run
from tasks.model import Refusal
from tasks.parsing import Parser
from tasks.reasons import Reason
from tasks.validation import Refused, all_plain, judged, unusual, validated


class Sifted:
    """One run as two columns, in which a refused record leaves a gap."""

    def __init__(self, run: Run[Any], first_record: int, parser: Parser[Any]) -> None:
        self.run = run
        self.first_record = first_record
        self.names: list[str] = []
        self.emails: list[str] = []
        self.refusals: list[Refusal] = []
        columns = parser.columns(run.records)
        if columns is None:
            self._sift_records(parser)
            return
        self.names, self.emails = columns
        if not all_plain(*columns):
            self._sift_columns()

    @property
    def contacts(self) -> int:
        """Number of records that are contacts."""
        return len(self.names) - len(self.refusals)

    def _sift_records(self, parser: Parser[Any]) -> None:
        """One record after the other: some are not of the usual kind."""
        for number, record in enumerate(self.run.records, self.first_record):
            try:
                name, email = validated(*parser.fields(record))
            except Refused as refused:
                name, email = self._noted(number, refused.reason)
            self.names.append(name)
            self.emails.append(email)

    def _sift_columns(self) -> None:
        """Only those that are not plain."""
        names, emails, first = self.names, self.emails, self.first_record
        for at in unusual(names, emails):
            names[at], emails[at] = self._noted(first + at, judged(names[at], emails[at]))

    def _noted(self, number: int, found: tuple[str, str] | Reason) -> tuple[str, str]:
        if isinstance(found, Reason):
            self.refusals.append(Refusal(number, found))
            return "", ""
        return found

"""A run of records told apart: contacts here, refusals there."""

from typing import Any

from config.formats.runs import Run
from tasks.model import Refusal
from tasks.parsing import Parser
from tasks.validation import Refused, all_plain, validated


class Sifted:
    """One run as two columns, in which a refused record leaves a gap."""

    def __init__(self, run: Run[Any], first_record: int, parser: Parser[Any]) -> None:
        self.run = run
        self.first_record = first_record
        self.names: list[str] = []
        self.emails: list[str] = []
        self.refusals: list[Refusal] = []
        columns = parser.columns(run.records)
        if columns is not None and all_plain(*columns):
            self.names, self.emails = columns
        else:
            self._sift(parser)

    @property
    def contacts(self) -> int:
        """Number of records that are contacts."""
        return len(self.names) - len(self.refusals)

    def _sift(self, parser: Parser[Any]) -> None:
        for number, record in enumerate(self.run.records, self.first_record):
            try:
                name, email = validated(*parser.fields(record))
            except Refused as refused:
                name = email = ""
                self.refusals.append(Refusal(number, refused.reason))
            self.names.append(name)
            self.emails.append(email)

"""Decides for each record of a run whether it is a contact, a rejection, or no record at all."""

from dataclasses import dataclass
from typing import Any

import msgspec

from core.emails import unusual_emails
from core.formats.base import RecordRun
from core.records.models import Candidates, Contact, Skipped
from core.records.parsing import Parser
from core.records.rejection_reasons import Reason
from core.records.validation import validate, with_address


class RejectedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that is not a valid contact, and why."""

    record: int
    """Number within the import, from 1."""
    reason: Reason


@dataclass(frozen=True, slots=True)
class ClassifiedRun:
    """A run as two columns of contacts, in which both fields of any other record are empty."""

    run: RecordRun[Any]
    first_record: int
    names: list[str]
    emails: list[str]
    rejected: list[RejectedRecord]
    skipped: list[tuple[int, str]]
    """Numbers of records that are no contacts, each with its code."""
    warnings: list[tuple[int, str]]
    """Numbers of contacts, each with the code of a warning."""

    @property
    def contacts(self) -> int:
        """Number of contacts."""
        return len(self.names) - len(self.rejected) - len(self.skipped)


def classify(run: RecordRun[Any], first_record: int, parser: Parser[Any]) -> ClassifiedRun:
    """Decide for each record of a run; the first one has the number ``first_record``.

    The result is that of each record alone: those that the parser and the columns show to be stored
    as they are skip ``validate``.
    """
    columns = parser.columns(run)
    classified = ClassifiedRun(run, first_record, columns.names, columns.emails, [], [], [])
    suspects, unusual = columns.suspects, unusual_emails(columns.emails)
    for at in sorted(suspects | unusual):
        result: Contact | Reason | Skipped | None = None
        name, email = columns.names[at], columns.emails[at]
        if at not in suspects and ("@" in email or not parser.may_be_no_record(name)):
            result = with_address(name, email)
        if result is None:
            result = _read(run.records[at], parser)
        _note(classified, at, result)
    return classified


def _read(record: Any, parser: Parser[Any]) -> Contact | Reason | Skipped:  # noqa: ANN401
    """Return what a record is, read alone."""
    candidates = parser.candidates(record)
    if isinstance(candidates, Candidates):
        return validate(candidates, family_name_first=parser.family_name_first)
    return candidates


def _note(classified: ClassifiedRun, at: int, result: Contact | Reason | Skipped) -> None:
    """Note what the record at a position is."""
    number = classified.first_record + at
    name = email = ""
    if isinstance(result, Reason):
        classified.rejected.append(RejectedRecord(number, result))
    elif isinstance(result, Skipped):
        classified.skipped.append((number, result.code))
    else:
        name, email = result.name, result.email
        if result.warnings:
            classified.warnings.extend((number, code) for code in result.warnings)
    classified.names[at], classified.emails[at] = name, email

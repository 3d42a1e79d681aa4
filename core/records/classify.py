"""Decides for each record of a run whether it is a contact, a rejection, or no record at all."""

import operator
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

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


_RECORD_NUMBER: Final = operator.attrgetter("record")


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
    as they are skip ``validate``, and the same record is read once, since what is unusual often is
    so in many records.
    """
    columns = parser.columns(run)
    names, emails = columns.names, columns.emails
    rejected = [RejectedRecord(first_record + at, reason) for at, reason in columns.rejected]
    skipped = [(first_record + at, code) for at, code in columns.skipped]
    warnings: list[tuple[int, str]] = []
    suspects, unusual = columns.suspects, unusual_emails(emails)
    known: dict[Hashable, Contact | Reason | Skipped] = {}
    for at in sorted(suspects | unusual):
        result: Contact | Reason | Skipped | None = None
        email = emails[at]
        if at not in suspects and ("@" in email or not parser.may_be_no_record(names[at])):
            result = with_address(names[at], email)
        if result is None:
            key = parser.memo_key(run.records[at])
            result = known.get(key)
            if result is None or key is None:
                result = known[key] = _read(run.records[at], parser)
        if isinstance(result, Contact):
            names[at], emails[at] = result.name, result.email
            warnings += [(first_record + at, code) for code in result.warnings]
            continue
        names[at] = emails[at] = ""
        if isinstance(result, Reason):
            rejected.append(RejectedRecord(first_record + at, result))
        else:
            skipped.append((first_record + at, result.code))
    if columns.rejected:
        rejected.sort(key=_RECORD_NUMBER)
    return ClassifiedRun(run, first_record, names, emails, rejected, skipped, warnings)


def _read(record: Any, parser: Parser[Any]) -> Contact | Reason | Skipped:  # noqa: ANN401
    """Return what a record is, read alone."""
    candidates = parser.candidates(record)
    if isinstance(candidates, Candidates):
        return validate(candidates, family_name_first=parser.family_name_first)
    return candidates

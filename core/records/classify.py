"""Stand-in: classifies records."""

from dataclasses import dataclass, field
from typing import Any

from core.emails import normalised_email
from core.formats.base import RecordRun
from core.reading.plan import Field


@dataclass(frozen=True)
class Reason:
    """Why a record was rejected."""

    code: str
    message: str


@dataclass(frozen=True)
class RejectedRecord:
    """A record that is not a contact."""

    record: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class ClassifiedRun:
    """A run as two columns."""

    run: RecordRun[Any]
    first_record: int
    names: list[str]
    emails: list[str]
    rejected: list[RejectedRecord]
    skipped: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)


def classify(run: RecordRun[Any], first_record: int, parser: Any) -> ClassifiedRun:  # noqa: ANN401
    """Decide for each record of a run."""
    names, emails, rejected = [], [], []
    for at, record in enumerate(run.records):
        name = parser.value(record, Field.NAME) or " ".join(
            filter(None, [parser.value(record, Field.FIRST_NAME),
                          parser.value(record, Field.LAST_NAME)])
        )  # fmt: skip
        email = parser.value(record, Field.EMAIL)
        if (email and normalised_email(email) is None) or not (name or email):
            reason = Reason("email_invalid", "The e-mail address is not valid.")
            rejected.append(RejectedRecord(first_record + at, reason))
            name = email = ""
        names.append(name)
        emails.append(email)
    return ClassifiedRun(run, first_record, names, emails, rejected)

"""The files of tests/corpus, and the comparison of what became of them with what is expected."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "corpus"
EXPECTED: Final = ".expected.json"

RIGHT, FAIR, ASKED, REJECTED, REFUSED, WRONG = (
    "right",
    "fair",
    "asked",
    "rejected",
    "refused",
    "wrong",
)
QUESTIONS: Final = frozenset(
    {"encoding_uncertain", "email_column_unclear", "csv_header_unusable", "records_ambiguous"}
)
"""Problems that an option of the next request resolves."""


@dataclass(frozen=True)
class CorpusFile:
    """One file, with what a sensible person expects of its import."""

    path: Path

    @property
    def name(self) -> str:
        """Folder and file name."""
        return self.path.relative_to(FOLDER).as_posix()

    @cached_property
    def expected(self) -> dict[str, Any]:
        """The expectation, as README.md describes it."""
        text = self.path.with_name(self.path.name + EXPECTED).read_text("utf-8")
        expected: dict[str, Any] = json.loads(text)
        return expected

    def judge_problem(self, code: str) -> str:
        """Return the outcome of a file that was refused with this problem."""
        if self.expected["refusal_is_fair"]:
            return FAIR
        return ASKED if code in QUESTIONS else REFUSED

    def judge_contacts(self, contacts: Sequence[tuple[str, str]], rejected: int) -> str:
        """Return the outcome of a file from which these contacts were stored."""
        missing = list(self.expected["contacts"])
        unexpected = []
        for contact in contacts:
            match = next((each for each in missing if _is_right(contact, each)), None)
            if match is not None:
                missing.remove(match)
            elif not any(_is_right(contact, each) for each in self.expected["extra_ok"]):
                unexpected.append(contact)
        if unexpected or (missing and not rejected):
            return WRONG
        if missing:
            return FAIR if self.expected["refusal_is_fair"] else REJECTED
        return RIGHT


def corpus_files() -> Iterator[CorpusFile]:
    """Return all files, in order."""
    for path in sorted(FOLDER.glob(f"*/*{EXPECTED}")):
        yield CorpusFile(path.with_name(path.name.removesuffix(EXPECTED)))


def _is_right(contact: tuple[str, str], expected: dict[str, Any]) -> bool:
    name, email = contact
    names = {expected["name"], *expected.get("name_or", ())}
    emails = {expected["email"], *expected.get("email_or", ())}
    return " ".join(name.split()) in {" ".join(each.split()) for each in names} and email in emails

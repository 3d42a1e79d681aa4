"""The files of tests/corpus, and the judgement of what became of one of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "corpus"
EXPECTED: Final = ".expected.json"
OUTCOMES: Final = FOLDER / "outcomes.tsv"
QUESTIONS: Final = frozenset(
    {
        *("encoding_uncertain", "email_column_unclear", "name_column_unclear"),
        *("csv_header_unusable", "records_ambiguous"),
    }
)
"""Problems that an option of the next request resolves."""
UNSUPPORTED: Final = "unsupported_file"


class Outcome(StrEnum):
    """What became of a file, the best first."""

    RIGHT = "right"
    """The contacts are those that are expected."""
    ASKED = "asked"
    """Refused with a question that an option of the next request answers."""
    REFUSED = "refused"
    """Refused with another problem."""
    REJECTED = "rejected"
    """Nothing wrong was stored, and the contacts that are missing are among the rejections."""
    WRONG = "wrong"
    """A contact was stored that nobody expects, or one is missing in silence."""


@dataclass(frozen=True)
class Refused:
    """A file that was not imported."""

    code: str
    """Of the problem."""


@dataclass(frozen=True)
class Imported:
    """A file that was imported."""

    contacts: Sequence[tuple[str, str]]
    """Name and e-mail; empty text where there is none."""
    rejections: Sequence[tuple[str, str]]
    """Code and content."""


@dataclass(frozen=True)
class Judgement:
    """An outcome, and why."""

    outcome: Outcome
    cause: str = ""
    """Codes of the problem or of the rejections; of a wrong one, what is wrong."""
    is_fair: bool = True
    """Whether a sensible person would be content with it."""


@dataclass(frozen=True)
class CorpusFile:
    """One file, with what a sensible person expects of its import."""

    path: Path

    @property
    def name(self) -> str:
        """Folder and file name."""
        return self.path.relative_to(FOLDER).as_posix()

    @property
    def category(self) -> str:
        """Its folder."""
        return self.path.parent.name

    @cached_property
    def expected(self) -> dict[str, Any]:
        """The expectation, as README.md of the corpus describes it."""
        text = self.path.with_name(self.path.name + EXPECTED).read_text("utf-8")
        expected: dict[str, Any] = json.loads(text)
        return expected

    def judge(self, result: Refused | Imported) -> Judgement:
        """Return what became of the file."""
        may_be_refused = bool(self.expected["refusal_is_fair"])
        if isinstance(result, Refused):
            is_question = result.code in QUESTIONS
            outcome = Outcome.ASKED if is_question else Outcome.REFUSED
            is_fair = may_be_refused or is_question or result.code == UNSUPPORTED
            return Judgement(outcome, result.code, is_fair)

        missing, unexpected = self._compare(result.contacts)
        lost = [each for each in missing if not _is_rejected(each, result.rejections)]
        if unexpected or lost:
            cause = f"stored {unexpected}, lost {lost}"
            return Judgement(Outcome.WRONG, cause, is_fair=False)
        if missing:
            codes = ", ".join(sorted({code for code, _ in result.rejections}))
            return Judgement(Outcome.REJECTED, codes, may_be_refused)
        return Judgement(Outcome.RIGHT)

    def _compare(
        self, contacts: Sequence[tuple[str, str]]
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        """Return expected contacts that are missing, and stored ones that nobody expects."""
        missing = list(self.expected["contacts"])
        more = list(self.expected["extra_ok"])
        unexpected = []
        for contact in contacts:
            for wanted in (missing, more):
                match = next((each for each in wanted if _is_right(contact, each)), None)
                if match is not None:
                    wanted.remove(match)
                    break
            else:
                unexpected.append(contact)
        return missing, unexpected


def corpus_files() -> Iterator[CorpusFile]:
    """Yield all files, in order."""
    for path in sorted(FOLDER.glob(f"*/*{EXPECTED}")):
        yield CorpusFile(path.with_name(path.name.removesuffix(EXPECTED)))


def known_outcomes() -> dict[str, Outcome]:
    """Return the outcome that each file had last, by its name."""
    rows = [line.split("\t") for line in OUTCOMES.read_text("utf-8").splitlines()[1:]]
    return {row[0]: Outcome(row[1]) for row in rows}


def write_outcomes(judgements: Mapping[str, Judgement]) -> None:
    """Make these the outcomes that are known, by the names of the files."""
    rows = [
        f"{name}\t{each.outcome}\t{each.cause}".rstrip()
        for name, each in sorted(judgements.items())
    ]
    OUTCOMES.write_text("\n".join(["file\toutcome\tcause", *rows, ""]), "utf-8")


def is_worse(judgement: Judgement, known: Outcome) -> bool:
    """Return whether a file fared worse than it did last, or is wrong."""
    order = list(Outcome)
    is_wrong = judgement.outcome is Outcome.WRONG
    return is_wrong or order.index(judgement.outcome) > order.index(known)


def _is_right(contact: tuple[str, str], expected: Mapping[str, Any]) -> bool:
    name, email = contact
    names = {expected["name"], *expected.get("name_or", ())}
    emails = {expected["email"], *expected.get("email_or", ())}
    return name in names and email in emails


def _is_rejected(contact: Mapping[str, Any], rejections: Sequence[tuple[str, str]]) -> bool:
    """Return whether the address of a contact, or else its name, is in a rejected record."""
    wanted = _plain(contact["email"] or contact["name"])
    return any(wanted in _plain(_text_of(content)) for _, content in rejections)


def _text_of(content: str) -> str:
    """Return a record in JSON as text, without the escapes of JSON."""
    try:
        return json.dumps(json.loads(content), ensure_ascii=False)
    except ValueError:
        return content


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())

"""Each file of the corpus, read in this process, fares as well as it did; how it is judged."""

import json

import pytest

from tests.support.corpus import (
    FOLDER,
    CorpusFile,
    Imported,
    Judgement,
    Outcome,
    Refused,
    corpus_files,
    is_worse,
    known_outcomes,
)
from tests.support.corpus_reading import read_file

FILES = list(corpus_files())
ADA = {"name": "Ada", "email": "ada@example.com"}
EVE = {"name": "Eve", "email": "", "name_or": ["eve"]}
BOB = {"name": "Bob", "email": "bob@example.com"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_is_read_as_well_as_before(file: CorpusFile) -> None:
    judgement = file.judge(read_file(file.path.read_bytes(), file.path.name))
    assert not is_worse(judgement, known_outcomes()[file.name]), judgement


def test_each_file_has_an_expectation_and_an_outcome() -> None:
    names = {file.name for file in FILES}
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*") if path.is_file()}
    assert {name for name in found if not name.endswith(".expected.json")} == names
    assert known_outcomes().keys() == names
    assert all(file.expected["path"] == file.name for file in FILES)
    assert len(FILES) >= 276


@pytest.fixture
def file(tmp_path) -> CorpusFile:
    expected = {"contacts": [ADA, EVE], "extra_ok": [BOB], "refusal_is_fair": False}
    (tmp_path / "a.csv.expected.json").write_text(json.dumps(expected))
    return CorpusFile(tmp_path / "a.csv")


ADA_STORED, EVE_STORED, BOB_STORED = ("Ada", ADA["email"]), ("eve", ""), ("Bob", BOB["email"])


@pytest.mark.parametrize(
    ("contacts", "rejections", "outcome"),
    [
        ([ADA_STORED, EVE_STORED], [], "right"),
        ([EVE_STORED, BOB_STORED, ADA_STORED], [("footer", "x")], "right"),
        ([ADA_STORED], [("no", '{"n": "\\u0045ve"}')], "rejected"),
        ([ADA_STORED], [("no", '["Mallory"]')], "wrong"),
        ([ADA_STORED], [], "wrong"),
        ([ADA_STORED, EVE_STORED, EVE_STORED], [], "wrong"),
        ([ADA_STORED, EVE_STORED, BOB_STORED, BOB_STORED], [], "wrong"),
        ([("Ada", ""), EVE_STORED], [("no", '["ada@example.com"]')], "wrong"),
    ],
)
def test_contacts_are_compared_with_those_that_are_expected(
    file: CorpusFile, contacts, rejections, outcome
) -> None:
    assert file.judge(Imported(contacts, rejections)).outcome == outcome


def test_a_question_is_fair_and_another_refusal_is_not(file: CorpusFile) -> None:
    asked, refused = file.judge(Refused("encoding_uncertain")), file.judge(Refused("malformed_csv"))
    assert asked == Judgement(Outcome.ASKED, "encoding_uncertain")
    assert refused == Judgement(Outcome.REFUSED, "malformed_csv", is_fair=False)


def test_a_wrong_file_is_worse_than_anything(file: CorpusFile) -> None:
    assert is_worse(Judgement(Outcome.WRONG), Outcome.WRONG)
    assert is_worse(Judgement(Outcome.ASKED), Outcome.RIGHT)
    assert not is_worse(Judgement(Outcome.RIGHT), Outcome.REJECTED)

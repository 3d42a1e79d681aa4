"""The files of the corpus, imported the whole way: in forms, and as bodies of requests."""

from collections.abc import Mapping

import pytest

from tests.acceptance.conftest import Importer
from tests.support.corpus import (
    CorpusFile,
    Imported,
    Refused,
    corpus_files,
    is_worse,
    known_outcomes,
)
from tests.support.corpus_imports import RAW_TYPES, import_as_bodies, import_as_files

FILES = list(corpus_files())
Results = Mapping[str, Imported | Refused]


@pytest.fixture(scope="module")
def as_files(importer: Importer) -> Results:
    return import_as_files(importer, FILES)


@pytest.fixture(scope="module")
def as_bodies(importer: Importer) -> Results:
    return import_as_bodies(importer, FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_fares_as_well_as_before(as_files: Results, file: CorpusFile) -> None:
    judgement = file.judge(as_files[file.name])
    assert not is_worse(judgement, known_outcomes()[file.name]), judgement


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.path.suffix in RAW_TYPES],
    ids=lambda file: file.name,
)
def test_body_is_read_like_the_file(
    as_files: Results, as_bodies: Results, file: CorpusFile
) -> None:
    assert as_bodies[file.name] == as_files[file.name]

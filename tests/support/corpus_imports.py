"""Imports all files of the corpus the whole way: request, worker, table."""

import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import httpx

from core.ids import contact_id_prefix
from tests.acceptance.conftest import Importer
from tests.support.corpus import CorpusFile, Imported, Refused

RAW_TYPES: Final = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
}
"""Types of files that are also sent as the body of a request."""
_CONTACTS: Final = "select id::text, name, email from contacts where source = %s order by id"


def import_as_files(
    importer: Importer, files: Sequence[CorpusFile]
) -> Mapping[str, Imported | Refused]:
    """Import each file in a form, under its own name, as a browser does."""

    def post(file: CorpusFile) -> httpx.Response:
        kind = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
        form = {"file": (file.path.name, file.path.read_bytes(), kind)}
        return importer.http.post("/import", data={"source": "corpus-file"}, files=form)

    return _import(importer, {file.name: post(file) for file in files}, "corpus-file")


def import_as_bodies(
    importer: Importer, files: Sequence[CorpusFile]
) -> Mapping[str, Imported | Refused]:
    """Import each file of RAW_TYPES as the body of a request."""

    def post(file: CorpusFile) -> httpx.Response:
        headers = {"Content-Type": RAW_TYPES[file.path.suffix]}
        return importer.http.post(
            "/import?source=corpus-body", content=file.path.read_bytes(), headers=headers
        )

    raw = [file for file in files if file.path.suffix in RAW_TYPES]
    return _import(importer, {file.name: post(file) for file in raw}, "corpus-body")


def _import(
    importer: Importer, answers: Mapping[str, httpx.Response], source: str
) -> Mapping[str, Imported | Refused]:
    """Let a worker do what was accepted; return what became of each file."""
    done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr
    rows = importer.query(_CONTACTS, source)
    return {name: _result(importer, answer, rows) for name, answer in answers.items()}


def _result(
    importer: Importer, answer: httpx.Response, rows: Sequence[tuple[str, str | None, str | None]]
) -> Imported | Refused:
    if answer.status_code != 202:
        return Refused(answer.json()["code"])
    job = answer.json()["jobId"]
    shown: dict[str, Any] = importer.shown(job)
    assert shown["state"] == "completed"
    rejected = importer.query(
        "select code, content from import_rejections where import_id = %s order by record",
        job.removeprefix("import-"),
    )
    assert len(rejected) == shown["rejected"]
    prefix = contact_id_prefix(UUID(job.removeprefix("import-")))
    stored = [(name or "", email or "") for id_, name, email in rows if id_.startswith(prefix)]
    assert len(stored) == shown["imported"]
    total = shown["imported"] + shown["rejected"] + shown.get("skipped", 0)
    assert total == shown["records"]
    return Imported(stored, rejected)

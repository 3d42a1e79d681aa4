"""A dry run has the result of an import, but imports nothing."""

import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from core.ids import contact_id_prefix
from local.processes import PROJECT
from tests.acceptance.conftest import Importer

PEOPLE = [
    {"name": "Ada", "email": "ada@EXAMPLE.com"}, {"email": "nowhere"}, {"name": "Bob"}, {}, "x",
]  # fmt: skip
MANY = [{"name": f"Person {n}", "email": f"person{n}@example.com"} for n in range(120_000)]
COUNTED = ("state", "records", "imported", "rejected")


def post(importer: Importer, data: list[object], *, dry: bool) -> str:
    body = {"source": "dry run", "data": data}
    answer = importer.http.post("/import", params={"dryRun": str(dry).lower()}, json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def rejections(importer: Importer, job: str) -> list[tuple[object, ...]]:
    return importer.query(
        "select record, part, code, message, content from import_rejections "
        "where import_id = %s order by record",
        job.removeprefix("import-"),
    )


def contacts(importer: Importer, job: str) -> int:
    prefix = contact_id_prefix(UUID(job.removeprefix("import-")))
    [(count,)] = importer.query(
        "select count(*) from contacts where id between %s::uuid and %s::uuid",
        f"{prefix}000000000",
        f"{prefix}fffffffff",
    )
    return int(count)


@pytest.mark.parametrize("writer", ["postgrest", "copy"])
def test_dry_run_has_the_counts_and_rejections_of_an_import(
    importer: Importer, writer: str
) -> None:
    real, dry = (post(importer, [*PEOPLE], dry=dry) for dry in (False, True))
    many = post(importer, [*MANY, *PEOPLE], dry=True)

    done = importer.run("tasks", "--once", CONTACTS_WRITER=writer)

    assert done.returncode == 0, done.stderr
    shown = {job: importer.shown(job) for job in (real, dry, many)}
    assert [shown[job]["dryRun"] for job in shown] == [False, True, True]
    assert [shown[dry][name] for name in COUNTED] == ["completed", 5, 2, 3]
    assert [shown[dry][name] for name in COUNTED] == [shown[real][name] for name in COUNTED]
    assert rejections(importer, dry) == rejections(importer, real) != []
    assert [contacts(importer, job) for job in (real, dry, many)] == [2, 0, 0]
    assert [shown[many][name] for name in COUNTED] == ["completed", 120_005, 120_002, 3]
    assert shown[many]["parts"]["done"] == shown[many]["parts"]["total"] == 2
    assert len(rejections(importer, many)) == 3


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("sha256sum")), reason="needs curl and sha256sum"
)
def test_receipt_is_the_sha256_of_the_file(importer: Importer) -> None:
    sample = Path("local", "sample.csv")
    address = importer.http.base_url.join("/import?source=receipt&dryRun=true")
    headers = ("-H", "Content-Type: text/csv", "-H", "Idempotency-Key: receipt")
    curl = ["curl", "-sS", "-X", "POST", *headers, "-T", str(sample), str(address)]
    outputs = [
        subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
        for command in (curl, curl, ["sha256sum", str(sample)])
    ]
    assert outputs[0] == outputs[1]
    job = outputs[0].partition('"jobId": "')[2].partition('"')[0]
    size = (PROJECT / sample).stat().st_size
    assert importer.shown(job)["receipt"] == {"sha256": outputs[2].split()[0], "bytes": size}

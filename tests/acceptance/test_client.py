"""The command that sends a file, as a person or a script runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import PROJECT
from tests.acceptance.conftest import Importer

ROWS = "name,email,age\nAda,ada@example.com,36\nGrace,grace@gmial,\nBob,,1\n,,9\n"
COUNTS = "4 records = 2 imported + 2 rejected + 0 not processed"
LINES = b'{"name":"Ada"}\n{"name":"Eve"}\n'


def command(importer: Importer, *arguments: str) -> tuple[str, ...]:
    url = str(importer.http.base_url)
    return (sys.executable, "-m", "contacts_import", *arguments, "--url", url)


def run(
    importer: Importer, *arguments: str, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command(importer, *arguments),
        cwd=PROJECT,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_a_file_is_sent_and_followed_to_its_end(importer: Importer, rows: Path) -> None:
    rejections = rows.with_name("rejections.csv")
    arguments = (str(rows), "--source", "command", "--rejections", str(rejections))
    with subprocess.Popen(
        command(importer, *arguments),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr
        told = waiting.stderr.readline()
        assert importer.run("tasks", "--once").returncode == 0
        result, errors = waiting.communicate(timeout=60)
    job = told.rpartition(" ")[2].strip()
    assert told == f"Accepted as {job}\n"
    assert (waiting.returncode, errors) == (3, "")
    assert result.splitlines() == [
        f"{job}: completed",
        COUNTS,
        "  1 email_invalid",
        "  1 no_name_and_no_email",
    ]
    answer = importer.http.get(f"/import/{job}/rejections", params={"format": "csv"})
    assert rejections.read_bytes() == answer.content
    assert importer.counts(job) == (2, 2)

    again = run(importer, *arguments)
    assert again.returncode == 3
    assert f"sent before, as {job}" in again.stderr.decode()
    assert again.stdout.decode() == result

    once_more = run(importer, *arguments, "--again", "--no-wait")
    assert once_more.returncode == 0
    assert once_more.stdout.decode().strip() != job


def test_standard_input_is_checked_and_not_waited_for(importer: Importer) -> None:
    arguments = ("-", "-f", "ndjson", "-s", "command", "--dry-run", "--no-wait")
    sent = run(importer, *arguments, stdin=LINES)
    assert (sent.returncode, sent.stderr) == (0, b"")
    shown = importer.shown(sent.stdout.decode().strip())
    assert (shown["records"], shown["dryRun"], shown["format"]) == (2, True, "ndjson")


def test_a_refusal_is_told_in_words(importer: Importer, rows: Path) -> None:
    rows.write_text("age,city\n1,Paris\n")
    refused = run(importer, str(rows), "-s", "command")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(b"The CSV header cannot be used")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.csv", "-s", "x"), 2, "none.csv cannot be read"),
        (("none.csv",), 2, "--source"),
        (("-", "-f", "csv", "-s", "x", "--url", "http://127.0.0.1:1"), 1, "cannot be reached"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = subprocess.run(
        (sys.executable, "-m", "contacts_import", *arguments),
        cwd=PROJECT,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1

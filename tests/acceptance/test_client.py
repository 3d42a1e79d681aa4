"""The contacts-import command, run as a person or a script runs it."""

import subprocess
from pathlib import Path

import pytest
from contacts_import import __version__

from local.processes import PROJECT
from tests.acceptance.conftest import Importer
from tests.support.client_command import CLIENT_COMMAND, client_environment

ROWS = "name,email,age\nAda,ada@example.com,36\nGrace,grace@gmial,\nBob,,1\n,,9\n"
COUNTS = "4 records = 2 imported + 2 rejected + 0 not processed"
LINES = '{"name":"Ada"}\n{"name":"Eve"}\n'


def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (*CLIENT_COMMAND, *arguments),
        cwd=PROJECT,
        env=client_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def url(importer: Importer) -> tuple[str, str]:
    return ("--url", str(importer.http.base_url))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_client_sends_a_file_and_follows_the_import_to_its_end(
    importer: Importer, url: tuple[str, str], rows: Path
) -> None:
    rejections = rows.with_name("rejections.csv")
    arguments = (str(rows), "--source", "command", "--rejections", str(rejections), *url)
    with subprocess.Popen(
        (*CLIENT_COMMAND, *arguments),
        cwd=PROJECT,
        env=client_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr
        accepted = waiting.stderr.readline()
        assert importer.run("tasks", "--once").returncode == 0
        result, errors = waiting.communicate(timeout=60)
    job = accepted.rpartition(" ")[2].strip()
    assert accepted == f"Accepted as {job}\n"
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

    repeated = run(*arguments)
    assert repeated.returncode == 3
    assert f"sent before, as {job}" in repeated.stderr
    assert repeated.stdout == result

    again = run(*arguments, "--again", "--no-wait")
    assert again.returncode == 0
    assert again.stdout.strip() != job


def test_client_sends_standard_input_without_waiting(
    importer: Importer, url: tuple[str, str]
) -> None:
    arguments = ("-", "-f", "ndjson", "-s", "command", "--dry-run", "--no-wait", *url)
    sent = run(*arguments, stdin=LINES)
    assert (sent.returncode, sent.stderr) == (0, "")
    shown = importer.shown(sent.stdout.strip())
    assert (shown["records"], shown["dryRun"], shown["format"]) == (2, True, "ndjson")


def test_client_shows_the_problem_of_a_rejected_request(url: tuple[str, str], rows: Path) -> None:
    rows.write_text("age,city\n1,Paris\n")
    rejected = run(str(rows), "-s", "command", *url)
    assert (rejected.returncode, rejected.stdout) == (1, "")
    assert rejected.stderr.startswith("The CSV header cannot be used. ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.csv", "-s", "x"), 2, "none.csv cannot be read"),
        (("none.csv",), 2, "--source"),
        (("-", "-f", "csv", "-s", "x", "--url", "http://127.0.0.1:1"), 1, "cannot be reached"),
    ],
)
def test_client_explains_an_error_in_one_line(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_client_prints_its_version() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"contacts-import {__version__}\n")

"""The contacts-import command, run as a person or a script runs it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from contacts_import import __version__

from local.ports import free_port
from local.processes import PROJECT, started, worker_environment
from tests.acceptance.conftest import Importer
from tests.support.client_command import CLIENT_COMMAND, client_environment

ROWS = "name,email,age\nAda,ada@example.com,36\nGrace,grace@gmial,\nBob,,1\n,,9\n"
COUNTS = "4 records = 2 imported + 2 rejected + 0 not processed"
LINES = '{"name":"Ada"}\n{"name":"Eve"}\n'


def run(*arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (*CLIENT_COMMAND, *arguments),
        cwd=PROJECT,
        env={**client_environment(), **environment},
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


def test_client_asks_for_the_encoding_that_is_uncertain(url: tuple[str, str], rows: Path) -> None:
    text = "name,email\nJan Kovač,j@example.si\n"
    rows.write_bytes(text.encode("cp1250"))
    asked = run(str(rows), "-s", "command", "--no-wait", *url)
    assert (asked.returncode, asked.stdout) == (1, "")
    choices = dict(line.split(maxsplit=2)[1:] for line in asked.stderr.splitlines()[2:])
    assert "Kovač" in choices["windows-1250"]

    answered = run(str(rows), "--preview", "--encoding", "windows-1250", *url)
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert "Jan Kovač" in answered.stdout


def test_client_shows_a_preview_and_imports_nothing(
    importer: Importer, url: tuple[str, str], rows: Path
) -> None:
    [(before,)] = importer.query("select count(*) from imports")
    shown = run(str(rows), "--preview", *url)
    assert (shown.returncode, shown.stderr) == (3, "")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["email", "email", "sure", "ada@example.com", "|", "grace@gmial"] in lines
    assert ["1", "imported", "Ada", "ada@example.com"] in lines
    assert shown.stdout.endswith("The whole file was looked at. Nothing was imported.\n")
    assert importer.query("select count(*) from imports") == [(before,)]


def test_client_reports_warnings(importer: Importer, url: tuple[str, str], rows: Path) -> None:
    rows.write_text("name,email\nAda,ada@example.com; a@example.com\n")
    run(str(rows), "-s", "command", "--no-wait", *url)
    assert importer.run("tasks", "--once").returncode == 0
    result = run(str(rows), "-s", "command", *url)
    assert result.returncode == 4
    assert "  1 further_addresses: record 1\n" in result.stdout


def test_client_reports_warnings_about_the_file_at_once(url: tuple[str, str], rows: Path) -> None:
    rows.write_text("Customers\n\nname,email\nAda,ada@example.com\nEve,eve@example.com\n")
    sent = run(str(rows), "-s", "command", "--no-wait", *url)
    assert sent.returncode == 4
    assert sent.stdout.count("\n") == 1
    assert "  1 rows_above_header\n" in sent.stderr


def test_strict_imports_nothing_if_the_beginning_has_warnings(
    importer: Importer, url: tuple[str, str], rows: Path
) -> None:
    rows.write_text("name,email\nAda,ada@example.com; a@example.com\n")
    [(before,)] = importer.query("select count(*) from imports")
    result = run(str(rows), "-s", "command", "--strict", "--again", *url)
    assert result.returncode == 4
    assert "  1 further_addresses: record 1\n" in result.stdout
    assert result.stderr.startswith("Nothing was imported, since there are warnings")
    assert importer.query("select count(*) from imports") == [(before,)]


def test_strict_checks_all_of_the_file_first(
    importer: Importer, url: tuple[str, str], rows: Path, procfile: Mapping[str, list[str]]
) -> None:
    people = [f"P {number},p{number}@example.com" for number in range(5_000)]
    rows.write_text("\n".join(["name,email", *people, "Z,z@example.com"]))
    late = rows.with_name("late.csv")
    late.write_text(rows.read_text() + "; y@example.com")
    environment = worker_environment(importer.env, importer.folder / "metrics", free_port())
    with started(procfile["worker"], environment, importer.folder / "workers.log"):
        refused = run(str(late), "-s", "strict-late", "--strict", *url)
        imported = run(str(rows), "-s", "strict", "--strict", *url)

    assert refused.returncode == 4
    assert "  1 further_addresses: record 5001\n" in refused.stdout
    checked, nothing = refused.stderr.splitlines()
    assert checked.startswith("Checking the whole file first, as import-")
    assert nothing.startswith("Nothing was imported, since there are warnings")
    assert imported.returncode == 0
    assert imported.stdout.count("5,001 imported") == 1
    stored = importer.query("select source, count(*) from contacts group by source order by source")
    assert {source: count for source, count in stored if source.startswith("strict")} == {
        "strict": 5_001
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-", "-s", "x", "--strict"), 2, "--strict"),
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

"""The command line of contacts-import, and file types by name."""

import re
import tomllib
from pathlib import Path

import pytest
from contacts_import.__main__ import ExitCode, main
from contacts_import.arguments import DEFAULT_URL, parse_arguments
from contacts_import.errors import UsageError
from contacts_import.file_types import FileType

from local.processes import PROJECT


@pytest.mark.parametrize(
    ("name", "file_type"),
    [
        ("a.csv", FileType("csv", None)),
        ("A.CSV", FileType("csv", None)),
        ("a.tsv", FileType("csv", None)),
        ("a.json", FileType("json", None)),
        ("a.ndjson", FileType("ndjson", None)),
        ("a.jsonl", FileType("ndjson", None)),
        ("a.csv.gz", FileType("csv", "gzip")),
        ("folder.json/a.csv.zst", FileType("csv", "zstd")),
        ("a.tab", FileType("csv", None)),
        ("a.txt", FileType(None, None)),
        ("a.gz", FileType(None, "gzip")),
        ("a.xlsx", FileType(None, None)),
        ("csv", FileType(None, None)),
        ("", FileType(None, None)),
    ],
)
def test_from_name_knows_the_extensions(name, file_type):
    assert FileType.from_name(name) == file_type


@pytest.mark.parametrize("name", ["contacts.csv", "contacts.json.gz", "contacts.ndjson.zst"])
def test_generic_name_has_the_extensions_of_the_type(name):
    assert FileType.from_name(name).generic_name == name


def test_parse_arguments_reads_all_options():
    found = parse_arguments(
        [
            *("a.csv.gz", "-s", "crm", "--map", "Nom:name", "--map", "Courriel:email"),
            *("--delimiter", ";", "--dry-run", "--rejections", "out.csv", "--url", "http://x:1/"),
            *("--encoding", "windows-1250", "--header", "none", "--email", "none"),
            *("--keep", "90d"),
        ],
        {},
    )
    assert (found.file, found.file_type, found.source) == (
        "a.csv.gz",
        FileType("csv", "gzip"),
        "crm",
    )
    assert found.query == (
        ("map", "Nom:name"),
        ("map", "Courriel:email"),
        ("delimiter", ";"),
        ("encoding", "windows-1250"),
        ("header", "none"),
        ("email", "none"),
        ("keep", "90d"),
        ("dryRun", "true"),
    )
    assert (found.url, found.rejections, found.wait) == ("http://x:1", Path("out.csv"), True)


def test_url_defaults_to_the_environment_variable():
    assert parse_arguments(["a.json"], {}).url == DEFAULT_URL
    assert parse_arguments(["a.json"], {"CONTACTS_IMPORT_URL": "https://x"}).url == "https://x"
    assert parse_arguments(
        ["a.json", "--url", "http://y"], {"CONTACTS_IMPORT_URL": "https://x"}
    ).url == ("http://y")


def test_format_option_is_the_type_of_standard_input():
    assert parse_arguments(["-", "-f", "json.gz"], {}).file_type == FileType("json", "gzip")
    assert parse_arguments(["-", "-s", "x"], {}).file_type == FileType(None, None)


def test_charset_is_another_name_of_the_encoding():
    assert parse_arguments(["a.json", "--charset", "x"], {}).query == (("encoding", "x"),)


def test_a_preview_needs_no_source():
    assert parse_arguments(["a.csv", "--preview"], {}).preview


def test_as_dry_run_adds_the_option_and_drops_the_key():
    found = parse_arguments(["a.json", "--strict", "--idempotency-key", "k"], {}).as_dry_run()
    assert (found.query, found.key) == ((("dryRun", "true"),), None)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["a.csv"], "--source"),
        (["a.ndjson"], "--source"),
        (["a.txt"], "--source"),
        (["-"], "--source"),
        (["a.csv", "-s", "x", "-f", "xml"], "xml"),
    ],
)
def test_usage_error_names_the_missing_or_wrong_option(argv, words):
    with pytest.raises(UsageError, match=words):
        parse_arguments(argv, {})


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["a.json", "--nothing"],
        ["a.json", "--again", "--idempotency-key=x"],
        ["a.json", "--preview", "--strict"],
        ["a.json", "--dry-run", "--strict"],
        ["a.json", "--header", "1"],
        ["a.json", "--email", "x"],
    ],
)
def test_a_syntax_error_ends_with_exit_code_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(argv, {})
    assert ended.value.code == 2
    assert "usage: contacts-import" in capsys.readouterr().err


def test_help_lists_options_and_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--help"], {})
    assert ended.value.code == 0
    output = capsys.readouterr().out
    assert "usage: contacts-import" in output
    assert "--again" in output
    codes = re.findall(r"^  (\d+) ", output.partition("exit codes:\n")[2], re.MULTILINE)
    assert [int(code) for code in codes] == sorted(ExitCode)


def test_the_console_script_is_the_main_function():
    project = tomllib.loads((PROJECT / "client" / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"contacts-import": f"{main.__module__}:{main.__name__}"}


@pytest.mark.parametrize(
    ("variable", "key"),
    [("cik_x-y_1", "cik_x-y_1"), (" cik_x\n", "cik_x"), ("", None), (" ", None)],
)
def test_the_key_is_taken_from_the_environment(variable, key):
    found = parse_arguments(["a.json"], {"CONTACTS_IMPORT_KEY": variable})
    assert found.api_key == key
    assert "cik_" not in repr(found)
    assert parse_arguments(["a.json"], {}).api_key is None


@pytest.mark.parametrize("variable", ["two words", "a\nb", "schlüssel", "a\x1b"])
def test_a_variable_that_is_no_key_is_not_quoted(variable):
    with pytest.raises(UsageError) as caught:
        parse_arguments(["a.json"], {"CONTACTS_IMPORT_KEY": variable})
    assert "CONTACTS_IMPORT_KEY" in str(caught.value)
    assert variable not in str(caught.value)

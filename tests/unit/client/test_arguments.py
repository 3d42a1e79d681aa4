"""The command line, and what a file's name tells."""

import importlib
import tomllib
from pathlib import Path

import pytest
from contacts_import.arguments import DEFAULT_URL, parse
from contacts_import.errors import UsageError
from contacts_import.file_types import Kind

from local.processes import PROJECT


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", Kind("csv", None)),
        ("A.CSV", Kind("csv", None)),
        ("a.tsv", Kind("csv", None)),
        ("a.json", Kind("json", None)),
        ("a.ndjson", Kind("ndjson", None)),
        ("a.jsonl", Kind("ndjson", None)),
        ("a.csv.gz", Kind("csv", "gzip")),
        ("folder.json/a.csv.zst", Kind("csv", "zstd")),
        ("a.gz", None),
        ("a.xlsx", None),
        ("csv", None),
        ("", None),
    ],
)
def test_a_name_tells_the_kind(name, kind):
    assert Kind.of(name) == kind


def test_a_kind_has_a_name_that_tells_it():
    for name in ("contacts.csv", "contacts.json.gz", "contacts.ndjson.zst"):
        kind = Kind.of(name)
        assert kind is not None
        assert kind.name == name


def test_what_is_asked_for():
    found = parse(
        [
            *("a.csv.gz", "-s", "crm", "--map", "Nom:name", "--map", "Courriel:email"),
            *("--delimiter", ";", "--dry-run", "--rejections", "out.csv", "--url", "http://x:1/"),
        ],
        {},
    )
    assert (found.file, found.kind, found.source) == ("a.csv.gz", Kind("csv", "gzip"), "crm")
    assert found.query == (
        ("map", "Nom:name"),
        ("map", "Courriel:email"),
        ("delimiter", ";"),
        ("dryRun", "true"),
    )
    assert (found.url, found.rejections, found.wait) == ("http://x:1", Path("out.csv"), True)


def test_the_address_comes_from_the_environment_if_it_is_not_named():
    assert parse(["a.json"], {}).url == DEFAULT_URL
    assert parse(["a.json"], {"CONTACTS_IMPORT_URL": "https://x"}).url == "https://x"
    assert parse(["a.json", "--url", "http://y"], {"CONTACTS_IMPORT_URL": "https://x"}).url == (
        "http://y"
    )


def test_standard_input_has_no_name_that_tells():
    assert parse(["-", "-f", "json.gz"], {}).kind == Kind("json", "gzip")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["a.csv"], "--source"),
        (["a.ndjson"], "--source"),
        (["a.xlsx", "-s", "x"], "a.xlsx"),
        (["-", "-s", "x"], "--format"),
        (["a.csv", "-s", "x", "-f", "xml"], "xml"),
    ],
)
def test_what_cannot_be_meant_is_told(argv, words):
    with pytest.raises(UsageError, match=words):
        parse(argv, {})


@pytest.mark.parametrize(
    "argv", [[], ["a.json", "--nothing"], ["a.json", "--again", "--idempotency-key=x"]]
)
def test_what_is_no_command_line_ends_with_2(argv, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/contacts-import"])
    with pytest.raises(SystemExit) as ended:
        parse(argv, {})
    assert ended.value.code == 2
    assert "usage: contacts-import" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/service/client/__main__.py"])
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "usage: python -m contacts_import" in said
    assert "exit codes:" in said
    assert "--again" in said


def test_the_console_script_is_the_same_command():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["contacts-import"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))

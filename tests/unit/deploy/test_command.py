"""What ``contacts-importer`` runs for each command, and what it refuses."""

import argparse

import pytest

from deploy import __main__ as command
from deploy.__main__ import ROOT, main, python_module
from deploy.migrations import migrations_in

WORKER = [
    *("dramatiq", "tasks", "--path", str(ROOT), "--processes", "3", "--threads", "2"),
    *("--worker-shutdown-timeout", "10000"),
]


def parsed(*arguments: str) -> argparse.Namespace:
    return command._parser().parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        (["web"], ["service"]),
        (["worker", "--threads", "2"], WORKER),
        (["worker", "--threads", "2", "--queues", "imports"], [*WORKER, "--queues", "imports"]),
        (["once"], ["tasks", "--once"]),
        (["once", "--threads", "2"], ["tasks", "--once", "--threads", "2"]),
        (["sweep"], ["tasks", "--sweep"]),
    ],
)
def test_each_command_runs_a_module(arguments, run):
    assert python_module(parsed(*arguments)) == run


def test_processes_and_threads_are_passed_on():
    run = python_module(parsed("worker", "--processes", "1", "--threads", "8"))
    assert run[4:8] == ["--processes", "1", "--threads", "8"]


@pytest.mark.parametrize(
    ("writer", "arguments", "threads"),
    [
        (None, [], "2"),
        ("postgrest", [], "2"),
        ("copy", [], "1"),
        ("copy", ["--threads", "3"], "3"),
    ],
)
def test_the_writer_decides_how_many_parts_a_process_imports_at_the_same_time(
    writer, arguments, threads, monkeypatch
):
    started = []
    monkeypatch.setattr(command.os, "execv", lambda _, run: started.append(run))
    monkeypatch.delenv("CONTACTS_WRITER", raising=False)
    if writer:
        monkeypatch.setenv("CONTACTS_WRITER", writer)
    main(["worker", *arguments])
    (run,) = started
    assert run[run.index("--threads") + 1] == threads


def test_an_unknown_writer_ends_worker_with_2(monkeypatch, capsys):
    monkeypatch.setattr(command.os, "execv", lambda *_: pytest.fail("started"))
    monkeypatch.setenv("CONTACTS_WRITER", "psql")
    assert main(["worker"]) == 2
    assert capsys.readouterr().err.startswith("CONTACTS_WRITER")


@pytest.mark.parametrize(
    "arguments",
    [[], ["serve"], ["web", "--x"], ["worker", "--threads", "0"], ["once", "--threads", "x"]],
)
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: contacts-importer" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["web", "worker", "migrate", "once", "sweep", "health"])
def test_each_command_has_a_help_text_with_its_exit_codes(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "Exit codes: 0 " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (None, "DATABASE_URL is missing"),
        ("postgresql://u:secret@h:6543/db", "DATABASE_URL is Supabase's transaction pooler"),
        ("postgresql://u:secret@h/db?secret=1", "DATABASE_URL must be an address for libpq"),
    ],
)
def test_a_wrong_address_of_the_database_ends_migrate_with_2(address, line, monkeypatch, capsys):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    if address:
        monkeypatch.setenv("DATABASE_URL", address)
    assert main(["migrate"]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(line)
    assert "secret" not in output.err
    assert output.out == ""


def test_migrations_are_in_order_and_other_files_are_ignored(tmp_path):
    for name in ("20_b.sql", "10_a.sql", "README.md", "notes.sql"):
        (tmp_path / name).touch()
    found = migrations_in(tmp_path)
    assert [(one.version, one.name) for one in found] == [("10", "a"), ("20", "b")]

"""``contacts-importer``: starts the importer's processes, and what operators need beside them.

A command other than ``migrate`` and ``health`` replaces this process (exec), so that the process
to which a supervisor sends signals handles them, and its exit code is the command's own.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from config.settings import (
    PARTS_AT_A_TIME,
    HealthSettings,
    MigrationSettings,
    SettingsError,
    WorkerSettings,
)
from deploy.health import is_healthy
from deploy.migrations import (
    DatabaseAddressError,
    DatabaseUnavailableError,
    MigrationError,
    migrate,
)

ROOT: Final = Path(__file__).resolve().parent.parent
MIGRATIONS: Final = ROOT / "supabase" / "migrations"

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_DATABASE: Final = 3
EXIT_INTERRUPTED: Final = 130

_EPILOG: Final = (
    "Settings come from the environment: docs/configure.md. `contacts-importer COMMAND --help` "
    "describes a command, docs/operate.md lists all exit codes."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (default: the process's); return its exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "migrate":
        return _migrate()
    if options.command == "health":
        return _health(options.process)
    if options.command == "worker" and options.threads is None:
        try:
            options.threads = PARTS_AT_A_TIME[WorkerSettings.from_environment().contacts_writer]
        except SettingsError as error:
            return _report_settings(error)
    command = [sys.executable, "-m", *python_module(options)]
    return os.execv(command[0], command)  # noqa: S606 -- no shell is wanted


def python_module(options: argparse.Namespace) -> list[str]:
    """Return what ``python -m`` runs for a command, with its arguments."""
    match options.command:
        case "web":
            return ["service"]
        case "worker":
            queues = ["--queues", *options.queues] if options.queues else []
            return [
                *("dramatiq", "tasks", "--path", str(ROOT)),
                *("--processes", str(options.processes), "--threads", str(options.threads)),
                *("--worker-shutdown-timeout", "10000", *queues),
            ]
        case "once":
            threads = ["--threads", str(options.threads)] if options.threads else []
            return ["tasks", "--once", *threads]
        case "sweep":
            return ["tasks", "--sweep"]
        case _:
            raise ValueError(options.command)


def _report_settings(error: SettingsError) -> int:
    sys.stderr.write("".join(f"{line}\n" for line in error.lines))
    return EXIT_USAGE


def _health(process: str) -> int:
    try:
        settings = HealthSettings.from_environment()
    except SettingsError as error:
        return _report_settings(error)
    if is_healthy(process, settings):
        return EXIT_OK
    sys.stderr.write(f"{process} does not answer\n")
    return EXIT_FAILED


def _migrate() -> int:
    try:
        settings = MigrationSettings.from_environment()
        applied = migrate(settings.database_url.get_secret_value(), MIGRATIONS)
        for migration in applied:
            sys.stdout.write(f"applied {migration.path.name}\n")
            sys.stdout.flush()
    except SettingsError as error:
        return _report_settings(error)
    except DatabaseAddressError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except DatabaseUnavailableError as error:
        sys.stderr.write(f"The database cannot be reached: {error}\n")
        return EXIT_NO_DATABASE
    except MigrationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    sys.stdout.write("the database is up to date\n")
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="contacts-importer",
        description="Runs the contacts importer.",
        epilog=_EPILOG,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add(
        commands,
        "web",
        "serve the HTTP API until SIGTERM",
        "Exit codes: 0 stopped in order, 1 cannot listen at HOST and PORT, 2 wrong settings.",
    )
    worker = _add(
        commands,
        "worker",
        "import what is queued until SIGTERM",
        "Exit codes: 0 stopped in order, 1 a worker process was killed: restart it, 2 wrong "
        "settings, 3 a worker process did not stop in time.",
    )
    worker.add_argument(
        "--processes",
        type=_positive,
        default=3,
        metavar="N",
        help="worker processes; of several, the first one takes small imports and webhooks "
        "(default: 3)",
    )
    worker.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="parts of large imports that a process imports at the same time (default: 2, or 1 "
        "with CONTACTS_WRITER=copy)",
    )
    worker.add_argument(
        "--queues",
        nargs="+",
        metavar="QUEUE",
        help="take these queues only, of imports, imports-small and webhooks (default: all)",
    )
    _add(
        commands,
        "migrate",
        "create or upgrade the tables in DATABASE_URL",
        "Applies each file of supabase/migrations once, in order, and records it in the table "
        "that the Supabase CLI uses. Several may run at a time: one waits for the other. Needs "
        "no setting but DATABASE_URL. Exit codes: 0 the database is up to date, 1 a migration "
        "failed and was rolled back, 2 DATABASE_URL is missing or wrong, 3 the database cannot "
        "be reached, 130 interrupted.",
    )
    once = _add(
        commands,
        "once",
        "work until the queue is empty, then end",
        "Exit codes: 0 the queue is empty, 1 an import or an undo failed, 2 wrong settings, 3 the "
        "database cannot be reached, 4 imports are still open, 130 or 143 stopped by a signal.",
    )
    once.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="parts to import at the same time (default: the number of processors)",
    )
    _add(
        commands,
        "sweep",
        "queue imports that lost their message, remove what belongs to no import",
        "Exit codes: 0 swept, 2 wrong settings, 3 Storage or the database failed.",
    )
    health = _add(
        commands,
        "health",
        "ask a process of this machine whether it lives, for health checks of containers",
        "Exit codes: 0 it answers, 1 it does not, 2 wrong settings.",
    )
    health.add_argument("process", choices=["web", "worker"], help="which of the two")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    details: str,
) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}. {details}"
    return commands.add_parser(name, help=summary, description=description)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

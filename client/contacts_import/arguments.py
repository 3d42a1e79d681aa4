"""The command line."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contacts_import.errors import UsageError
from contacts_import.file_types import Kind

URL_VARIABLE: Final = "CONTACTS_IMPORT_URL"
DEFAULT_URL: Final = "http://127.0.0.1:8000"
STDIN: Final = "-"

_DESCRIPTION: Final = "Send a file of contacts, wait for the end, and tell what became of it."
_EXIT_CODES: Final = """\
exit codes:
  0   all records were imported (or would be: --dry-run); with --no-wait: it was accepted
  1   the import was refused, failed, cancelled or undone, or the service cannot be reached
  2   wrong arguments, or the file cannot be read
  3   the import is complete, but some of its records were rejected

A file that is sent again, with the same options, is the same import as before: so the command can
be repeated when it is not clear whether it came to its end. (The Idempotency-Key is a hash of the
file and the options; standard input, which cannot be read twice, has none unless you name it.) To
import the same file once more, say --again.
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for."""

    file: str
    """A path, or ``-``."""
    kind: Kind
    url: str
    source: str | None
    charset: str | None
    query: tuple[tuple[str, str], ...]
    """The options that the service itself knows, as they stand in the address."""
    key: str | None
    again: bool
    wait: bool
    rejections: Path | None


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Arguments:
    """Raises UsageError; ``--help`` and what argparse itself refuses end the process (0, 2)."""
    found = _parser(environment).parse_args(argv)
    kind = _kind(found.file, found.format)
    if found.source is None and kind.format != "json":
        raise UsageError("Say where the contacts come from: --source NAME")
    return Arguments(
        file=found.file,
        kind=kind,
        url=found.url.rstrip("/"),
        source=found.source,
        charset=found.charset,
        query=_query(found),
        key=found.idempotency_key,
        again=found.again,
        wait=found.wait,
        rejections=found.rejections,
    )


def _kind(file: str, named: str | None) -> Kind:
    if named is not None:
        found = Kind.of(f"x.{named}")
    elif file == STDIN:
        raise UsageError("Say what standard input is: --format csv, json or ndjson")
    else:
        found = Kind.of(file)
    if found is None:
        raise UsageError(f"What {named or file} is cannot be told: --format csv, json or ndjson")
    return found


def _query(found: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    pairs = [("map", each) for each in found.map]
    if found.delimiter is not None:
        pairs.append(("delimiter", found.delimiter))
    if found.dry_run:
        pairs.append(("dryRun", "true"))
    return tuple(pairs)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_name(Path(sys.argv[0])),
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="CSV, JSON or NDJSON, also .gz or .zst; - is standard input")
    add(
        "-s",
        "--source",
        metavar="NAME",
        help='where the contacts come from; only a JSON file {"source": ..., "data": [...]} says '
        "it itself",
    )
    add("-f", "--format", help="csv, json, ndjson, csv.gz, ...; by default the name tells")
    _add_reading(parser)
    _add_running(parser, environment.get(URL_VARIABLE) or DEFAULT_URL)
    return parser


def _name(called: Path) -> str:
    return "python -m contacts_import" if called.name == "__main__.py" else called.name


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how a CSV file is read")
    group.add_argument("--delimiter", help="what separates its fields; by default it is found")
    group.add_argument("--charset", help="its encoding; by default it is found")
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN:FIELD",
        help="FIELD is name, email, first_name or last_name; may be given for each column",
    )


def _add_running(parser: argparse.ArgumentParser, url: str) -> None:
    add = parser.add_argument
    add("--dry-run", action="store_true", help="check everything, import nothing")
    add("--rejections", type=Path, metavar="FILE", help="write the rejected records there, as CSV")
    add("--no-wait", dest="wait", action="store_false", help="end once the import is accepted")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--idempotency-key", metavar="KEY", help="same key, same import: see below")
    keys.add_argument("--again", action="store_true", help="import it even if it was before")
    add("--url", default=url, help=f"address of the service (or {URL_VARIABLE}; now %(default)s)")

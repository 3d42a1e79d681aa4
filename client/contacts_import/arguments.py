"""Parses the command line."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from contacts_import import __version__
from contacts_import.errors import UsageError
from contacts_import.file_types import FileType
from contacts_import.variables import KEY_VARIABLE, URL_VARIABLE

DEFAULT_URL: Final = "http://127.0.0.1:8000"
STDIN: Final = "-"

_DRY_RUN: Final = ("dryRun", "true")
_PROGRAM: Final = "contacts-import"
_DESCRIPTION: Final = (
    "Send a file of contacts to a contacts importer, wait until the import has ended, and report "
    "the result."
)
_EPILOG: Final = f"""\
If the service needs a key, put it into the environment variable {KEY_VARIABLE}.

exit codes:
  0   all records were imported (with --dry-run or --preview: would be; with --no-wait: the file
      was accepted), and there is nothing to look at
  1   the request was rejected, the import did not complete, or the service cannot be reached
  2   the arguments are wrong, or a file cannot be read or written
  3   the import is complete, but some records were rejected (there may be warnings, too)
  4   all records were imported, but there are warnings; with --strict nothing was imported
  130 interrupted; an import that was accepted continues

The command can be repeated safely: the same file with the same options is the same import. (The
Idempotency-Key is a hash of the file and the options. Standard input cannot be read twice, so it
has no key unless you give one.) Use --again to import the same file once more.
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line."""

    file: str
    """A path, or ``-`` for standard input."""
    file_type: FileType
    url: str
    source: str | None
    query: tuple[tuple[str, str], ...]
    """The query parameters of ``POST /import`` that the options set."""
    key: str | None
    again: bool
    wait: bool
    rejections: Path | None
    preview: bool
    """Whether to show only how the file would be read."""
    strict: bool
    """Whether a file with warnings is not imported."""
    api_key: str | None = field(default=None, repr=False)
    """From the environment alone: other users of a machine can see the arguments of commands."""

    def as_dry_run(self) -> Self:
        """Return the arguments that check the file of an import, and import nothing."""
        return replace(self, query=(*self.query, _DRY_RUN), key=None)


def parse_arguments(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Arguments:
    """Parse the command line.

    Raises UsageError for arguments that do not fit together; argparse itself ends the process for
    ``--help`` and ``--version`` (exit code 0) and for syntax errors (2).
    """
    parser = _make_parser(environment.get(URL_VARIABLE) or DEFAULT_URL)
    options = parser.parse_args(argv)
    file_type = _file_type(options.file, options.format)
    if options.source is None and file_type.format != "json" and not options.preview:
        raise UsageError("The source of the contacts is missing: add --source NAME")
    query = [("map", mapping) for mapping in options.map]
    query += [
        (name, value)
        for name in ("delimiter", "encoding", "header", "email", "name", "keep")
        if (value := getattr(options, name)) is not None
    ]
    if options.dry_run:
        query.append(_DRY_RUN)
    return Arguments(
        file=options.file,
        file_type=file_type,
        url=options.url.rstrip("/"),
        source=options.source,
        query=tuple(query),
        key=options.idempotency_key,
        again=options.again,
        wait=options.wait,
        rejections=options.rejections,
        preview=options.preview,
        strict=options.strict,
        api_key=_api_key(environment),
    )


def _api_key(environment: Mapping[str, str]) -> str | None:
    """Return the key for the service; raises UsageError, which does not quote it."""
    key = environment.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{KEY_VARIABLE} is not a key: it has other characters than keys have")
    return key or None


def _file_type(file: str, format_option: str | None) -> FileType:
    if format_option is None:
        return FileType.from_name("" if file == STDIN else file)
    file_type = FileType.from_name(f"x.{format_option}")
    if file_type.format is None:
        raise UsageError(
            f"The format {format_option} is unknown: leave --format out, or use csv, json or ndjson"
        )
    return file_type


def _make_parser(url: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "file",
        metavar="FILE",
        help="a file of contacts (.csv, .tsv, .txt, .json, .ndjson, ...), optionally compressed "
        "(.gz, .zst); - for standard input",
    )
    add(
        "-s",
        "--source",
        metavar="NAME",
        help="where the contacts come from; required, except for a JSON file of the form "
        '{"source": ..., "data": [...]}',
    )
    add(
        "-f",
        "--format",
        help="csv, json, ndjson, csv.gz, ...; default: by the extension of the file, else by what "
        "it begins with",
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--preview",
        action="store_true",
        help="show how the file would be read, with its first records, and import nothing",
    )
    modes.add_argument("--dry-run", action="store_true", help="check all records, but import none")
    modes.add_argument(
        "--strict",
        action="store_true",
        help="check the whole file first, and import nothing if there are warnings",
    )
    add(
        "--rejections",
        type=Path,
        metavar="FILE",
        help="write the rejected records to this file, as CSV",
    )
    add("--no-wait", dest="wait", action="store_false", help="exit once the file is accepted")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--idempotency-key",
        metavar="KEY",
        help="requests with the same key are the same import; default: see below",
    )
    keys.add_argument(
        "--again", action="store_true", help="import the file even if it was imported before"
    )
    add(
        "--keep",
        metavar="TIME",
        help="how long the service keeps the file and the rejections, such as 12h or 90d; default: "
        "as long as its operator allows",
    )
    add(
        "--url",
        default=url,
        help=f"address of the service (default: {URL_VARIABLE} or {DEFAULT_URL}; now %(default)s)",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    reading = parser.add_argument_group("how the file is read (all of this is detected)")
    reading.add_argument("--encoding", "--charset", metavar="NAME", help="the character encoding")
    reading.add_argument("--delimiter", help="CSV: the field separator")
    reading.add_argument(
        "--header", choices=["none"], help="CSV: the first row is a contact; map columns by number"
    )
    reading.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN:FIELD",
        help="read FIELD (name, email, first_name or last_name) from COLUMN: its name, with "
        "--header none its number, in JSON its key, as in properties.email:email; may be repeated",
    )
    reading.add_argument(
        "--email", choices=["none"], help="import without addresses, whatever the columns hold"
    )
    reading.add_argument(
        "--name", choices=["none"], help="import without names, whatever the columns hold"
    )
    return parser

"""The entry point of ``contacts-import`` and ``python -m contacts_import``."""

import secrets
import sys
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Final

import httpx

from contacts_import.arguments import STDIN, Arguments, parse_arguments
from contacts_import.console import bytes_bar, note, records_bar
from contacts_import.errors import ClientError, UsageError
from contacts_import.importer import Accepted, Importer, Job
from contacts_import.report import format_preview, format_result, warning_lines
from contacts_import.request import derive_key, make_request
from contacts_import.source_file import SourceFile

_TIMEOUT: Final = httpx.Timeout(60, connect=10, read=300)
"""Seconds. The answer to an upload comes when all of it is stored, so reading may take long."""


class ExitCode(IntEnum):
    """The exit codes, as ``--help`` lists them."""

    IMPORTED = 0
    FAILED = 1
    USAGE = 2
    REJECTIONS = 3
    WARNINGS = 4
    INTERRUPTED = 130


def main() -> int:
    """Run the command; returns the exit code."""
    try:
        return _run(parse_arguments(sys.argv[1:]))
    except UsageError as error:
        note(str(error))
        return ExitCode.USAGE
    except ClientError as error:
        note(str(error))
        return ExitCode.FAILED
    except KeyboardInterrupt:
        note("Interrupted. An import that was accepted continues.")
        return ExitCode.INTERRUPTED


def _run(arguments: Arguments) -> ExitCode:
    file = SourceFile(None if arguments.file == STDIN else Path(arguments.file))
    if arguments.strict and not file.repeatable:
        raise UsageError("--strict reads the file twice, which a pipe cannot be: save it first")
    headers = {"Authorization": f"Bearer {arguments.api_key}"} if arguments.api_key else {}
    with httpx.Client(base_url=arguments.url, headers=headers, timeout=_TIMEOUT) as http:
        importer = Importer(http, note)
        if arguments.preview:
            return _preview(importer, arguments, file)
        if arguments.strict and (code := _check(importer, arguments, file)) is not None:
            return code
        accepted = _upload(importer, arguments, file)
        if accepted.replayed:
            note(
                f"This file was sent before, as {accepted.job_id}; it is not imported twice. "
                "(Use --again to import it once more.)"
            )
        elif arguments.wait:
            note(f"Accepted as {accepted.job_id}")
        if not arguments.wait:
            sys.stdout.write(f"{accepted.job_id}\n")
            for line in warning_lines(accepted.warnings):
                note(line)
            return ExitCode.WARNINGS if accepted.warnings else ExitCode.IMPORTED
        job = _follow(importer, accepted)
        sys.stdout.write(f"{format_result(job)}\n")
        if arguments.rejections is not None and job["state"] != "undone":
            importer.download_rejections(accepted.job_id, arguments.rejections)
    return _exit_code(job, file)


def _preview(importer: Importer, arguments: Arguments, file: SourceFile) -> ExitCode:
    preview = importer.preview(make_request(arguments, file, None))
    sys.stdout.write(f"{format_preview(preview)}\n")
    if any(record["outcome"] == "rejected" for record in preview["records"]):
        return ExitCode.REJECTIONS
    return ExitCode.WARNINGS if preview["warnings"] else ExitCode.IMPORTED


def _check(importer: Importer, arguments: Arguments, file: SourceFile) -> ExitCode | None:
    """Check the whole file for ``--strict``; returns None if it can be imported.

    The beginning is looked at first, since most warnings are about that.
    """
    preview = importer.preview(make_request(replace(arguments, preview=True), file, None))
    if preview["warnings"]:
        lines = warning_lines(preview["warnings"], "Warnings about the beginning of the file:")
        sys.stdout.write("\n".join([*lines, ""]))
    else:
        checked = _upload(importer, arguments.as_dry_run(), file)
        note(f"Checking the whole file first, as {checked.job_id}")
        job = _follow(importer, checked)
        if job["state"] == "completed" and not job.get("warnings"):
            return None
        sys.stdout.write(f"{format_result(job)}\n")
        if job["state"] != "completed":
            return ExitCode.FAILED
    note("Nothing was imported, since there are warnings and --strict is set.")
    return ExitCode.WARNINGS


def _upload(importer: Importer, arguments: Arguments, file: SourceFile) -> Accepted:
    request = make_request(arguments, file, _idempotency_key(arguments, file))
    with bytes_bar("Sending", file.size) as start_progress:
        return importer.upload(request, start_progress)


def _follow(importer: Importer, accepted: Accepted) -> Job:
    """Wait until an import has ended; returns it in its final state."""
    job: Job = {}
    with records_bar() as update:
        for job in importer.follow(accepted.job_id):
            update(job)
    return job


def _idempotency_key(arguments: Arguments, file: SourceFile) -> str | None:
    if arguments.key is not None:
        return arguments.key
    if not file.repeatable:
        return None
    if arguments.again:
        return secrets.token_hex()
    with bytes_bar("Reading", file.size) as start_progress:
        return derive_key(arguments, file, start_progress())


def _exit_code(job: Job, file: SourceFile) -> ExitCode:
    receipt = job.get("receipt")
    if receipt and receipt["sha256"] != file.sha256:
        note("The file changed while it was read: the service received other bytes.")
        return ExitCode.FAILED
    if job["state"] != "completed":
        return ExitCode.FAILED
    if job["rejected"]:
        return ExitCode.REJECTIONS
    return ExitCode.WARNINGS if job.get("warnings") else ExitCode.IMPORTED


if __name__ == "__main__":
    sys.exit(main())

"""The entry point of ``contacts-import`` and ``python -m contacts_import``."""

import secrets
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

import httpx

from contacts_import.arguments import STDIN, Arguments, parse_arguments
from contacts_import.console import bytes_bar, format_result, note, records_bar
from contacts_import.errors import ClientError, UsageError
from contacts_import.importer import Importer, Job
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
    request = make_request(arguments, file, _idempotency_key(arguments, file))
    with httpx.Client(base_url=arguments.url, timeout=_TIMEOUT) as http:
        importer = Importer(http, note)
        with bytes_bar("Sending", file.size) as start_progress:
            accepted = importer.upload(request, start_progress)
        if accepted.replayed:
            note(
                f"This file was sent before, as {accepted.job_id}; it is not imported twice. "
                "(Use --again to import it once more.)"
            )
        elif arguments.wait:
            note(f"Accepted as {accepted.job_id}")
        if not arguments.wait:
            sys.stdout.write(f"{accepted.job_id}\n")
            return ExitCode.IMPORTED
        job: Job = {}
        with records_bar() as update:
            for job in importer.follow(accepted.job_id):
                update(job)
        sys.stdout.write(f"{format_result(job)}\n")
        if arguments.rejections is not None and job["state"] != "undone":
            importer.download_rejections(accepted.job_id, arguments.rejections)
    return _exit_code(job, file)


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
    return ExitCode.REJECTIONS if job["rejected"] else ExitCode.IMPORTED


if __name__ == "__main__":
    sys.exit(main())

"""``python -m contacts_import FILE --source NAME``: see ``--help``."""

import secrets
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

import httpx

from contacts_import.arguments import STDIN, Arguments, parse
from contacts_import.console import bytes_bar, note, records_bar, result
from contacts_import.errors import ClientError, UsageError
from contacts_import.importer import Accepted, Importer, Job
from contacts_import.request import derived_key, make_request
from contacts_import.source_file import Contents

_TIMEOUT: Final = httpx.Timeout(60, connect=10, read=300)
"""Seconds; the answer to an upload comes only when all of it is stored."""


class Outcome(IntEnum):
    """How the command ends."""

    IMPORTED = 0
    FAILED = 1
    USAGE = 2
    REJECTIONS = 3
    INTERRUPTED = 130


def main() -> int:
    """Import the file that the command line names; returns the exit code."""
    try:
        return _run(parse(sys.argv[1:]))
    except UsageError as error:
        note(str(error))
        return Outcome.USAGE
    except ClientError as error:
        note(str(error))
        return Outcome.FAILED
    except KeyboardInterrupt:
        note("Stopped here; an import that was accepted goes on.")
        return Outcome.INTERRUPTED


def _run(arguments: Arguments) -> Outcome:
    contents = Contents(None if arguments.file == STDIN else Path(arguments.file))
    with httpx.Client(base_url=arguments.url, timeout=_TIMEOUT) as http:
        importer = Importer(http, note)
        accepted = _send(importer, arguments, contents)
        if not arguments.wait:
            sys.stdout.write(f"{accepted.job_id}\n")
            return Outcome.IMPORTED
        job = _follow(importer, accepted.job_id)
        sys.stdout.write(f"{result(job)}\n")
        if arguments.rejections is not None and job["state"] != "undone":
            importer.keep_rejections(accepted.job_id, arguments.rejections)
    return _outcome(job, contents)


def _send(importer: Importer, arguments: Arguments, contents: Contents) -> Accepted:
    request = make_request(arguments, contents, _key(arguments, contents))
    with bytes_bar("Sending", contents.size) as start:
        accepted = importer.send(request, start)
    if accepted.earlier:
        note(
            f"It was sent before, as {accepted.job_id}: nothing is imported twice. (--again does.)"
        )
    elif arguments.wait:
        note(f"Accepted as {accepted.job_id}")
    return accepted


def _key(arguments: Arguments, contents: Contents) -> str | None:
    if arguments.key is not None:
        return arguments.key
    if not contents.repeatable:
        return None
    if arguments.again:
        return secrets.token_hex()
    with bytes_bar("Reading", contents.size) as start:
        return derived_key(arguments, contents, start())


def _follow(importer: Importer, job_id: str) -> Job:
    job: Job = {}
    with records_bar() as show:
        for job in importer.follow(job_id):
            show(job)
    return job


def _outcome(job: Job, contents: Contents) -> Outcome:
    receipt = job.get("receipt")
    if receipt and receipt["sha256"] != contents.sha256:
        note("What arrived is not what the file holds now: it was changed while it was read.")
        return Outcome.FAILED
    if job["state"] != "completed":
        return Outcome.FAILED
    return Outcome.REJECTIONS if job["rejected"] else Outcome.IMPORTED


if __name__ == "__main__":
    sys.exit(main())

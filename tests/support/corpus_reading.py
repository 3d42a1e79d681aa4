"""Reads a file in this process as the service and the workers do, without either."""

from collections.abc import Sequence
from pathlib import PurePath

from core.errors import MalformedInputError
from core.records.classify import classify
from core.records.parsing import parser_for
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.media_types import kind_of_file
from service.intake.options import ImportOptions
from service.intake.reading import decide_reading
from service.intake.request import ImportRequest
from service.problems import ProblemError

LIMITS = Limits(body_bytes=1 << 24, record_bytes=1 << 20, part_bytes=1 << 16)


def read_file(
    data: bytes, name: str, options: ImportOptions | None = None
) -> tuple[Sequence[tuple[str, str]], Sequence[tuple[int, str]], Sequence[str]] | str:
    """Return contacts, rejections and codes of warnings; or the code of a problem."""
    kind = kind_of_file("", PurePath(name).suffix)
    request = ImportRequest(kind, options or ImportOptions("corpus"), is_file=True)
    try:
        reading = decide_reading(request, Sample.of(data))
        splitter = reading.splitter(LIMITS)
        stored = b"".join([*splitter.feed(data), *splitter.close()])
        split = splitter.split()
    except (MalformedInputError, ProblemError) as error:
        return error.code
    contacts: list[tuple[str, str]] = []
    rejected: list[tuple[int, str]] = []
    warnings = [warning.code for warning in split.plan.warnings]
    for part in split.parts:
        parser = parser_for(split.format, split.plan, part.byte_start)
        record = part.first_record
        scanner = parser.scanner
        runs = [*scanner.feed(stored[part.byte_start : part.byte_end]), *scanner.close()]
        for run in runs:
            classified = classify(run, record, parser)
            record += len(run.records)
            pairs = zip(classified.names, classified.emails, strict=True)
            contacts += [pair for pair in pairs if pair != ("", "")]
            rejected += [(each.record, each.reason.code) for each in classified.rejected]
            warnings += [code for _, code in classified.warnings]
    return contacts, rejected, warnings

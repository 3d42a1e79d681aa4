"""Reads a file in this process as the service and the workers do, without either."""

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
from tests.support.corpus import Imported, Refused

LIMITS = Limits(body_bytes=1 << 24, record_bytes=1 << 20, part_bytes=1 << 16)


def read_file(data: bytes, name: str, options: ImportOptions | None = None) -> Imported | Refused:
    """Return what the import of a file with this name would store and reject."""
    kind = kind_of_file("", PurePath(name).suffix)
    request = ImportRequest(kind, options or ImportOptions("corpus"), is_file=True)
    try:
        reading = decide_reading(request, Sample.of(data))
        splitter = reading.splitter(LIMITS)
        stored = b"".join([*splitter.feed(data), *splitter.close()])
        split = splitter.split()
    except (MalformedInputError, ProblemError) as error:
        return Refused(error.code)

    contacts: list[tuple[str, str]] = []
    rejections: list[tuple[str, str]] = []
    for part in split.parts:
        parser = parser_for(split.format, split.plan, part.byte_start)
        record = part.first_record
        scanner = parser.scanner
        runs = [*scanner.feed(stored[part.byte_start : part.byte_end]), *scanner.close()]
        for run in runs:
            classified = classify(run, record, parser)
            texts = parser.texts(run)
            pairs = zip(classified.names, classified.emails, strict=True)
            contacts += [pair for pair in pairs if pair != ("", "")]
            for each in classified.rejected:
                text = texts[each.record - record].decode("utf-8", "replace")
                rejections.append((each.reason.code, text))
            record += len(run.records)
    return Imported(contacts, rejections)

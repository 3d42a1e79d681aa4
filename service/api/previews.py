"""``/import/preview``: shows how a file would be read, and keeps nothing."""

import asyncio
from collections.abc import Iterator

import msgspec
import structlog
from aiohttp import web
from msgspec import UNSET

from core.job_view import Notice, plan_warnings, record_warning, to_detected
from core.reading.warnings import MESSAGES
from service.api.rejection_rows import Columns, columns_of
from service.api.schemas import ImportPreview, Outcome, PreviewedRecord, json_answer
from service.api.uploads import Uploads
from service.columns import columns_of_records
from service.intake.detected import detected
from service.intake.limits import Limits
from service.intake.preview import PREVIEWED_RECORDS, Preview, make_preview, sampled_values
from service.intake.reading import plan_upload
from service.metrics import ServiceMetrics

_log = structlog.stdlib.get_logger(__name__)


class Previews:
    """Handler of the route."""

    def __init__(self, metrics: ServiceMetrics, limits: Limits, uploads: Uploads) -> None:
        self.uploads = uploads
        self._metrics = metrics
        self._limits = limits

    async def make(self, request: web.Request) -> web.Response:
        """``POST /import/preview``: read the first bytes; answer how the file would be read.

        The rest of the body is not read. If it has not arrived, the connection is closed after the
        answer, once the client has had some seconds to read it.
        """
        upload, body = await self.uploads.open(request)
        sample = await body.sample(may_be_cut=True)
        reading = await plan_upload(upload, sample, needs_source=False)
        preview = await asyncio.to_thread(make_preview, reading, sample, self._limits)
        answer = _answer(preview, upload.compression)
        self._metrics.previews.labels(format=preview.split.format).inc()
        _log.info("preview made", format=preview.split.format.value, records=len(answer.records))
        response = json_answer(answer)
        if not request.content.is_eof():
            response.force_close()
        return response


def _answer(preview: Preview, compression: str | None) -> ImportPreview:
    split = preview.split
    return ImportPreview(
        format=split.format,
        detected=to_detected(detected(split, compression)),
        complete=preview.is_complete,
        records_seen=split.records,
        columns=columns_of_records(split.plan, sampled_values(preview.contents)),
        records=list(_records(preview, columns_of(split.plan.to_json(), ()))),
        warnings=_warnings(preview),
    )


def _records(preview: Preview, columns: Columns) -> Iterator[PreviewedRecord]:
    """Yield the first records as they would be imported."""
    for run in preview.runs:
        rejected = {each.record: each.reason for each in run.rejected}
        skipped = dict(run.skipped)
        contacts = zip(run.names, run.emails, strict=True)
        for record, (name, email) in enumerate(contacts, run.first_record):
            if record > PREVIEWED_RECORDS:
                return
            reason, skip = rejected.get(record), skipped.get(record)
            outcome: Outcome = "rejected" if reason else "skipped" if skip else "imported"
            content = preview.contents[record - 1].decode("utf-8", "replace")
            yield PreviewedRecord(
                record=record,
                outcome=outcome,
                name=name,
                email=email,
                code=reason.code if reason else skip or UNSET,
                message=reason.message if reason else MESSAGES[skip] if skip else UNSET,
                warnings=[code for number, code in run.warnings if number == record],
                content=_shown(columns.read(content).value),
            )


def _shown(value: object) -> object:
    """Return a record as a value; as its text if it has numbers that are too large."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return bytes(value).decode("utf-8", "replace")


def _warnings(preview: Preview) -> list[Notice]:
    """Return the warnings of the plan, and those about the records that were looked at."""
    records: dict[str, list[int]] = {}
    for run in preview.runs:
        for number, code in run.warnings:
            records.setdefault(code, []).append(number)
    return [
        *plan_warnings(msgspec.to_builtins(preview.split.plan.warnings)),
        *(record_warning(code, len(numbers), numbers) for code, numbers in records.items()),
    ]

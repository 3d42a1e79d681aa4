"""The operations of the API: ``routes`` serves them, and the OpenAPI document describes them."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST

from core.job_view import Job, JobId, Source
from core.states import ImportState
from service.api import examples
from service.api.openapi.elements import (
    Operation,
    answer,
    answer_header,
    content,
    header,
    path,
    query,
)
from service.api.schemas import (
    Accepted,
    ColumnMapping,
    Delimiter,
    DryRun,
    Email,
    Encoding,
    Erasure,
    ErasureId,
    ErasureRequest,
    Header,
    Health,
    IdempotencyKey,
    ImportForm,
    ImportPreview,
    ImportRequest,
    ImportsPage,
    Keep,
    Name,
    NotifyUrl,
    Readiness,
    RecordCursor,
    RejectionsPage,
)
from service.keys.scopes import Scope

IMPORTS: Final = "Imports"
ERASURES: Final = "Erasures"
MONITORING: Final = "Monitoring"
PAGES: Final = "Web pages"

MAX_IMPORTS: Final = 100
"""Imports on a page of the list, at most."""
DEFAULT_IMPORTS: Final = 20
MAX_REJECTIONS: Final = 1000
"""Rejections on a page, at most."""
DEFAULT_REJECTIONS: Final = 100

_BODY_PROBLEMS: Final = (
    "malformed_json",
    "malformed_csv",
    "malformed_compression",
    "malformed_multipart",
    "duplicate_key",
    "field_too_late",
    "invalid_text",
    "invalid_utf8",
    "nested_too_deeply",
    "number_too_long",
    "truncated_body",
    "client_too_slow",
    "body_too_large",
    "compression_ratio_too_high",
    "envelope_too_large",
    "record_too_large",
    "unsupported_charset",
    "unsupported_encoding",
    "unsupported_file",
    "unsupported_media_type",
    "wrong_encoding",
    "encoding_uncertain",
    "csv_header_unusable",
    "email_column_unclear",
    "name_column_unclear",
    "records_ambiguous",
    "data_missing",
    "data_not_array",
    "data_not_objects",
    "records_too_short",
    "file_missing",
)
_OPTION_PROBLEMS: Final = (
    "source_invalid",
    "source_missing",
    "delimiter_invalid",
    "mapping_invalid",
    "encoding_invalid",
    "header_invalid",
    "email_option_invalid",
    "name_option_invalid",
    "dry_run_invalid",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "notify_invalid",
    "keep_invalid",
    "unknown_option",
    "webhooks_disabled",
)
_IMPORT_ALONE: Final = {"source_missing", "idempotency_key_reused"}
"""Problems that a preview does not have."""
_BUSY_PROBLEMS: Final = (
    "too_many_uploads",
    "shutting_down",
    "storage_unavailable",
    "database_unavailable",
    "storage_refused",
    "database_refused",
)
_JOB_PROBLEMS: Final = (
    "import_not_found",
    "unknown_option",
    "database_unavailable",
    "database_refused",
)
_PAGE_PROBLEMS: Final = (
    "limit_invalid",
    "cursor_invalid",
    "unknown_option",
    "database_unavailable",
    "database_refused",
)

_JOB_ID: Final = path("jobId", JobId)
_JOB: Final = content(Job, example=examples.JOB)
_LINK: Final = answer_header("Address of the next page, if there is one (RFC 8288).")


def _limit(most: int, default: int) -> dict[str, Any]:
    return query(
        "limit",
        Annotated[int, Meta(ge=1, le=most)],
        "Maximum number of entries on a page.",
        default,
    )


_READING_OPTIONS: Final = (
    query("dryRun", DryRun, default=False),
    query("delimiter", Delimiter),
    query("map", ColumnMapping),
    query("encoding", Encoding),
    query("header", Header),
    query("email", Email),
    query("name", Name),
    query("notify", NotifyUrl),
    query("keep", Keep),
)
_CONTENT_ENCODING: Final = header(
    "Content-Encoding",
    Literal["gzip", "zstd"],
    "Compression of the body. Not for forms: compress the file in the form instead.",
)
_BODY: Final = (
    content(ImportRequest, example=examples.JSON)
    | content(str, media_type="text/csv", example=examples.CSV)
    | content(str, media_type="application/x-ndjson", example=examples.NDJSON)
    | {
        "multipart/form-data": {
            **content(ImportForm, example=examples.FORM)["application/json"],
            "encoding": {
                "file": {"contentType": "text/csv, application/json, application/x-ndjson"}
            },
        }
    }
)

CREATE_IMPORT: Final = Operation(
    method="POST",
    path="/import",
    id="createImport",
    tag=IMPORTS,
    scope=Scope.IMPORT,
    summary="Import contacts",
    description="Send contacts as JSON, NDJSON, CSV or a form with a file. The body is streamed "
    "and can be of any size. The answer comes when the body is stored and the import is queued: "
    "from then on it is processed even if the service or the database restarts. Any other answer "
    "means that nothing is imported.\n\n"
    "NDJSON can also be sent as `application/ndjson` or `application/jsonl`, and any of these as "
    "`application/octet-stream` or `text/plain`: the first 64 KiB decide how the text is read. "
    "What you do not specify in options is detected: encoding, delimiter, header, and which column "
    "or key holds what. Options can be given in the address or, in a form, as fields. Unknown "
    "options, and options that do not apply to the format, are rejected.",
    parameters=(
        query(
            "source",
            Source,
            "A name for where the contacts come from. Required for CSV and NDJSON. JSON and forms "
            "can have it in the body instead; if it is in both places it must be the same.",
        ),
        *_READING_OPTIONS,
        header("Idempotency-Key", IdempotencyKey),
        _CONTENT_ENCODING,
    ),
    body=_BODY,
    answers={
        "202": answer(
            "The import is queued, or was created by an earlier request with the same key.",
            content(Accepted, example=examples.ACCEPTED),
            **{
                "Location": answer_header("Path of the import.", always=True),
                "Idempotent-Replayed": answer_header(
                    "`true` if an earlier request created the import."
                ),
            },
        )
    },
    problems=_BODY_PROBLEMS + _OPTION_PROBLEMS + _BUSY_PROBLEMS,
)

PREVIEW_IMPORT: Final = Operation(
    method="POST",
    path="/import/preview",
    id="previewImport",
    tag=IMPORTS,
    scope=Scope.IMPORT,
    summary="Preview an import",
    description="Shows how a file would be read, and keeps nothing. Send the same as to "
    "`POST /import`: the whole file, or its first 64 KiB or more, since no more is read. The "
    "answer has the columns with samples and what they are taken for, the first ten records as "
    "they would be imported, and warnings. To change something, add options and ask again; then "
    "send the same options to `POST /import`.\n\n"
    "The connection may be closed after the answer, if the rest of the body has not arrived by "
    "then. `source` can be left out, and `dryRun`, `notify`, `keep` and `Idempotency-Key` have no "
    "effect.",
    parameters=(
        query("source", Source, "As for an import; optional."),
        *_READING_OPTIONS,
        header("Idempotency-Key", IdempotencyKey),
        _CONTENT_ENCODING,
    ),
    body=_BODY,
    answers={
        "200": answer(
            "How the file would be read.", content(ImportPreview, example=examples.PREVIEW)
        )
    },
    problems=(
        *_BODY_PROBLEMS,
        *(code for code in _OPTION_PROBLEMS if code not in _IMPORT_ALONE),
        "too_many_uploads",
        "shutting_down",
    ),
)

LIST_IMPORTS: Final = Operation(
    method="GET",
    path="/import",
    id="listImports",
    tag=IMPORTS,
    scope=Scope.READ,
    summary="List imports",
    description="Returns imports, newest first, one page at a time. A page has fewer than `limit` "
    "imports if they are large: only `next` shows whether there are more.",
    parameters=(
        query("state", ImportState, "Filter by state."),
        query("source", Source, "Filter by source."),
        _limit(MAX_IMPORTS, DEFAULT_IMPORTS),
        query("cursor", JobId, "The value of `next` from the previous page."),
    ),
    answers={
        "200": answer(
            "A page of imports.", content(ImportsPage, example=examples.IMPORTS), Link=_LINK
        )
    },
    problems=("state_invalid", "source_invalid", *_PAGE_PROBLEMS),
)

GET_IMPORT: Final = Operation(
    method="GET",
    path="/import/{jobId}",
    id="getImport",
    tag=IMPORTS,
    scope=Scope.READ,
    summary="Get an import",
    description="Returns the state and the counts of an import. Poll it until the import has "
    "ended: `completed`, `failed`, `cancelled`, `undone` or `undo_failed`.",
    parameters=(_JOB_ID,),
    answers={"200": answer("The import.", _JOB)},
    problems=_JOB_PROBLEMS,
)

UNDO_IMPORT: Final = Operation(
    method="DELETE",
    path="/import/{jobId}",
    id="undoImport",
    tag=IMPORTS,
    scope=Scope.UNDO,
    summary="Undo an import",
    description="Deletes the contacts, the rejections and the stored file of an import. A running "
    "import is cancelled first. The import stays in the list with the state `undone`. If the "
    "database or Storage rejects the deletion, the state becomes `undo_failed`, with the reason "
    "and the number of contacts left, and the import can be undone again. Safe to repeat.",
    parameters=(_JOB_ID,),
    answers={
        "200": answer("The import had already been undone.", _JOB),
        "202": answer("The import is being undone.", _JOB),
    },
    problems=_JOB_PROBLEMS,
)

RETRY_IMPORT: Final = Operation(
    method="POST",
    path="/import/{jobId}/retry",
    id="retryImport",
    tag=IMPORTS,
    scope=Scope.UNDO,
    summary="Retry a failed import",
    description="Queues the failed parts of an import again. Parts that are done are not touched.",
    parameters=(_JOB_ID,),
    answers={"202": answer("The failed parts are queued.", _JOB)},
    problems=("not_failed", "object_expired", *_JOB_PROBLEMS),
)

CANCEL_IMPORT: Final = Operation(
    method="POST",
    path="/import/{jobId}/cancel",
    id="cancelImport",
    tag=IMPORTS,
    scope=Scope.UNDO,
    summary="Cancel an import",
    description="Stops an import after the current batch. Contacts that are imported by then stay; "
    "`notProcessed` counts the remaining records.",
    parameters=(_JOB_ID,),
    answers={"202": answer("The import is being cancelled, or is cancelled.", _JOB)},
    problems=("import_ended", *_JOB_PROBLEMS),
)

LIST_REJECTIONS: Final = Operation(
    method="GET",
    path="/import/{jobId}/rejections",
    id="listRejections",
    tag=IMPORTS,
    scope=Scope.READ,
    summary="List rejected records",
    description="Returns the records that are not valid contacts, in the order of the input, as "
    "far as they are known.\n\n"
    "JSON comes one page at a time, which has fewer than `limit` rejections if they are large: "
    "only `next` shows whether there are more. CSV has all of them in one file: record number, "
    "code, message and hint, then the columns of the record as they were received. The file can be "
    "corrected and imported again: the first four columns are then ignored. It is safe to open in "
    "a spreadsheet: cells that would be read as a formula have a `'` before them.",
    parameters=(
        _JOB_ID,
        query(
            "format",
            Literal["json", "csv"],
            "A page in JSON, or all rejections as a CSV file. Overrides the header `Accept`.",
        ),
        _limit(MAX_REJECTIONS, DEFAULT_REJECTIONS),
        query("cursor", RecordCursor, "The value of `next` from the previous page. JSON only."),
    ),
    answers={
        "200": answer(
            "The rejections that are known so far.",
            content(RejectionsPage, example=examples.REJECTIONS)
            | content(str, media_type="text/csv", example=examples.REJECTIONS_CSV),
            **{
                "Link": _LINK,
                "Content-Disposition": answer_header("A file name, for CSV."),
            },
        )
    },
    problems=(
        "import_not_found",
        "not_acceptable",
        "format_invalid",
        "rejections_expired",
        "too_many_downloads",
        *_PAGE_PROBLEMS,
    ),
)

_ERASURE: Final = content(Erasure, example=examples.ERASURE)

CREATE_ERASURE: Final = Operation(
    method="POST",
    path="/erasures",
    id="createErasure",
    tag=ERASURES,
    scope=Scope.ERASE,
    summary="Erase an e-mail address",
    description="Removes all contacts with an address, also those that no import made, and all "
    "rejected records that have it; letters may be in either case. It takes as long "
    "as it takes to search all contacts and rejected records, so it is done by a worker: "
    "GET it until it has ended. What was "
    "removed is kept as numbers, without the address.\n\n"
    "Stored files are not searched. `objects` lists those of imports that had the address in a "
    "contact or in a rejected record; they are removed if you ask for it. Records of imports that "
    "have not ended may be written after they were searched: erase the address again when they "
    "have. A key is always needed.",
    body=content(ErasureRequest, example=examples.ERASURE_REQUEST),
    answers={
        "202": answer(
            "The erasure is queued.",
            _ERASURE,
            Location=answer_header("Path of the erasure.", always=True),
        )
    },
    problems=(
        "malformed_json",
        "truncated_body",
        "client_too_slow",
        "body_too_large",
        "unsupported_media_type",
        "erasure_invalid",
        "erasures_disabled",
        "unknown_option",
        "database_unavailable",
        "database_refused",
    ),
)

GET_ERASURE: Final = Operation(
    method="GET",
    path="/erasures/{erasureId}",
    id="getErasure",
    tag=ERASURES,
    scope=Scope.ERASE,
    summary="Get an erasure",
    description="Returns what an erasure has removed so far. Poll it until it is `completed` or "
    "`failed`.",
    parameters=(path("erasureId", ErasureId),),
    answers={"200": answer("The erasure.", _ERASURE)},
    problems=("erasure_not_found", "unknown_option", "database_unavailable", "database_refused"),
)

GET_HEALTH: Final = Operation(
    method="GET",
    path="/healthz",
    prefix="",
    id="getHealth",
    tag=MONITORING,
    scope=None,
    summary="Check that the process runs",
    description="A liveness probe: does not check any dependency.",
    answers={"200": answer("The process runs.", content(Health, example=examples.HEALTH))},
)

GET_READINESS: Final = Operation(
    method="GET",
    path="/readyz",
    prefix="",
    id="getReadiness",
    tag=MONITORING,
    scope=None,
    summary="Check that imports can be accepted",
    description="A readiness probe: checks that Storage accepts uploads and that the database and "
    "the queue respond.",
    answers={
        "200": answer("Imports can be accepted.", content(Readiness, example=examples.READINESS))
    },
    problems=("storage_unavailable", "database_unavailable"),
)

GET_METRICS: Final = Operation(
    method="GET",
    path="/metrics",
    prefix="",
    id="getMetrics",
    tag=MONITORING,
    scope=Scope.METRICS,
    summary="Get metrics for Prometheus",
    description="Returns the metrics of this process in the Prometheus text format.",
    answers={"200": answer("The metrics.", content(str, media_type=CONTENT_TYPE_LATEST))},
)


def _page(
    where: str,
    name: str,
    summary: str,
    description: str,
    *media_types: str,
    **more: Any,  # noqa: ANN401
) -> Operation:
    body = {
        key: value for kind in media_types for key, value in content(str, media_type=kind).items()
    }
    return Operation(
        method="GET",
        path=where,
        prefix="",
        id=name,
        tag=PAGES,
        scope=None,
        summary=summary,
        description=description,
        answers={
            "200": answer("The file.", body),
            "304": answer("The file has not changed since the `ETag` in `If-None-Match`."),
        },
        **more,
    )


GET_PAGE: Final = _page(
    "/", "getPage", "Get the web page", "A page to import files with.", "text/html"
)
GET_DOCS: Final = _page(
    "/docs", "getDocs", "Get the API documentation", "This document, for people.", "text/html"
)
LIST_PROBLEM_TYPES: Final = _page(
    "/problems",
    "listProblemTypes",
    "List problem types",
    "A page that lists all kinds of problems.",
    "text/html",
)
GET_PROBLEM_TYPE: Final = _page(
    "/problems/{code}",
    "getProblemType",
    "Get a problem type",
    "A page about one kind of problem: what it means and what to do. The `type` of a problem "
    "links to it.",
    "text/html",
    parameters=(
        path(
            "code",
            Annotated[str, Meta(pattern="^[a-z0-9_]+$")],
            "The `code` of a problem.",
            example="unknown_option",
        ),
    ),
    problems=("not_found",),
)
GET_ASSET: Final = _page(
    "/assets/{name}",
    "getAsset",
    "Get an asset",
    "A script, style sheet or image of the web pages.",
    "text/css",
    "text/javascript",
    "image/svg+xml",
    parameters=(
        path(
            "name",
            Annotated[str, Meta(pattern="^[a-z-]+[.](css|js|svg)$")],
            "File name.",
            example="page.css",
        ),
    ),
    problems=("not_found",),
)
GET_OPENAPI: Final = Operation(
    method="GET",
    path="/openapi.json",
    prefix="",
    id="getOpenapi",
    tag=PAGES,
    scope=None,
    summary="Get the OpenAPI document",
    description="This document, for programs.",
    answers={
        "200": answer("The document.", content(dict[str, Any])),
        "304": answer("The document has not changed since the `ETag` in `If-None-Match`."),
    },
)

OPERATIONS: Final = (
    CREATE_IMPORT,
    PREVIEW_IMPORT,
    LIST_IMPORTS,
    GET_IMPORT,
    UNDO_IMPORT,
    RETRY_IMPORT,
    CANCEL_IMPORT,
    LIST_REJECTIONS,
    CREATE_ERASURE,
    GET_ERASURE,
    GET_HEALTH,
    GET_READINESS,
    GET_METRICS,
    GET_PAGE,
    GET_DOCS,
    LIST_PROBLEM_TYPES,
    GET_PROBLEM_TYPE,
    GET_ASSET,
    GET_OPENAPI,
)

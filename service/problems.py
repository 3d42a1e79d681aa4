"""Every error that a client can see: a stable code, a status, and words that tell what to do.

Answers are ``application/problem+json`` (RFC 9457).
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: what stays the same each time it happens."""

    status: int
    title: str


PROBLEM_TYPES: Final[dict[str, Kind]] = {
    "malformed_json": Kind(400, "The body is no valid JSON"),
    "malformed_csv": Kind(400, "The file is no valid CSV"),
    "malformed_compression": Kind(400, "The compressed data is damaged"),
    "malformed_multipart": Kind(400, "The form is no valid multipart/form-data"),
    "malformed_request": Kind(400, "The request is no valid HTTP"),
    "dry_run_invalid": Kind(400, "dryRun is neither true nor false"),
    "duplicate_key": Kind(400, "A key, field or option is there twice"),
    "field_too_late": Kind(400, "A field of the form came too late"),
    "invalid_text": Kind(400, "The text is not in its encoding"),
    "idempotency_key_invalid": Kind(400, "The Idempotency-Key cannot be used"),
    "invalid_utf8": Kind(400, "The body is not UTF-8"),
    "nested_too_deeply": Kind(400, "The body is nested too deeply"),
    "number_too_long": Kind(400, "A number has too many digits"),
    "truncated_body": Kind(400, "The body ended too early"),
    "cross_site": Kind(403, "The request comes from another web site"),
    "import_not_found": Kind(404, "There is no such import"),
    "not_found": Kind(404, "There is nothing at this address"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    "not_acceptable": Kind(406, "There is no answer of a type that is accepted"),
    "client_too_slow": Kind(408, "The request came too slowly"),
    "import_ended": Kind(409, "The import has ended"),
    "not_failed": Kind(409, "The import has not failed"),
    "body_too_large": Kind(413, "The body is too large"),
    "compression_ratio_too_high": Kind(413, "The body is compressed too much"),
    "envelope_too_large": Kind(413, "There is too much beside the records"),
    "record_too_large": Kind(413, "A record is too large"),
    "expectation_failed": Kind(417, "The expectation cannot be met"),
    "unsupported_charset": Kind(415, "The character set is not supported"),
    "unsupported_encoding": Kind(415, "The content encoding is not supported"),
    "unsupported_media_type": Kind(415, "The content type is not supported"),
    "wrong_encoding": Kind(415, "The character encoding is not supported"),
    "csv_header_unusable": Kind(422, "The CSV header cannot be used"),
    "cursor_invalid": Kind(422, "The cursor cannot be used"),
    "data_missing": Kind(422, "There is no data"),
    "data_not_array": Kind(422, "The data is no array"),
    "delimiter_invalid": Kind(422, "The delimiter cannot be used"),
    "file_missing": Kind(422, "There is no file in the form"),
    "format_invalid": Kind(422, "There is no such format"),
    "limit_invalid": Kind(422, "The limit cannot be used"),
    "notify_invalid": Kind(422, "The address to notify cannot be used"),
    "mapping_invalid": Kind(422, "The mapping cannot be used"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key was used for something else"),
    "source_invalid": Kind(422, "The source cannot be used"),
    "source_missing": Kind(422, "There is no source"),
    "state_invalid": Kind(422, "There is no such state"),
    "unknown_option": Kind(422, "Unknown option"),
    "webhooks_disabled": Kind(422, "Nobody is notified here"),
    "head_too_large": Kind(431, "The head of the request is too large"),
    "internal_error": Kind(500, "Something went wrong on our side"),
    "database_unavailable": Kind(503, "The database is away"),
    "storage_unavailable": Kind(503, "The storage is away"),
    "too_many_uploads": Kind(503, "Too many uploads are running"),
    "shutting_down": Kind(503, "The service is stopping"),
}


class ProblemError(Exception):
    """Ends a request with the kind of problem that ``code`` names.

    ``extra`` holds further members, such as ``offset`` (bytes into the body) and ``record``.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.extra = {key: value for key, value in extra.items() if value is not None}

    @property
    def status(self) -> int:
        """The HTTP status of its kind."""
        return PROBLEM_TYPES[self.code].status

    def response(self) -> web.Response:
        """The answer that tells the client."""
        kind = PROBLEM_TYPES[self.code]
        body = {
            "type": f"urn:contacts-importer:problem:{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }
        response = web.Response(
            status=kind.status,
            body=msgspec.json.encode(body),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )
        if self.headers.get("Connection") == "close":
            response.force_close()
        return response


def import_not_found() -> ProblemError:
    """The refusal of a ``jobId`` that no import has."""
    return ProblemError("import_not_found", "No import has this jobId.")


def not_found() -> ProblemError:
    """The refusal of an address at which there is nothing."""
    return ProblemError("not_found", "The page is at /, the API at /import; see /docs.")

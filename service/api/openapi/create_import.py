"""``POST /import``: sending contacts."""

from typing import Final

from core.webhook_targets import MAX_URL
from service.api.openapi.responses import DATABASE, Json, answer, header, problems, query, ref
from service.api.openapi.schemas import SOURCE
from service.intake.decompression import GZIP, ZSTD
from service.intake.idempotency import MAX_KEY_LENGTH
from service.splitting.header_mapping import HEADERS

_BODY: Final = (
    "malformed_json",
    "malformed_csv",
    "malformed_compression",
    "malformed_multipart",
    "malformed_request",
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
    "unsupported_media_type",
    "wrong_encoding",
    "csv_header_unusable",
    "data_missing",
    "data_not_array",
    "file_missing",
)
_OPTIONS: Final = (
    "source_invalid",
    "source_missing",
    "delimiter_invalid",
    "mapping_invalid",
    "dry_run_invalid",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "notify_invalid",
    "unknown_option",
    "webhooks_disabled",
)
_ROOM: Final = ("too_many_uploads", "shutting_down", "storage_unavailable", *DATABASE)

_DELIMITER: Final[Json] = {
    "type": "string",
    "description": "What separates the fields of a CSV file: the character, or `comma`, "
    "`semicolon`, `tab` or `pipe`. By default it is found.",
    "minLength": 1,
    "examples": [";"],
}
_MAPPING: Final[Json] = {
    "type": "array",
    "description": "Which column of a CSV file is which field of a contact.",
    "items": {"type": "string", "pattern": f":({'|'.join(HEADERS)})$"},
    "examples": [["Nom:name", "Courriel:email"]],
}

_DRY_RUN: Final[Json] = {
    "type": "boolean",
    "default": False,
    "description": "Check everything, import nothing.",
}
_NOTIFY: Final[Json] = {
    "type": "string",
    "format": "uri",
    "maxLength": MAX_URL,
    "description": "An `https` address that gets a POST at the end: `type` (such as "
    "`import.completed`), `timestamp`, and as `data` the import as GET shows it, signed as "
    "Standard Webhooks has it. Only where the service has a secret to sign with.",
}

_FORM: Final[Json] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "source": SOURCE,
        "dryRun": _DRY_RUN,
        "delimiter": _DELIMITER,
        "map": _MAPPING,
        "notify": _NOTIFY,
        "file": {
            "description": "A CSV or NDJSON file, or a JSON file that is one array. Its kind is "
            "told by its content type, or else by the ending of its name; it may be compressed, "
            "with `.gz` or `.zst` behind that. All other fields but `source` come before it.",
        },
    },
    "additionalProperties": False,
}

_CONTENT: Final[Json] = {
    "application/json": {"schema": ref("Envelope")},
    "text/csv": {
        "schema": {"type": "string"},
        "example": "name,email\nAda Lovelace,ada@example.com\n",
    },
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "example": '{"name": "Ada Lovelace", "email": "ada@example.com"}\n',
    },
    "multipart/form-data": {
        "schema": _FORM,
        "encoding": {"file": {"contentType": "text/csv, application/json, application/x-ndjson"}},
    },
}


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "schema": schema, "description": description}


_PARAMETERS: Final = [
    query(
        "source",
        SOURCE,
        "Where the contacts come from. Needed with CSV and NDJSON, which have no place for it "
        "inside; a form has it here or in a field. A JSON body that has one must have the same.",
    ),
    query("dryRun", _DRY_RUN, ""),
    query("delimiter", _DELIMITER, ""),
    query("map", _MAPPING, ""),
    query("notify", _NOTIFY, ""),
    _header(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]+$"},
        "A key of your own for this import, best in quotes: sent again with it, also at the same "
        "time and after a crash, it is still one import.",
    ),
    _header(
        "Content-Encoding",
        {"type": "string", "enum": [GZIP, ZSTD]},
        "How the body is compressed; not for a form, of which the file may be.",
    ),
]

SEND: Final[Json] = {
    "operationId": "sendImport",
    "tags": ["Imports"],
    "summary": "Send contacts",
    "description": "The body is streamed, whatever its size. It is answered once it is stored and "
    "its import is queued: from then on nothing is lost. A request that is answered otherwise "
    "leaves nothing behind. NDJSON may also be called `application/ndjson` or "
    "`application/jsonl`; CSV may name its `charset`, which otherwise is found. In a form, each "
    "option may be in the address or in a field. An option that is not known, or has no effect on "
    "this kind of body, is refused.",
    "parameters": _PARAMETERS,
    "requestBody": {"required": True, "content": _CONTENT},
    "responses": {
        "202": answer(
            "The import is queued, or was by an earlier request with the same key.",
            ref("Accepted"),
            **{
                "Location": header("Where it shows how it stands.", always=True),
                "Idempotent-Replayed": header("`true` if an earlier request made the import."),
            },
        ),
        **problems(*_BODY, *_OPTIONS, *_ROOM),
    },
}

"""What an import, a rejection and a problem look like."""

from typing import Final

from core.field_names import MAX_KEPT_NAMES, MAX_LISTED_NAMES, MAX_NAME_LENGTH
from core.ids import JOB_PREFIX
from core.states import Format, ImportState
from service.api.openapi.responses import Json, ref
from service.intake.decompression import GZIP, ZSTD
from service.options import MAX_SOURCE_LENGTH
from service.problems import PROBLEM_TYPES
from service.splitting.dialect import UTF_8, UTF_16_BE, UTF_16_LE, WINDOWS_1252
from service.splitting.header_mapping import HEADERS

_HEX: Final = "[0-9a-f]"

JOB_ID: Final[Json] = {
    "type": "string",
    "description": "Names an import; a UUIDv7, so that later ones sort behind.",
    "pattern": f"^{JOB_PREFIX}{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}$",
    "examples": [f"{JOB_PREFIX}019305f2-3b4c-7d5e-8f60-718293a4b5c6"],
}
SOURCE: Final[Json] = {
    "type": "string",
    "description": "Where the contacts come from, in your own words; without control characters.",
    "minLength": 1,
    "maxLength": MAX_SOURCE_LENGTH,
    "examples": ["crm-tool-x"],
}
STATE: Final[Json] = {"type": "string", "enum": [state.value for state in ImportState]}
FORMAT: Final[Json] = {"type": "string", "enum": [format_.value for format_ in Format]}
CHECKS: Final[Json] = {
    "type": "object",
    "additionalProperties": {"type": "string", "enum": ["ok", "away"]},
}


def _count(description: str) -> Json:
    return {"type": "integer", "minimum": 0, "description": description}


def _moment(description: str, *, always: bool = False) -> Json:
    kind = "string" if always else ["string", "null"]
    return {"type": kind, "format": "date-time", "description": description}


def _or_null(schema: Json) -> Json:
    """For what imports of an older version lack."""
    return schema | {"type": ["object", "null"]}


def _object(properties: Json, *, optional: frozenset[str] = frozenset(), **more: object) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


_NAME: Final[Json] = {"type": "string", "maxLength": MAX_NAME_LENGTH}

_PARTS: Final = _object(
    {
        "total": _count("All of them."),
        "done": _count("Those whose records are all imported or rejected."),
        "failed": _count("Those that were given up."),
        "cancelled": _count("Those that were stopped, or never begun."),
    },
    description="The pieces of an import that are worked on, and tried again, one by one.",
)

_RECEIPT: Final = _object(
    {
        "sha256": {"type": "string", "pattern": f"^{_HEX}{{64}}$", "description": "Its SHA-256."},
        "bytes": {"type": "integer", "minimum": 0, "description": "Its size."},
    },
    description="Of the body, or the file in the form, as it was sent: compressed, if it was.",
)

_DETECTED: Final = _object(
    {
        "encoding": {"enum": [UTF_8, UTF_16_LE, UTF_16_BE, WINDOWS_1252]},
        "compression": {"enum": [GZIP, ZSTD, None]},
        "delimiter": {"type": ["string", "null"], "description": "Of a CSV file."},
        "header": {
            "type": "array",
            "items": _NAME,
            "maxItems": MAX_KEPT_NAMES,
            "description": "Its first columns.",
        },
        "mapping": {
            "type": "object",
            "propertyNames": {"enum": list(HEADERS)},
            "additionalProperties": _NAME,
            "description": "The column of each field of a contact that has one.",
        },
    },
    optional=frozenset({"delimiter", "header", "mapping"}),
    description="How the file is written, as it was named or found.",
)

_IGNORED: Final = _object(
    {
        "fields": {"type": "array", "items": _NAME, "maxItems": MAX_LISTED_NAMES},
        "more": {"type": "boolean", "description": "Whether there are more than are named."},
    },
    description="Columns and keys that are no part of a contact, and were not imported.",
)

_FAILURE: Final = _object(
    {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "What happened."},
        "part": {"type": "integer", "minimum": 0, "description": "The first part that failed."},
        "contactsLeft": _count("Contacts that an undo could not remove."),
        "advice": {"type": "string", "description": "What to do."},
    },
    optional=frozenset({"part", "contactsLeft"}),
    description="Why an import, or its undo, failed; only there if it did.",
)

_DRY_RUN: Final[Json] = {"type": "boolean", "description": "Whether it only checks."}

_JOB: Final = _object(
    {
        "jobId": JOB_ID,
        "source": SOURCE,
        "format": FORMAT,
        "state": STATE,
        "dryRun": _DRY_RUN,
        "createdAt": _moment("When it was accepted.", always=True),
        "startedAt": _moment("When work on it began, if it has."),
        "finishedAt": _moment("When it ended, if it has."),
        "bytes": {"type": "integer", "minimum": 0, "description": "Size of what is stored."},
        "records": _count("Records that were received."),
        "imported": _count("Those that are contacts now, or would be after a dry run."),
        "rejected": _count("Those that are no contacts, each with a reason."),
        "rejectedByCode": {
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 1},
            "description": "`rejected` by the code of the reason.",
        },
        "notProcessed": _count("All others: `records` - `imported` - `rejected`."),
        "rate": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "Records a second, once work on it has begun.",
        },
        "parts": _PARTS,
        "receipt": _or_null(_RECEIPT),
        "detected": _or_null(_DETECTED),
        "ignored": _IGNORED,
        "failure": _FAILURE,
    },
    optional=frozenset({"failure"}),
    description="An import: how it stands, and what became of its records.",
)

_REJECTION: Final = _object(
    {
        "record": {"type": "integer", "minimum": 1, "description": "Its number in the import."},
        "code": {"type": "string", "description": "Why it is no contact, for programs: stable."},
        "message": {"type": "string", "description": "Why, and what to do."},
        "hint": {
            "type": ["string", "null"],
            "description": "The address that may have been meant.",
        },
        "content": {
            "type": ["object", "string"],
            "description": "The record as it came; text where it is no object, or was cut.",
        },
    },
    description="A record that is no contact.",
)


def _page(name: str, items: str) -> Json:
    following = {"type": ["string", "null"], "description": "The cursor of the next page, if any."}
    return _object({name: {"type": "array", "items": ref(items)}, "next": following})


_PROBLEM: Final = _object(
    {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string", "description": "The kind of problem, in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong here, and what to do."},
        "code": {
            "type": "string",
            "enum": sorted(PROBLEM_TYPES),
            "description": "The kind of problem, for programs: stable.",
        },
        "offset": {"type": "integer", "minimum": 0, "description": "Where, in bytes."},
        "record": {"type": "integer", "minimum": 1, "description": "In which record."},
        "state": STATE | {"description": "That of the import, where it is the reason."},
        "checks": CHECKS | {"description": "What `/readyz` has found."},
    },
    optional=frozenset({"offset", "record", "state", "checks"}),
    description="An error (RFC 9457).",
)

_ACCEPTED: Final = _object(
    {
        "jobId": JOB_ID,
        "url": {"type": "string", "description": "The path at which GET shows the import."},
        "dryRun": _DRY_RUN,
    },
)

_CONTACT: Final[Json] = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"]},
        "email": {"type": ["string", "null"]},
    },
    "description": "A record: one that has a name or an e-mail becomes a contact.",
}

_ENVELOPE: Final = _object(
    {
        "source": SOURCE,
        "data": {"type": "array", "items": ref("Contact"), "description": "The records."},
    },
    optional=frozenset({"source"}),
    description="Source and data in any order; the source may be in the address instead. Other "
    "keys are ignored, but for those that look like an option: options belong in the address.",
)

SCHEMAS: Final[Json] = {
    "Accepted": _ACCEPTED,
    "Contact": _CONTACT,
    "Envelope": _ENVELOPE,
    "Imports": _page("imports", "Job"),
    "Job": _JOB,
    "Problem": _PROBLEM,
    "Rejection": _REJECTION,
    "Rejections": _page("rejections", "Rejection"),
}

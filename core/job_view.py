"""An import as clients see it: in the answers of the service and in the webhooks of the workers.

The types are msgspec structs. The OpenAPI document takes its schemas from them, so each field has
its description here.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.conversion import Converter
from core.field_names import MAX_KEPT_NAMES, MAX_LISTED_NAMES, MAX_NAME_LENGTH
from core.ids import JOB_PREFIX, job_id
from core.reading.warnings import MAX_WARNED_RECORDS, MESSAGES
from core.retention import Retention, expiry, least
from core.states import ENDED, Format, ImportState

_HEX: Final = "[0-9a-f]"
_JOB_ID: Final = (
    f"^{JOB_PREFIX}{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}$"
)

JobId: TypeAlias = Annotated[
    str,
    Meta(
        description="Identifies an import. It contains a UUIDv7, so ids sort by time of creation.",
        pattern=_JOB_ID,
        examples=[f"{JOB_PREFIX}019305f2-3b4c-7d5e-8f60-718293a4b5c6"],
    ),
]
MAX_SOURCE_LENGTH: Final = 200
"""Characters."""
Source: TypeAlias = Annotated[
    str,
    Meta(
        description="A name for where the contacts come from, without control characters.",
        min_length=1,
        max_length=MAX_SOURCE_LENGTH,
        examples=["crm-tool-x"],
    ),
]
Timestamp: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
_FIELDS: Final = ("name", "email", "first_name", "last_name")
_BY_FIELD: Final = {"propertyNames": {"enum": list(_FIELDS)}}
_Name: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]


class _Answer(msgspec.Struct, rename="camel"):
    """Base of the types that clients receive."""


class Parts(_Answer):
    """Progress by parts, the sections of the data that are imported and retried one by one."""

    total: Annotated[Count, Meta(description="Number of parts.")]
    done: Annotated[Count, Meta(description="Parts whose records are all imported or rejected.")]
    failed: Annotated[
        Count, Meta(description="Parts that failed and are not retried by themselves.")
    ]
    cancelled: Annotated[Count, Meta(description="Parts that were stopped or never started.")]


class Receipt(_Answer):
    """Digest of the body, or of the file in the form, as it was sent (compressed, if it was)."""

    sha256: Annotated[str, Meta(description="SHA-256, in hexadecimal.", pattern=f"^{_HEX}{{64}}$")]
    bytes: Annotated[Count, Meta(description="Size in bytes.")]


class Detected(_Answer, kw_only=True):
    """Properties of the file, as the request named them or as they were detected."""

    header: Annotated[
        Annotated[list[_Name], Meta(max_length=MAX_KEPT_NAMES)] | UnsetType,
        Meta(description="CSV only: the first column names."),
    ] = UNSET
    mapping: Annotated[
        dict[str, _Name] | UnsetType,
        Meta(
            description="The column, or the key, of each contact field that has one.",
            extra_json_schema=_BY_FIELD,
        ),
    ] = UNSET
    alternatives: Annotated[
        dict[str, list[_Name]] | UnsetType,
        Meta(
            description="Further columns of a field, used where the preferred one is empty.",
            extra_json_schema=_BY_FIELD,
        ),
    ] = UNSET
    certainty: Annotated[
        dict[str, str] | UnsetType,
        Meta(
            description="How sure the column of each field is: `named` by the request, `sure` by "
            "its name, `likely` by a name with further words, or `guessed` by its values.",
            extra_json_schema=_BY_FIELD,
        ),
    ] = UNSET
    skipped_rows: Annotated[
        Count | UnsetType, Meta(description="CSV only: rows above the header.")
    ] = UNSET
    encoding: Annotated[str, Meta(description="Character encoding.")]
    guessed: Annotated[bool | UnsetType, Meta(description="Whether the encoding was guessed.")] = (
        UNSET
    )
    sample: Annotated[
        str | UnsetType,
        Meta(description="Where the encoding was guessed: a text with foreign letters, as read."),
    ] = UNSET
    delimiter: Annotated[
        str | UnsetType | None, Meta(description="CSV only: the field delimiter.")
    ] = UNSET
    compression: Annotated[
        Literal["gzip", "zstd"] | None, Meta(description="Compression, null if there was none.")
    ]


to_detected: Final = Converter(Detected)


class Ignored(_Answer):
    """Columns and keys that are not fields of a contact and were not imported."""

    fields: Annotated[
        list[_Name], Meta(description="Their names, the first ones.", max_length=MAX_LISTED_NAMES)
    ]
    more: Annotated[bool, Meta(description="Whether there are more than are listed.")]


class Notice(_Answer):
    """A warning: what the client should know about a file, or about imported records."""

    code: Annotated[str, Meta(description="Stable code for programs.")]
    message: Annotated[str, Meta(description="What it means, and what to do.")]
    count: Annotated[Count, Meta(description="How many records, rows or columns it is about.")]
    records: Annotated[
        list[int], Meta(description="Numbers of the first records.", max_length=MAX_WARNED_RECORDS)
    ]
    names: Annotated[list[_Name], Meta(description="Names of the columns that it is about.")]


class Failure(_Answer, kw_only=True):
    """Why an import failed, or why undoing it failed."""

    code: Annotated[str, Meta(description="Stable code for programs.")]
    detail: Annotated[str, Meta(description="What happened.")]
    part: Annotated[Count | UnsetType, Meta(description="The first part that failed.")] = UNSET
    advice: Annotated[str, Meta(description="What to do about it.")]
    contacts_left: Annotated[
        Count | UnsetType, Meta(description="Contacts that an undo could not remove.")
    ] = UNSET


class ExpiresAt(_Answer):
    """When what an import leaves is removed, or was removed; null if nothing ends it.

    From then on it may be gone. Nothing is removed before the import has ended, so all are null
    until then.
    """

    object: Annotated[
        Timestamp | None,
        Meta(description="The stored file: without it the import cannot be retried."),
    ]
    rejections: Annotated[Timestamp | None, Meta(description="The rejected records.")]
    import_: Annotated[
        Timestamp | None,
        Meta(description="The import itself: its contacts stay, but cannot be undone any more."),
    ] = msgspec.field(name="import")


class Job(_Answer):
    """An import: its state, and what happened to its records."""

    job_id: JobId
    source: Source
    format: Annotated[Format, Meta(description="Format of the records.")]
    state: Annotated[ImportState, Meta(description="Current state.")]
    dry_run: Annotated[bool, Meta(description="Whether the import only checks its records.")]
    created_at: Annotated[Timestamp, Meta(description="When the import was accepted.")]
    started_at: Annotated[
        Timestamp | None, Meta(description="When work on it started, null before that.")
    ]
    finished_at: Annotated[Timestamp | None, Meta(description="When it ended, null before that.")]
    bytes: Annotated[Count, Meta(description="Size of the stored object in bytes.")]
    records: Annotated[Count, Meta(description="Records received.")]
    imported: Annotated[
        Count, Meta(description="Records imported as contacts, or valid ones in a dry run.")
    ]
    rejected: Annotated[
        Count, Meta(description="Records that are not valid contacts, each with a reason.")
    ]
    rejected_by_code: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(description="`rejected`, counted by rejection code."),
    ]
    skipped: Annotated[
        Count, Meta(description="Rows that are no records of contacts, such as blank ones.")
    ]
    skipped_by_code: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(description="`skipped`, counted by code: `blank_row`, `repeated_header`, `footer`."),
    ]
    not_processed: Annotated[
        Count,
        Meta(description="The remaining records: `records` - `imported` - `rejected` - `skipped`."),
    ]
    rate: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Records processed per second, null before work has started."),
    ]
    parts: Parts
    receipt: Receipt | None
    detected: Detected | None
    ignored: Ignored
    warnings: Annotated[
        list[Notice], Meta(description="What the client should know about the import.")
    ]
    expires_at: ExpiresAt
    created_by: Annotated[
        str | None, Meta(description="Name of the API key that made it, null without keys.")
    ]
    cancelled_by: Annotated[
        str | None, Meta(description="Name of the API key that cancelled it, null if none did.")
    ]
    undone_by: Annotated[
        str | None, Meta(description="Name of the API key that undid it, null if none did.")
    ]
    failure: Failure | UnsetType = UNSET


class WebhookEvent(_Answer):
    """The body of a webhook request: an import has ended."""

    type: Annotated[
        str,
        Meta(
            description="`import.` and the state in which the import ended.",
            extra_json_schema={"enum": [f"import.{state}" for state in ENDED]},
        ),
    ]
    timestamp: Annotated[Timestamp, Meta(description="When the import ended.")]
    data: Annotated[Job, Meta(description="The import, as `GET /import/{jobId}` returns it.")]


def job_view(row: dict[str, Any], retention: Retention) -> Job:
    """Return an import as clients see it; ``row`` is the result of the SQL ``get_import``."""
    seconds = row["seconds"]
    return Job(
        job_id=job_id(UUID(row["id"])),
        source=row["source"],
        format=Format(row["format"]),
        state=ImportState(row["state"]),
        dry_run=row["dry_run"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        bytes=row["bytes"],
        records=row["records"],
        imported=row["imported"],
        rejected=row["rejected"],
        rejected_by_code=row["rejected_codes"],
        skipped=row["skipped"],
        skipped_by_code=row["skipped_codes"],
        not_processed=row["not_processed"],
        rate=round((row["records"] - row["not_processed"]) / seconds, 1) if seconds else None,
        parts=Parts(
            total=row["parts_total"],
            done=row["parts_done"],
            failed=row["parts_failed"],
            cancelled=row["parts_cancelled"],
        ),
        receipt=Receipt(sha256=row["sha256"], bytes=row["received"]) if row["sha256"] else None,
        detected=to_detected(row["detected"]) if row["detected"] else None,
        ignored=Ignored(
            fields=row["ignored"][:MAX_LISTED_NAMES], more=len(row["ignored"]) > MAX_LISTED_NAMES
        ),
        warnings=[*plan_warnings(row["plan_warnings"]), *_record_warnings(row["warnings"])],
        expires_at=_expires_at(row, retention),
        created_by=row["created_by"],
        cancelled_by=row["cancelled_by"],
        undone_by=row["undone_by"],
        failure=_failure(row["failure"]) if row["failure"] else UNSET,
    )


def _expires_at(row: dict[str, Any], retention: Retention) -> ExpiresAt:
    ended, keep = row["finished_at"], row["keep"]
    return ExpiresAt(
        object=row["object_expired_at"] or expiry(ended, least(keep, retention.of_objects)),
        rejections=row["rejections_expired_at"]
        or expiry(ended, least(keep, retention.of_rejections)),
        import_=expiry(ended, retention.imports),
    )


def plan_warnings(stored: Iterable[dict[str, Any]]) -> list[Notice]:
    """Return the warnings of a plan, as its JSON has them."""
    return [
        Notice(
            code=each["code"],
            message=MESSAGES[each["code"]],
            count=each.get("count", 1),
            records=[],
            names=list(each.get("names", ())),
        )
        for each in stored
    ]


def record_warning(code: str, count: int, records: Sequence[int]) -> Notice:
    """Return a warning about records, of which the first ones are listed."""
    return Notice(code, MESSAGES[code], count, list(records[:MAX_WARNED_RECORDS]), [])


def _record_warnings(stored: dict[str, Any]) -> list[Notice]:
    return [record_warning(code, int(w["count"]), w["records"]) for code, w in stored.items()]


def _failure(stored: dict[str, Any]) -> Failure:
    return Failure(
        code=stored["code"],
        detail=stored["detail"],
        part=stored.get("part", UNSET),
        advice=advice(stored["code"]),
        contacts_left=stored.get("contacts_left", UNSET),
    )


_RETRY: Final = "POST to this import's /retry: only the failed parts are imported again"

_ADVICE: Final = {
    "object_missing": "The stored file no longer exists, so a retry cannot help. Send the file "
    "again, and undo this import with DELETE to avoid duplicate contacts.",
    "upstream_unavailable": f"Storage or the database was unavailable for too long. {_RETRY}.",
    "attempts_exhausted": "Each worker that processed this part crashed or timed out. "
    f"{_RETRY}; if it fails again, report the jobId and the part to the operator.",
    "storage_refused": f"Ask the operator to check the Storage key and bucket. Then {_RETRY}.",
    "database_refused": "Ask the operator to check the database key, tables and permissions. "
    f"Then {_RETRY}.",
    "undo_refused": "Some contacts were not removed. Remove what prevents it, such as rows of "
    "other tables that refer to them, or ask the operator to. Then undo the import again with "
    "DELETE.",
}
_DAMAGED: Final = (
    "The stored file differs from what was accepted, so a retry cannot help: ask the operator to "
    "check Storage. Send the file again, and undo this import with DELETE to avoid duplicate "
    "contacts."
)


def advice(code: str) -> str:
    """Return what to do about a failure; an unlisted code means that the stored file is damaged."""
    return _ADVICE.get(code, _DAMAGED)

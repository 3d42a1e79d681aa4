"""Types of the requests and answers of the API.

Handlers build their answers from these structs, and the OpenAPI document takes its schemas from
them. ``core.job_view`` has the types that webhooks share, ``service.problems`` has Problem.

The bodies of ``POST /import`` can be of any size and are parsed as they arrive, so Contact,
ImportRequest and ImportForm only describe them.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from core.emails import MAX_EMAIL
from core.ids import MAX_RECORDS
from core.job_view import Count, Detected, Job, JobId, Notice, Source, Timestamp
from core.reading.plan import Field
from core.states import Format
from core.webhook_targets import MAX_URL
from service.columns import Column
from service.intake.idempotency import MAX_KEY_LENGTH

Delimiter: TypeAlias = Annotated[
    str,
    Meta(
        description="CSV only: the field delimiter, as a character or as `comma`, `semicolon`, "
        "`tab` or `pipe`. It is detected if you leave it out.",
        min_length=1,
        examples=[";"],
    ),
]
ColumnMapping: TypeAlias = Annotated[
    list[Annotated[str, Meta(pattern=f":({'|'.join(Field)})$")]],
    Meta(
        description="The column of a contact field, as `Column:field`. In JSON it is a key, or "
        "keys with dots between them (`properties.email:email`); in CSV without a header it is the "
        "column's number (`1:email`). Repeatable: of several columns for a field, the first one "
        "that is filled counts.",
        examples=[["Nom:name", "Courriel:email"]],
    ),
]
Encoding: TypeAlias = Annotated[
    str,
    Meta(
        description="The character encoding: any name of the WHATWG Encoding Standard. It is "
        "detected if you leave it out. The `charset` of the content type means the same.",
        min_length=1,
        examples=["windows-1252"],
    ),
]
Header: TypeAlias = Annotated[
    Literal["none"],
    Meta(description="CSV only: `none` if the first row is a contact, not the column names."),
]
Email: TypeAlias = Annotated[
    Literal["none"],
    Meta(description="`none` to import contacts without addresses, whatever the columns hold."),
]
Name: TypeAlias = Annotated[
    Literal["none"],
    Meta(description="`none` to import contacts without names, whatever the columns hold."),
]
DryRun: TypeAlias = Annotated[
    bool, Meta(description="Check all records and report the result, but import nothing.")
]
NotifyUrl: TypeAlias = Annotated[
    str,
    Meta(
        description="A public `https` address that receives a webhook when the import ends. Only "
        "available where the operator has configured a signing secret.",
        max_length=MAX_URL,
        extra_json_schema={"format": "uri"},
        examples=["https://crm.example.com/hooks/contacts"],
    ),
]
Keep: TypeAlias = Annotated[
    str,
    Meta(
        description="How long the stored file and the rejected records are kept after the import's "
        "end, in minutes, hours or days: from `1m` to `36500d`. They are not kept longer than the "
        "operator of the service allows; `expiresAt` of the import has the result.",
        pattern="^[0-9]{1,9}[mhd]$",
        examples=["90d"],
    ),
]
IdempotencyKey: TypeAlias = Annotated[
    str,
    Meta(
        description="A key that you choose for this import, preferably in quotes. Requests with "
        "the same key create one import, even if they are sent at the same time.",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        pattern="^[!-~]+$",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]
# Digits that are no more than those of the last record's number.
RecordCursor: TypeAlias = Annotated[
    str, Meta(pattern=f"^[1-9][0-9]{{0,{len(str(MAX_RECORDS)) - 2}}}$", examples=["250"])
]
Check: TypeAlias = Literal["ok", "unavailable"]


class Contact(msgspec.Struct):
    """A record. To become a contact it needs a name or an e-mail address."""

    name: Annotated[str | UnsetType | None, Meta(description="Full name.")] = UNSET
    email: Annotated[str | UnsetType | None, Meta(description="E-mail address.")] = UNSET


class ImportRequest(msgspec.Struct):
    """The JSON body of an import.

    The keys can come in any order. Other keys are ignored, except those that look like an option:
    options belong in the address.
    """

    data: Annotated[list[Contact], Meta(description="The records.")]
    source: Source | UnsetType = UNSET


class ImportForm(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The form of an import. All fields except `source` must come before the file."""

    source: Source | UnsetType = UNSET
    dry_run: DryRun | UnsetType = UNSET
    delimiter: Delimiter | UnsetType = UNSET
    map: ColumnMapping | UnsetType = UNSET
    notify: NotifyUrl | UnsetType = UNSET
    encoding: Encoding | UnsetType = UNSET
    header: Header | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    keep: Keep | UnsetType = UNSET
    file: Annotated[
        Any,
        Meta(
            description="A CSV file, a JSON file with an array of records, or lines of JSON. The "
            "format is seen from its first bytes. It can be compressed, with the further extension "
            "`.gz` or `.zst`.",
            extra_json_schema={"type": "string", "format": "binary"},
        ),
    ]


class Accepted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An import was accepted."""

    job_id: JobId
    url: Annotated[str, Meta(description="Path of the import: GET it to follow the progress.")]
    dry_run: Annotated[bool, Meta(description="Whether the import only checks its records.")]
    warnings: Annotated[
        list[Notice], Meta(description="What the client should know about the file.")
    ]


Outcome: TypeAlias = Literal["imported", "rejected", "skipped"]


class PreviewedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it would be imported."""

    record: Annotated[int, Meta(description="Number of the record, from 1.", ge=1)]
    outcome: Annotated[
        Outcome,
        Meta(description="Skipped are rows that are no contacts, such as a repeated header."),
    ]
    name: Annotated[str, Meta(description="Name as it would be stored; empty if there is none.")]
    email: Annotated[str, Meta(description="Address as it would be stored; empty if none.")]
    code: Annotated[str | UnsetType, Meta(description="Why it is rejected or skipped.")] = UNSET
    message: Annotated[str | UnsetType, Meta(description="The same for people.")] = UNSET
    warnings: Annotated[list[str], Meta(description="Codes of warnings about it.")]
    content: Annotated[
        Any,
        Meta(
            description="The record as it was received: an object, or text where it is not one.",
            extra_json_schema={"type": ["object", "string"]},
        ),
    ]


class ImportPreview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a file would be read."""

    format: Annotated[Format, Meta(description="Format of the records.")]
    detected: Detected
    complete: Annotated[bool, Meta(description="Whether the preview has seen all of the file.")]
    records_seen: Annotated[
        int, Meta(description="Records in what it has seen: all of them if it is complete.", ge=0)
    ]
    columns: Annotated[list[Column], Meta(description="The first columns of the file.")]
    records: Annotated[list[PreviewedRecord], Meta(description="The first ten records.")]
    warnings: Annotated[
        list[Notice], Meta(description="What the client should know about the file.")
    ]


class ImportsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of imports, newest first."""

    imports: list[Job]
    next: Annotated[JobId | None, Meta(description="`cursor` of the next page, if there is one.")]


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is not a valid contact."""

    record: Annotated[int, Meta(description="Number of the record in the import, from 1.", ge=1)]
    code: Annotated[str, Meta(description="Why it was rejected, for programs: stable.")]
    message: Annotated[str, Meta(description="Why it was rejected, and what to do.")]
    hint: Annotated[str | None, Meta(description="The address that was probably meant.")]
    content: Annotated[
        Any,
        Meta(
            description="The record as it was received: an object, or text where it is not an "
            "object or was truncated.",
            extra_json_schema={"type": ["object", "string"]},
        ),
    ]


class RejectionsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an import's rejections, in the order of the input."""

    rejections: list[Rejection]
    next: Annotated[
        RecordCursor | None, Meta(description="`cursor` of the next page, if there is one.")
    ]


ErasureId: TypeAlias = Annotated[
    str,
    Meta(
        description="Identifies an erasure.",
        pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        examples=["f47ac10b-58cc-4372-a567-0e02b2c3d479"],
    ),
]


class ErasureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON body of an erasure."""

    email: Annotated[
        str,
        Meta(
            description="The address, with letters in either case.",
            min_length=1,
            max_length=MAX_EMAIL,
        ),
    ]
    objects: Annotated[
        Literal["keep", "remove"],
        Meta(
            description="Whether the stored files of imports that had the address are removed, "
            "too. These imports cannot be retried then."
        ),
    ] = "keep"


class ErasureFailure(msgspec.Struct, frozen=True):
    """Why an erasure failed."""

    code: Annotated[str, Meta(description="Stable code for programs.")]
    detail: Annotated[str, Meta(description="What happened, and what to do.")]


class Erasure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The removal of everything about an e-mail address. The address itself is not kept."""

    erasure_id: ErasureId
    state: Annotated[
        Literal["queued", "completed", "failed"],
        Meta(description="`queued` until it has ended; the numbers grow meanwhile."),
    ]
    created_at: Annotated[Timestamp, Meta(description="When it was asked for.")]
    finished_at: Annotated[Timestamp | None, Meta(description="When it ended, null before that.")]
    created_by: Annotated[str | None, Meta(description="Name of the API key that asked for it.")]
    contacts: Annotated[Count, Meta(description="Contacts that were removed.")]
    rejections: Annotated[Count, Meta(description="Rejected records that were removed.")]
    objects: Annotated[
        list[JobId],
        Meta(description="Imports whose stored files are still kept and may have the address."),
    ]
    more_objects: Annotated[
        bool, Meta(description="Whether there are more of them than are listed.")
    ]
    objects_removed: Annotated[Count, Meta(description="Stored files that were removed.")]
    concurrent_imports: Annotated[
        Count,
        Meta(
            description="Imports that ran meanwhile. What they wrote after it was searched may "
            "have the address: erase it again when they have ended."
        ),
    ]
    failure: ErasureFailure | UnsetType = UNSET


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process is running."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The service can accept imports."""

    status: Literal["ok"] = "ok"
    checks: Annotated[dict[str, Check], Meta(description="The result for each dependency.")]


def json_body(value: msgspec.Struct) -> bytes:
    """Return the JSON of a struct."""
    return json.dumps(msgspec.to_builtins(value)).encode()


def json_answer(
    value: msgspec.Struct, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a response with the JSON of a struct."""
    return web.Response(
        body=json_body(value), status=status, headers=headers, content_type="application/json"
    )

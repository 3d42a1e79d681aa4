"""An import as clients see it."""

from typing import Any, Final
from uuid import UUID

from core.field_names import SHOWN_NAMES
from core.ids import job_id

_PARTS: Final = ("total", "done", "failed", "cancelled")


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """What the database's ``get_import`` tells, in the words of the API."""
    failure = found["failure"]
    return {
        "jobId": job_id(UUID(found["id"])),
        "source": found["source"],
        "format": found["format"],
        "state": found["state"],
        "dryRun": found["dry_run"],
        "createdAt": found["created_at"],
        "startedAt": found["started_at"],
        "finishedAt": found["finished_at"],
        "bytes": found["bytes"],
        "records": found["records"],
        "imported": found["imported"],
        "rejected": found["rejected"],
        "rejectedByCode": found["rejected_codes"],
        "notProcessed": found["not_processed"],
        "rate": _rate(found),
        "parts": {key: found[f"parts_{key}"] for key in _PARTS},
        "receipt": _receipt(found),
        "detected": found["detected"],
        "ignored": _ignored(found["ignored"]),
        **({"failure": _failure(failure)} if failure else {}),
    }


def _rate(found: dict[str, Any]) -> float | None:
    """Records a second, from the start of the work to its end, or until now; None before."""
    seconds = found["seconds"]
    return round((found["imported"] + found["rejected"]) / seconds, 1) if seconds else None


def _receipt(found: dict[str, Any]) -> dict[str, Any] | None:
    """None for an import of before there were receipts."""
    if found["sha256"] is None:
        return None
    return {"sha256": found["sha256"], "bytes": found["received"]}


def _failure(failure: dict[str, Any]) -> dict[str, Any]:
    """Of an import that has failed, or of an undo: then with the number of contacts it left."""
    told = {key: failure[key] for key in ("code", "detail", "part") if key in failure}
    left = failure.get("contacts_left")
    return told | {
        "advice": advice(failure["code"]),
        **({} if left is None else {"contactsLeft": left}),
    }


def _ignored(names: list[str]) -> dict[str, Any]:
    return {"fields": names[:SHOWN_NAMES], "more": len(names) > SHOWN_NAMES}


_RETRY: Final = "POST to this import's /retry: it imports what has failed, and only that"

_ADVICE: Final = {
    "object_missing": "The stored file is gone, so a retry cannot help. Send the file again, and "
    "undo this import with DELETE, or its contacts will be there twice.",
    "upstream_unavailable": f"Storage or the database was away for too long. {_RETRY}.",
    "attempts_exhausted": "Workers died or hung each time they came to this part. "
    f"{_RETRY}; if it fails again, tell the operator the jobId and the part.",
    "storage_refused": "Ask the operator to look at the key and the bucket of Storage. "
    f"Then {_RETRY}.",
    "database_refused": "Ask the operator to look at the key, the tables and their permissions. "
    f"Then {_RETRY}.",
    "undo_refused": "Some contacts are left. Remove what keeps them, such as rows of other tables "
    "that refer to them, or ask the operator to. Then undo the import again with DELETE.",
}
_DAMAGED: Final = (
    "The stored file is not what was accepted, so a retry cannot help: ask the operator to look at "
    "Storage. Send the file again, and undo this import with DELETE, or its contacts will be there "
    "twice."
)


def advice(code: str) -> str:
    """Words for people; where a code is not known here, the stored bytes could not be read."""
    return _ADVICE.get(code, _DAMAGED)

"""An import as clients see it, in answers and in webhooks."""

from typing import Any, Final
from uuid import UUID

from core.field_names import MAX_LISTED_NAMES
from core.ids import job_id

_RETRY: Final = "POST to this import's /retry: it imports what has failed, and only that"
_ADVICE: Final = {
    "object_missing": "The stored file is gone, so a retry cannot help. Send the file again, and "
    "undo this import with DELETE; otherwise its contacts will exist twice.",
    "upstream_unavailable": f"Storage or the database was unavailable for too long. {_RETRY}.",
    "attempts_exhausted": "Workers died or hung each time they processed this part. "
    f"{_RETRY}; if it fails again, give the operator the jobId and the part.",
    "storage_refused": "Ask the operator to check the key and the bucket of Storage. "
    f"Then {_RETRY}.",
    "database_refused": "Ask the operator to check the key, the tables and their permissions. "
    f"Then {_RETRY}.",
    "undo_refused": "Some contacts are left. Remove what prevents their removal, such as rows of "
    "other tables that refer to them, or ask the operator to. Then undo the import again with "
    "DELETE.",
}
_DAMAGED_OBJECT_ADVICE: Final = (
    "The stored file differs from what was accepted, so a retry cannot help: ask the operator to "
    "check Storage. Send the file again, and undo this import with DELETE; otherwise its contacts "
    "will exist twice."
)


def job_view(row: dict[str, Any]) -> dict[str, Any]:
    """Return the API's job for what the SQL function ``get_import`` returns."""
    failure = row["failure"]
    job = {
        "jobId": job_id(UUID(row["id"])),
        "source": row["source"],
        "format": row["format"],
        "state": row["state"],
        "dryRun": row["dry_run"],
        "createdAt": row["created_at"],
        "startedAt": row["started_at"],
        "finishedAt": row["finished_at"],
        "bytes": row["bytes"],
        "records": row["records"],
        "imported": row["imported"],
        "rejected": row["rejected"],
        "rejectedByCode": row["rejected_codes"],
        "notProcessed": row["not_processed"],
        "rate": _rate(row),
        "parts": {key: row[f"parts_{key}"] for key in ("total", "done", "failed", "cancelled")},
        "receipt": _receipt(row),
        "detected": row["detected"],
        "ignored": {
            "fields": row["ignored"][:MAX_LISTED_NAMES],
            "more": len(row["ignored"]) > MAX_LISTED_NAMES,
        },
    }
    return job | {"failure": _failure(failure)} if failure else job


def advice(code: str) -> str:
    """Return what a person can do about a failure.

    Every code without an advice of its own means that the stored bytes could not be read.
    """
    return _ADVICE.get(code, _DAMAGED_OBJECT_ADVICE)


def _rate(row: dict[str, Any]) -> float | None:
    """Records per second, from the start of the work to its end or until now; None before."""
    seconds = row["seconds"]
    return round((row["imported"] + row["rejected"]) / seconds, 1) if seconds else None


def _receipt(row: dict[str, Any]) -> dict[str, Any] | None:
    """Digest and size of the request's body; None for imports older than this feature."""
    if row["sha256"] is None:
        return None
    return {"sha256": row["sha256"], "bytes": row["received"]}


def _failure(failure: dict[str, Any]) -> dict[str, Any]:
    """Why an import or its undo has failed; for an undo with the number of contacts left."""
    view: dict[str, Any] = {
        key: failure[key] for key in ("code", "detail", "part") if key in failure
    }
    view["advice"] = advice(failure["code"])
    if failure.get("contacts_left") is not None:
        view["contactsLeft"] = failure["contacts_left"]
    return view

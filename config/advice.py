"""What to do about an import that has failed, by the code of its failure."""

from typing import Final

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

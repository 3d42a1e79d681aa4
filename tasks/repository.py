"""The workers' only way to the database functions of the migrations, through PostgREST."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from core.models import Part
from core.queue_messages import import_contacts_message, import_part_message
from core.reading.plan import ReadingPlan
from core.retention import Retention
from core.states import Format, ImportState
from core.supabase.rpc import RpcClient
from tasks.errors import translate_part_errors, translate_write_errors
from tasks.importing.models import (
    Attempt,
    NeedsExclusiveRun,
    PartCancelled,
    PartCounts,
    PartEnd,
    PartGivenUp,
    PartStart,
    PartWork,
    RejectionObject,
    StartedImport,
)
from tasks.webhooks.event import ImportEvent

_IMPORTS_PER_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class ExpiredObject:
    """An object that nothing uses any more."""

    import_id: UUID
    object: str


@dataclass(frozen=True, slots=True)
class ExpiredRejections:
    """The rejections of an import that nothing uses any more."""

    import_id: UUID
    stored: bool
    """Whether some of them may be in Storage."""


class Repository:
    """Reads and changes imports, parts, rejections and sweeps; shared by all threads of a process.

    Every method may be called again if its response was lost. Each is retried until the deadline of
    the RPC client and raises UpstreamError after that.
    """

    def __init__(self, rpc: RpcClient, retention: Retention, *, part_attempts: int) -> None:
        """``part_attempts`` is how many attempts at a part may crash before the part fails."""
        self._rpc = rpc
        self._retention = retention
        self._part_attempts = part_attempts

    # Imports

    def start_import(self, import_id: UUID) -> StartedImport | None:
        """Start an import, or continue it; returns None if it is unknown."""
        started = self._rpc.call("start_import", p_import=str(import_id))
        if not started:
            return None
        state = ImportState(started["state"])
        parts = tuple(started["parts"])
        return StartedImport(state, parts, started["generation"], started["small"])

    def queue_parts(self, import_id: UUID, started: StartedImport) -> None:
        """Queue a message for each of these parts, unless it is queued already."""
        messages = [
            import_part_message(import_id, part, started.generation, is_small=started.is_small)
            for part in started.parts
        ]
        self._rpc.call("queue_messages", p_messages=messages)

    # Parts. The transitions of a part raise InvalidTransitionError if its state does not allow
    # them, and StaleAttemptError if another attempt owns it.

    def start_part(
        self,
        attempt: Attempt,
        message_id: UUID | None,
        *,
        exclusive: bool,
        ended_attempts: Sequence[UUID] = (),
    ) -> PartStart:
        """Give a part to this attempt: the one that is due, which the result names.

        It is the part that the message had before, or the next one of all imports. Without a
        message it is the attempt's own. ``exclusive`` promises that nothing else runs in this
        process meanwhile. ``ended_attempts`` are attempts whose end could not be recorded when it
        happened: they did not crash.
        """
        started = self._call_part(
            "start_part",
            attempt,
            p_max_attempts=self._part_attempts,
            p_alone=exclusive,
            p_ended=[str(ended) for ended in ended_attempts],
            p_message=None if message_id is None else str(message_id),
            p_takes_prefix=True,
        )
        if not started:
            return None
        attempt = Attempt(
            UUID(started["import"]), started["part"], attempt.id, started.get("traceparent")
        )
        if "suspect" in started:
            return NeedsExclusiveRun(attempt)
        if "given_up" in started:
            return PartGivenUp(attempt, PartEnd.from_json(started["given_up"]))
        if "cancelled" in started:
            return PartCancelled(attempt, PartEnd.from_json(started["cancelled"]))
        bounds = {
            key: started[key] for key in ("byte_start", "byte_end", "first_record", "records")
        }
        return PartWork(
            attempt=attempt,
            source=started["source"],
            format=Format(started["format"]),
            plan=ReadingPlan.from_json(started["plan"]),
            object=started["object"],
            object_bytes=started["object_bytes"],
            part=Part(part=attempt.part, **bounds),
            contact_prefix=started["contact_prefix"],
            dry_run=started["dry_run"],
            rerun=started["rerun"],
        )

    def finish_part(self, attempt: Attempt, counts: PartCounts) -> PartEnd:
        """End the part as done, with its counts."""
        arguments = {f"p_{name}": value for name, value in counts.to_json().items()}
        return PartEnd.from_json(self._call_part("finish_part", attempt, **arguments))

    def fail_part(self, attempt: Attempt, code: str, detail: str) -> PartEnd:
        """End the part as failed, with a reason that clients see."""
        end = self._call_part("fail_part", attempt, p_code=code, p_failure=detail)
        return PartEnd.from_json(end)

    def cancel_part(self, attempt: Attempt) -> PartEnd:
        """End the part as cancelled; what its attempts have written stays and is counted."""
        return PartEnd.from_json(self._call_part("cancel_part", attempt))

    def postpone_part(self, attempt: Attempt, *, unavailable: bool) -> int | None:
        """Record that the attempt ended without finishing its part, which is queued again.

        ``unavailable`` is True if Storage or the database was unavailable, False if this worker is
        stopping. Returns how often the former has happened to the part; None if the attempt does
        not own the part (any more).
        """
        retries: int | None = self._call_part("postpone_part", attempt, p_away=unavailable)
        return retries

    # Contacts and rejections. The writes raise InvalidTransitionError if the part has ended,
    # StaleAttemptError if another attempt owns it, and ImportCancelledError if its import is being
    # cancelled.

    def write_contacts(self, text: bytes) -> PartEnd | None:
        """Write a batch, encoded by ``encode_batch``.

        Returns the part's end if the text holds the part's counts, so that it ends with this batch.
        Raises BatchTooLargeError if the batch has to be made smaller, and PermanentError with an
        SQLSTATE as code if the database rejects a row: then nothing is written.
        """
        with translate_write_errors():
            end = self._rpc.post_text("write_contacts", text)
        return PartEnd.from_json(end) if end else None

    def write_contacts_by_row(self, text: bytes) -> dict[str, Any]:
        """Write a batch row by row; returns which rows the database rejected, and why.

        ``rejected_records`` reads that. Raises BatchTooLargeError if the batch has to be made
        smaller.
        """
        with translate_write_errors():
            result: dict[str, Any] = self._rpc.post_text("write_apart", text)
        return result

    def write_rejections(self, attempt: Attempt, rows: list[dict[str, Any]]) -> None:
        """Write rejections of a part to their table."""
        with translate_write_errors():
            self._rpc.call("write_rejections", **_ids(attempt), p_rows=rows)

    def add_rejection_object(self, attempt: Attempt, stored: RejectionObject) -> None:
        """Record an object in Storage that holds rejections of a part."""
        with translate_write_errors():
            self._rpc.call("add_rejection_object", **_ids(attempt), p_object=asdict(stored))

    def contacts_among(self, import_id: UUID, records: list[int]) -> set[int]:
        """Return those of the records whose contact is in the table."""
        arguments = {"p_import": str(import_id), "p_records": records}
        return set(self._rpc.call("contacts_among", **arguments))

    # Undo

    def object_to_undo(self, import_id: UUID) -> str | None:
        """Return the name of the import's object; None unless the import is being undone."""
        name: str | None = self._rpc.call("object_to_undo", p_import=str(import_id))
        return name

    def undo_some(self, import_id: UUID, max_contacts: int) -> bool:
        """Remove some contacts and their rejections; returns False if there were none left.

        Raises BatchTooLargeError if that takes longer than a statement may.
        """
        arguments = {"p_import": str(import_id), "p_limit": max_contacts}
        return bool(self._rpc.call_in_time("undo_some", **arguments))

    def finish_undo(self, import_id: UUID) -> None:
        """Record that nothing is left of the import, its object included."""
        self._rpc.call("finish_undo", p_import=str(import_id))

    def fail_undo(self, import_id: UUID, code: str, detail: str) -> None:
        """Record why the undo cannot continue; a client can request it again."""
        arguments = {"p_import": str(import_id), "p_code": code, "p_detail": detail}
        self._rpc.call("fail_undo", **arguments)

    # Sweeps

    def begin_sweep(self, kind: str, every: float) -> float | None:
        """Claim a sweep, which is due once in ``every`` seconds for all workers together.

        Returns the ``until`` of the last finished sweep of this kind; None if it is not due.
        """
        until: float | None = self._rpc.call("begin_sweep", p_kind=kind, p_every=every)
        return until

    def end_sweep(self, kind: str, until: float) -> None:
        """Record how far a sweep has come, as a time in seconds since 1970."""
        self._rpc.call("end_sweep", p_kind=kind, p_until=until)

    def lost_imports(self) -> Iterator[list[UUID]]:
        """Yield pages of open imports that no message on the queue would finish."""
        after = UUID(int=0)
        arguments = {"p_limit": _IMPORTS_PER_PAGE}
        while page := self._rpc.call("lost_imports", p_after=str(after), **arguments):
            imports = [UUID(text) for text in page]
            yield imports
            after = imports[-1]

    def queue_imports(self, imports: Sequence[UUID]) -> None:
        """Queue the message of each import, unless it is queued already."""
        messages = [import_contacts_message(import_id) for import_id in imports]
        self._rpc.call("queue_messages", p_messages=messages)

    def delete_old_messages(self, seconds: float, max_messages: int) -> int:
        """Delete messages that ended so many seconds ago; returns how many there were.

        Also forgets sources that have imported nothing for a day.
        """
        self._rpc.call("forget_sources")
        arguments = {"p_seconds": seconds, "p_limit": max_messages}
        return int(self._rpc.call("delete_old_messages", **arguments))

    def abandoned_uploads(self, seconds: float) -> Iterator[str]:
        """Yield the paths of resumable uploads whose service has been silent for so long."""
        arguments = {"p_seconds": seconds, "p_limit": _IMPORTS_PER_PAGE}
        after = ""
        while page := self._rpc.call("abandoned_uploads", p_after=after, **arguments):
            yield from page
            after = page[-1]

    def forget_upload(self, path: str) -> None:
        """Record that a resumable upload has ended."""
        self._rpc.call("forget_upload", p_path=path)

    def queue_undos(self) -> None:
        """Queue the message of each import that is being undone, unless it is queued already."""
        self._rpc.call("queue_undos")

    def queue_erasures(self) -> None:
        """Queue the message of each erasure that has not ended, unless it is queued already."""
        self._rpc.call("queue_erasures")

    def known_imports(self, imports: Sequence[UUID]) -> set[UUID]:
        """Return those of the ids that belong to an import, whatever its state."""
        ids = [str(import_id) for import_id in imports]
        return {UUID(text) for text in self._rpc.call("known_imports", p_imports=ids)}

    # Retention

    def expire_objects(self, keep: float | None, max_imports: int) -> list[ExpiredObject]:
        """Mark the objects of imports that ended ``keep`` seconds ago as expired.

        Returns objects that have expired and are not removed.
        """
        found = self._rpc.call("expire_objects", p_keep=keep, p_limit=max_imports)
        return [ExpiredObject(UUID(each["id"]), each["object"]) for each in found]

    def objects_removed(self, imports: Sequence[UUID]) -> int:
        """Record that Storage has removed their objects; returns how many that are new."""
        return int(self._rpc.call("objects_removed", p_imports=[str(each) for each in imports]))

    def expire_rejections(self, keep: float | None, max_imports: int) -> list[ExpiredRejections]:
        """Mark the rejections of imports that ended ``keep`` seconds ago as expired.

        Returns imports with rejections that have expired and are not removed.
        """
        found = self._rpc.call("expire_rejections", p_keep=keep, p_limit=max_imports)
        return [ExpiredRejections(UUID(each["id"]), each["stored"]) for each in found]

    def remove_rejections(self, imports: Sequence[UUID], max_rejections: int) -> int:
        """Remove expired rejections of these imports from their table; returns how many."""
        ids = [str(import_id) for import_id in imports]
        return int(self._rpc.call("remove_rejections", p_imports=ids, p_limit=max_rejections))

    def rejections_removed(self, imports: Sequence[UUID]) -> int:
        """Record that their rejections are removed; returns how many imports that is new for."""
        return int(self._rpc.call("rejections_removed", p_imports=[str(each) for each in imports]))

    def remove_imports(self, keep: float, max_imports: int) -> int:
        """Remove imports that ended ``keep`` seconds ago; returns how many."""
        return int(self._rpc.call("remove_imports", p_keep=keep, p_limit=max_imports))

    # Webhooks

    def show_end(self, import_id: UUID) -> ImportEvent | None:
        """Return the import as it is now; None if it has no webhook."""
        found = self._rpc.call("show_end", p_import=str(import_id))
        return ImportEvent(found["url"], found["import"], self._retention) if found else None

    def _call_part(self, function: str, attempt: Attempt, **arguments: Any) -> Any:  # noqa: ANN401
        with translate_part_errors():
            return self._rpc.call(function, **_ids(attempt), **arguments)


def _ids(attempt: Attempt) -> dict[str, Any]:
    return {
        "p_import": str(attempt.import_id),
        "p_part": attempt.part,
        "p_attempt": str(attempt.id),
    }

"""The repository as the workers need it: SQL functions of the migrations, called through PostgREST."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias
from uuid import UUID

from core.messages import import_contacts_message, import_part_message
from core.models import Layout, Part
from core.states import Format, ImportState
from core.supabase.rpc import RpcClient
from tasks.errors import part_transitions_translated
from tasks.importing.models import Attempt, PartCounts, PartWork

_MESSAGES_A_CALL: Final = 1000


@dataclass(frozen=True, slots=True)
class StartedImport:
    """An import of which work may begin, or has begun, or is over."""

    state: ImportState
    parts: tuple[int, ...]
    """Numbers of the parts that are left to do."""
    generation: int = 0
    """How often it was retried."""


@dataclass(frozen=True, slots=True)
class PartEnd:
    """What the end of a part has changed."""

    moved: bool
    """False if the part had come to this very end before."""
    state: ImportState
    """Of the whole import."""
    closed: bool
    """Whether this end was the one that closed the import."""
    seconds: float | None
    """From the import's acceptance to its close."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """As the ledger's functions tell it."""
        state = ImportState(value["state"])
        return cls(value["moved"], state, value["closed"], value["seconds"])


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A part that was begun too often without coming to an end: it has failed just now."""

    end: PartEnd


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part that may have killed a worker: to be begun alone. No attempt was counted."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A part of an import that is being cancelled: it has ended just now, with what is in."""

    end: PartEnd


Start: TypeAlias = PartWork | GivenUp | Stopped | Suspect | None
"""What comes of beginning a part."""


class Repository:
    """Moves imports and parts on; usable by all threads at once.

    All raise UpstreamError, and all may be repeated when their answer was lost.
    """

    def __init__(self, functions: RpcClient, *, part_attempts: int) -> None:
        """``part_attempts`` is how many attempts of a part may die before it is given up."""
        self._functions = functions
        self._part_attempts = part_attempts

    def start_import(self, import_id: UUID) -> StartedImport | None:
        """Begin, or go on; None if there is no such import."""
        found = self._functions.call("start_import", p_import=str(import_id))
        if not found:
            return None
        state = ImportState(found["state"])
        return StartedImport(state, tuple(found["parts"]), found["generation"])

    def queue_parts(self, import_id: UUID, started: StartedImport) -> None:
        """Put a message on the queue for each part left to do that has none waiting."""
        messages = [
            import_part_message(import_id, part, started.generation) for part in started.parts
        ]
        for start in range(0, len(messages), _MESSAGES_A_CALL):
            self._functions.call(
                "queue_messages", p_messages=messages[start : start + _MESSAGES_A_CALL]
            )

    def start_part(self, attempt: Attempt, *, alone: bool, ended: Sequence[UUID] = ()) -> Start:
        """Give the part to this attempt, with the work; None if there is nothing (more) to do.

        ``alone`` promises that this process runs nothing else meanwhile. ``ended`` are attempts
        that ended in order while that could not be recorded.
        """
        found = self._call(
            "start_part",
            attempt,
            p_max_attempts=self._part_attempts,
            p_alone=alone,
            p_ended=[str(one) for one in ended],
        )
        if not found:
            return None
        if "suspect" in found:
            return Suspect()
        if "given_up" in found:
            return GivenUp(PartEnd.from_json(found["given_up"]))
        if "cancelled" in found:
            return Stopped(PartEnd.from_json(found["cancelled"]))
        return _work(attempt, found)

    def finish_part(self, attempt: Attempt, counts: PartCounts) -> PartEnd:
        """Record a part's counts and its end.

        Like the other moves it raises InvalidTransitionError if the part's state does not allow it, and
        StaleAttemptError if the part was given to another attempt.
        """
        arguments = {f"p_{name}": value for name, value in counts.to_json().items()}
        return PartEnd.from_json(self._call("finish_part", attempt, **arguments))

    def fail_part(self, attempt: Attempt, code: str, detail: str) -> PartEnd:
        """Give a part up."""
        told = self._call("fail_part", attempt, p_code=code, p_failure=detail)
        return PartEnd.from_json(told)

    def cancel_part(self, attempt: Attempt) -> PartEnd:
        """End a part of an import that is being cancelled, with what of it is in the tables."""
        return PartEnd.from_json(self._call("cancel_part", attempt))

    def postpone_part(self, attempt: Attempt, *, away: bool) -> int | None:
        """Record an orderly end of an attempt that did not end its part: the part waits again.

        ``away`` is whether something it needs was away, and not this worker stopped. Returns how
        often that happened to the part; None if the part was not this attempt's (any more).
        """
        retries: int | None = self._call("postpone_part", attempt, p_away=away)
        return retries

    def contacts_among(self, import_id: UUID, records: list[int]) -> set[int]:
        """Those of these records of which the contacts table has a contact."""
        return set(
            self._functions.call("contacts_among", p_import=str(import_id), p_records=records)
        )

    def _call(self, function: str, attempt: Attempt, **arguments: Any) -> Any:  # noqa: ANN401
        ids = {
            "p_import": str(attempt.import_id),
            "p_part": attempt.part,
            "p_attempt": str(attempt.id),
        }
        with part_transitions_translated():
            return self._functions.call(function, **ids, **arguments)


def _work(attempt: Attempt, found: dict[str, Any]) -> PartWork:
    bounds = {key: found[key] for key in ("byte_start", "byte_end", "first_record", "records")}
    return PartWork(
        attempt=attempt,
        source=found["source"],
        format=Format(found["format"]),
        layout=Layout.from_json(found["layout"]) if found["layout"] else None,
        object=found["object"],
        part=Part(part=attempt.part, **bounds),
        dry_run=found["dry_run"],
        rerun=found["rerun"],
    )


_PAGE: Final = 500


class SweepRepository:
    """All raise UpstreamError, and all may be called again."""

    def __init__(self, functions: RpcClient) -> None:
        self._functions = functions

    def begin(self, kind: str, every: float) -> float | None:
        """Take the turn, at most every so many seconds among all workers; None if it is not due.

        Returns the ``until`` of the last sweep of this kind that came to its end.
        """
        until: float | None = self._functions.call("begin_sweep", p_kind=kind, p_every=every)
        return until

    def end(self, kind: str, until: float) -> None:
        """Note how far a sweep has come."""
        self._functions.call("end_sweep", p_kind=kind, p_until=until)

    def lost(self) -> Iterator[list[UUID]]:
        """Open imports that nothing on the queue would finish, some at a time."""
        after = UUID(int=0)
        while found := self._functions.call("lost_imports", p_after=str(after), p_limit=_PAGE):
            imports = [UUID(text) for text in found]
            yield imports
            after = imports[-1]

    def queue(self, imports: Sequence[UUID]) -> None:
        """Put the message of each on the queue, unless it is there."""
        messages = [import_contacts_message(import_id) for import_id in imports]
        self._functions.call("queue_messages", p_messages=messages)

    def queue_undos(self) -> None:
        """Put the message of each import that is being undone on the queue, unless it is there."""
        self._functions.call("queue_undos")

    def known(self, imports: Sequence[UUID]) -> set[UUID]:
        """Those of these that are imports, whatever has become of them."""
        found = self._functions.call("known_imports", p_imports=[str(one) for one in imports])
        return {UUID(text) for text in found}


class UndoRepository:
    """All raise UpstreamError, and all may be called again."""

    def __init__(self, functions: RpcClient) -> None:
        self._functions = functions

    def object_to_undo(self, import_id: UUID) -> str | None:
        """The name of the object; None unless the import is being undone."""
        name: str | None = self._functions.call("object_to_undo", p_import=str(import_id))
        return name

    def undo_some(self, import_id: UUID, contacts: int) -> bool:
        """Remove so many contacts at most, and their rejections; False when nothing was left.

        Raises BatchTooLargeError if that takes longer than a statement may.
        """
        ids = {"p_import": str(import_id)}
        return bool(self._functions.call_in_time("undo_some", **ids, p_limit=contacts))

    def finish_undo(self, import_id: UUID) -> None:
        """Note that nothing of the import is left, its object included."""
        self._functions.call("finish_undo", p_import=str(import_id))

    def fail_undo(self, import_id: UUID, code: str, detail: str) -> None:
        """Record why the undo cannot go on, and count what it leaves; it can be asked for again."""
        reason = {"p_code": code, "p_detail": detail}
        self._functions.call("fail_undo", p_import=str(import_id), **reason)

"""The ledger as the workers need it: SQL functions of the migrations, called through PostgREST."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias
from uuid import UUID, uuid4

from supabase import Client

from config.messages import import_part_message
from config.model import Layout, Part
from config.states import Format, ImportState
from config.upstream import moves_refused
from tasks.functions import Functions
from tasks.model import PartWork, Tally

_MESSAGES_A_CALL: Final = 1000


@dataclass(frozen=True, slots=True)
class StartedImport:
    """An import of which work may begin, or has begun, or is over."""

    state: ImportState
    parts: tuple[int, ...]
    """Numbers of the parts that are left to do."""


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


class WorkerLedger:
    """Moves imports and parts on; usable by all threads at once.

    Calls are tried again for ``deadline`` seconds and raise UpstreamError after that. All of them
    may be repeated when their answer was lost.
    """

    def __init__(self, supabase: Client, *, part_attempts: int, deadline: float) -> None:
        self._functions = Functions(supabase, deadline=deadline)
        self._part_attempts = part_attempts

    def start_import(self, import_id: UUID) -> StartedImport | None:
        """Begin, or go on; None if there is no such import."""
        found = self._call("start_import", p_import=str(import_id))
        if not found:
            return None
        return StartedImport(ImportState(found["state"]), tuple(found["parts"]))

    def queue_parts(self, import_id: UUID, parts: Sequence[int]) -> None:
        """Put a message on the queue for each of these parts that has none waiting."""
        messages = [import_part_message(import_id, part) for part in parts]
        for start in range(0, len(messages), _MESSAGES_A_CALL):
            self._call("queue_messages", p_messages=messages[start : start + _MESSAGES_A_CALL])

    def start_part(self, import_id: UUID, part: int, *, alone: bool) -> Start:
        """Count an attempt and tell the work; None if there is nothing (more) to do.

        ``alone`` promises that this process runs nothing else meanwhile.
        """
        found = self._call(
            "start_part",
            p_import=str(import_id),
            p_part=part,
            p_max_attempts=self._part_attempts,
            p_alone=alone,
            p_attempt=str(uuid4()),
        )
        if not found:
            return None
        if "suspect" in found:
            return Suspect()
        if "given_up" in found:
            return GivenUp(PartEnd.from_json(found["given_up"]))
        if "cancelled" in found:
            return Stopped(PartEnd.from_json(found["cancelled"]))
        return _work(import_id, part, found)

    def finish_part(self, work: PartWork, tally: Tally) -> PartEnd:
        """Record a part's counts and its end; raises IllegalMove if it is in another's hands."""
        return self._end(
            "finish_part",
            work,
            **{f"p_{name}": value for name, value in tally.to_json().items()},
        )

    def fail_part(self, work: PartWork, code: str, detail: str) -> PartEnd:
        """Give a part up; raises IllegalMove if it is done by now."""
        return self._end("fail_part", work, p_code=code, p_failure=detail)

    def cancel_part(self, work: PartWork) -> PartEnd:
        """End a part of an import that is being cancelled, with what of it is in the tables.

        Raises IllegalMove if the part has ended otherwise, or the import goes on.
        """
        return self._end("cancel_part", work)

    def postpone_part(self, work: PartWork) -> int | None:
        """Hand a part back; returns how often that happened, None if it is not being imported."""
        retries: int | None = self._call(
            "postpone_part", p_import=str(work.import_id), p_part=work.part.part
        )
        return retries

    def _end(self, function: str, work: PartWork, **arguments: Any) -> PartEnd:  # noqa: ANN401
        ids = {"p_import": str(work.import_id), "p_part": work.part.part}
        return PartEnd.from_json(self._call(function, **ids, **arguments))

    def _call(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401
        with moves_refused():
            return self._functions.call(function, **arguments)


def _work(import_id: UUID, part: int, found: dict[str, Any]) -> PartWork:
    bounds = {key: found[key] for key in ("byte_start", "byte_end", "first_record", "records")}
    return PartWork(
        import_id=import_id,
        source=found["source"],
        format=Format(found["format"]),
        layout=Layout.from_json(found["layout"]) if found["layout"] else None,
        object=found["object"],
        part=Part(part=part, **bounds),
        dry_run=found["dry_run"],
    )

"""The repository as the service needs it: SQL functions of the migrations, called through PostgREST."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import msgspec

from core.messages import (
    first_message,
    notify_import_message,
    retry_message,
    undo_import_message,
)
from core.rejection_objects import Rejection
from core.supabase.errors import translate_transition_errors
from core.supabase.rpc import AsyncRpcClient
from service.intake.digest import Digest
from service.intake.options import Options
from service.splitting.part_cutter import Split


@dataclass(frozen=True, slots=True)
class NewImport:
    """An import whose object is stored."""

    id: UUID
    source: str
    object: str
    split: Split
    receipt: Digest
    options: Options
    compression: str | None = None
    """What it was compressed with when it came."""

    def to_json(self) -> dict[str, Any]:
        """The import as the repository takes it, without its parts."""
        split = self.split
        return {
            "id": str(self.id),
            "source": self.source,
            "format": split.format,
            "layout": split.layout.to_json() if split.layout else None,
            "object": self.object,
            "bytes": split.bytes,
            "records": split.records,
            "detected": self.detected,
            "ignored": split.ignored or None,
            "sha256": self.receipt.sha256,
            "received": self.receipt.bytes,
            "dry_run": self.options.dry_run,
            "idempotency_key": self.options.key,
            "fingerprint": self.fingerprint,
            "notify": self._notify(),
        }

    def _notify(self) -> dict[str, Any] | None:
        """Whom to tell of its end, and the message that is queued then."""
        url = self.options.notify
        return {"url": url, "message": notify_import_message(self.id)} if url else None

    @property
    def detected(self) -> dict[str, Any]:
        """What was found of how it came, as clients see it."""
        return self.split.detected | {"compression": self.compression}

    @property
    def fingerprint(self) -> str:
        """Equal for requests that send the same and ask for the same."""
        sent = (self.receipt.sha256, self.receipt.bytes, self.split.format, self.source)
        asked = (self.options.dry_run, self.options.asked)
        return sha256(msgspec.json.encode((sent, asked))).hexdigest()


@dataclass(frozen=True, slots=True)
class ExistingImport:
    """The import that another request with the same Idempotency-Key has made."""

    id: UUID
    same: bool
    """Whether that request had the same fingerprint. If so, the import is there to stay."""

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Self | None:
        """As the ledger's functions tell it, if there is one."""
        return cls(UUID(value["id"]), value["same"]) if value else None


class RejectionObject(msgspec.Struct, frozen=True):
    """A stored object with rejections."""

    name: str
    first_record: int
    last_record: int


class KnownRejections(msgspec.Struct, frozen=True):
    """The next rejections of an import after a record, as its table has them."""

    layout: dict[str, Any] | None
    """How the rows of a CSV file are read."""
    rejections: list[Rejection]
    object: RejectionObject | None
    """The next object with some; they come after the rows before its first record."""


class Repository:
    """Calls that are retried until the deadline of ``rpc``; they raise UpstreamError after that.

    The error is ``not_committed`` if none of the tries can have committed.
    """

    def __init__(self, rpc: AsyncRpcClient) -> None:
        self._rpc = rpc

    async def create_import(self, new: NewImport) -> ExistingImport | None:
        """Record an import, its parts and its message in one transaction: it is queued then.

        Unless there is an import of the same Idempotency-Key: then nothing is done but to tell it.
        Safe to call again: an import that is recorded already is left as it is.
        """
        parts = new.split.parts
        told = await self._rpc.call(
            "create_import",
            p_import=new.to_json(),
            p_parts=[part.to_json() for part in parts],
            p_message=first_message(new.id, len(parts)),
        )
        return ExistingImport.from_json(told)

    async def knows(self, key: str) -> bool:
        """Whether there is an import of this Idempotency-Key; that one may yet be taken back."""
        return await self._join(key, None) is not None

    async def join_import(self, new: NewImport) -> ExistingImport | None:
        """The import that has the Idempotency-Key of this one; None if there is none (any more)."""
        return await self._join(new.options.key, new.fingerprint)

    async def _join(self, key: str | None, fingerprint: str | None) -> ExistingImport | None:
        return ExistingImport.from_json(
            await self._rpc.call("join_import", p_key=key, p_fingerprint=fingerprint)
        )

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        """Take back an import of which it is not known whether it was recorded.

        True if it goes on all the same: then it was, and a worker has begun it, or another request
        was told of it. Otherwise it cannot be recorded any more, should a request to do so still be
        on its way.
        """
        return bool(
            await self._rpc.call("discard_import", seconds=seconds, p_import=str(import_id))
        )

    async def get_import(self, import_id: UUID) -> dict[str, Any] | None:
        """What the database's ``get_import`` tells of it; None if unknown."""
        return await self._job("get_import", import_id)

    async def list_imports(
        self, *, state: str | None, source: str | None, before: UUID | None, limit: int
    ) -> list[dict[str, Any]]:
        """The same of imports that were recorded before one of them, the newest first."""
        found: list[dict[str, Any]] = await self._rpc.call(
            "list_imports",
            p_state=state,
            p_source=source,
            p_before=None if before is None else str(before),
            p_limit=limit,
        )
        return found

    async def show_rejections(
        self, import_id: UUID, *, after: int, limit: int
    ) -> KnownRejections | None:
        """The next rejections after a record; None if the import is unknown."""
        found = await self._rpc.call(
            "show_rejections", p_import=str(import_id), p_after=after, p_limit=limit
        )
        return msgspec.convert(found, KnownRejections | None)

    async def retry_import(self, import_id: UUID) -> dict[str, Any] | None:
        """Queue the failed parts again; like the other moves, tells what ``get_import`` does then.

        Raises InvalidTransitionError if the import has not failed.
        """
        return await self._job("retry_import", import_id, p_message=retry_message(import_id))

    async def cancel_import(self, import_id: UUID) -> dict[str, Any] | None:
        """Have its work end; raises InvalidTransitionError if it has ended otherwise."""
        return await self._job("cancel_import", import_id)

    async def undo_import(self, import_id: UUID) -> dict[str, Any] | None:
        """Have all of it removed, as soon as its work has ended; safe to repeat."""
        return await self._job("undo_import", import_id, p_message=undo_import_message(import_id))

    async def check(self) -> None:
        """Raise if PostgREST, Postgres or the queue does not answer."""
        await self._rpc.call_once("queue_ready")

    async def _job(
        self, function: str, import_id: UUID, **more: dict[str, Any]
    ) -> dict[str, Any] | None:
        arguments: dict[str, Any] = {"p_import": str(import_id), **more}
        with translate_transition_errors():
            found: dict[str, Any] | None = await self._rpc.call(function, **arguments)
        return found

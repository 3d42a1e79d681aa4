"""The service's repository: imports and rejections, by calls of SQL functions through PostgREST."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Self
from uuid import UUID

import msgspec

from config.tracing import JOB_ID, NO_TRACES, Traces
from core.conversion import Converter
from core.ids import contacts_ahead, job_id
from core.models import Part
from core.queue_messages import (
    QUEUES,
    erase_address_message,
    first_message,
    is_small,
    notify_import_message,
    retry_message,
    undo_import_message,
)
from core.reading.plan import ReadingPlan
from core.rejection_objects import Rejection
from core.supabase.errors import translate_transition_errors
from core.supabase.rpc import AsyncRpcClient
from service.intake.detected import detected
from service.intake.digest import Digest
from service.intake.request import ImportRequest
from service.splitting.part_cutter import Split


@dataclass(frozen=True, slots=True)
class NewImport:
    """An import whose object is stored."""

    id: UUID
    request: ImportRequest
    source: str
    object: str
    """Name of the object."""
    split: Split
    digest: Digest
    """Of the body or file as the client sent it."""

    def with_parts(self, parts: list[Part]) -> Self:
        """Return the same import, cut into these parts."""
        return replace(self, split=replace(self.split, parts=parts))

    def to_json(self, traceparent: str | None = None) -> dict[str, Any]:
        """Return the import, without its parts, as the function ``create_import`` takes it.

        ``traceparent`` is for the message of its webhook.
        """
        split, options = self.split, self.request.options
        message = notify_import_message(self.id, traceparent)
        return {
            "id": str(self.id),
            "source": self.source,
            "format": split.format,
            "plan": self.plan.to_json(),
            "object": self.object,
            "bytes": split.bytes,
            "records": split.records,
            "contacts_ahead": contacts_ahead(split.records),
            "small": is_small(len(split.parts), split.bytes),
            "detected": detected(split, self.request.compression),
            "ignored": split.ignored or None,
            "sha256": self.digest.sha256,
            "received": self.digest.bytes,
            "dry_run": options.dry_run,
            "idempotency_key": self.request.idempotency_key,
            "fingerprint": self.fingerprint,
            "created_by": self.request.key_name,
            "keep": options.keep,
            "notify": {"url": options.notify, "message": message} if options.notify else None,
        }

    @property
    def plan(self) -> ReadingPlan:
        """How its records are read."""
        return self.split.plan

    @property
    def fingerprint(self) -> str:
        """Hash that is equal for requests with the same bytes and options."""
        content = (self.digest.sha256, self.digest.bytes, self.split.format, self.source)
        options = (self.request.options.dry_run, self.request.compared)
        return sha256(msgspec.json.encode((content, options))).hexdigest()


@dataclass(frozen=True, slots=True)
class ExistingImport:
    """The import that an earlier request with the same Idempotency-Key has made."""

    id: UUID
    same: bool
    """Whether that request had the same fingerprint. If so, the import will not be rolled back."""
    plan: ReadingPlan | None = None
    """Its plan, if it is the same: it was made again from this request."""

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Self | None:
        """Return the import that a function of the database returned, None if it returned none."""
        return cls(UUID(value["id"]), value["same"]) if value else None


class RejectionObject(msgspec.Struct, frozen=True):
    """A stored object with rejections."""

    name: str
    first_record: int
    last_record: int


class KnownRejections(msgspec.Struct, frozen=True):
    """The next rejections of an import after a record, as the database has them."""

    plan: dict[str, Any] | None
    """How the records are read."""
    expired: bool
    """Whether the import had rejections, and they are or will be removed."""
    rejections: list[Rejection]
    object: RejectionObject | None
    """The next object with rejections; they follow the rows before its first record."""


class MessageCounts(msgspec.Struct, frozen=True):
    """The messages of one queue."""

    waiting: int
    running: int
    delayed: int
    age: float
    """Seconds for which the oldest message has waited; 0 if none waits."""


class PartCounts(msgspec.Struct, frozen=True):
    """The parts that are to be imported."""

    open: int
    importing: int
    """Those of them that a worker has taken."""


class QueueStatistics(msgspec.Struct, frozen=True):
    """The work that is to be done, as the database's ``queue_statistics`` returns it."""

    queues: dict[str, MessageCounts]
    imports: dict[str, int]
    """By state, without the states that imports end in; a state without imports may be missing."""
    parts: PartCounts
    sweeps: dict[str, float]
    """When each kind of sweep was begun last, in seconds since 1970; 0 if it never was."""


_to_known_rejections: Final = Converter(KnownRejections)
_to_queue_statistics: Final = Converter(QueueStatistics)


class Repository:
    """Calls SQL functions.

    All methods raise UpstreamError; it is ``not_committed`` if nothing can have changed.
    """

    def __init__(self, rpc: AsyncRpcClient, traces: Traces = NO_TRACES) -> None:
        """Messages that it queues belong to the span of ``traces`` that runs."""
        self._rpc = rpc
        self._traces = traces

    async def create_import(self, new: NewImport) -> ExistingImport | None:
        """Record an import, its parts and its first message in one transaction, which queues it.

        If there is an import with the same Idempotency-Key, nothing is recorded and it is returned.
        May be repeated: an import that is recorded already stays as it is.
        """
        with self._traces.span(
            "create_import",
            kind="producer",
            attributes={JOB_ID: job_id(new.id), "contacts_importer.parts": len(new.split.parts)},
        ):
            traceparent = self._traces.traceparent()
            existing = await self._rpc.call(
                "create_import",
                p_import=new.to_json(traceparent),
                p_parts=[part.to_json() for part in new.split.parts],
                p_message=first_message(new.id, len(new.split.parts), new.split.bytes, traceparent),
            )
        return ExistingImport.from_json(existing)

    async def has_import(self, idempotency_key: str) -> bool:
        """Return whether there is an import with this Idempotency-Key.

        It may still be rolled back.
        """
        existing = await self._rpc.call("join_import", p_key=idempotency_key, p_fingerprint=None)
        return existing is not None

    async def join_import(self, new: NewImport) -> ExistingImport | None:
        """Return the import with the same Idempotency-Key; None if there is none (any more).

        If its fingerprint is the same, it can no longer be discarded.
        """
        existing = await self._rpc.call(
            "join_import",
            p_key=new.request.idempotency_key,
            p_fingerprint=new.fingerprint,
        )
        return ExistingImport.from_json(existing)

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        """Discard an import of which it is not known whether it was recorded.

        Returns True if it continues: it was recorded, and a worker has begun it or another request
        was answered with it. Otherwise it cannot be recorded any more, even if a request to do so
        is still on its way.
        """
        return bool(
            await self._rpc.call("discard_import", seconds=seconds, p_import=str(import_id))
        )

    async def note_upload(self, path: str, *, seconds: float | None = None) -> None:
        """Record that a resumable upload runs; ``seconds`` takes the place of the deadline."""
        await self._rpc.call("note_upload", seconds=seconds, p_path=path)

    async def forget_upload(self, path: str, *, seconds: float) -> None:
        """Record that a resumable upload has ended."""
        await self._rpc.call("forget_upload", seconds=seconds, p_path=path)

    async def get_import(self, import_id: UUID) -> dict[str, Any] | None:
        """Return an import as the database's ``get_import`` does; None if it is unknown."""
        return await self._job("get_import", import_id)

    async def list_imports(
        self, *, state: str | None, source: str | None, before: UUID | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return imports that were recorded before the one with id ``before``, the newest first.

        Each is as ``get_import`` returns it.
        """
        imports: list[dict[str, Any]] = await self._rpc.call(
            "list_imports",
            p_state=state,
            p_source=source,
            p_before=None if before is None else str(before),
            p_limit=limit,
        )
        return imports

    async def show_rejections(
        self, import_id: UUID, *, after: int, limit: int
    ) -> KnownRejections | None:
        """Return the next rejections after a record; None if the import is unknown."""
        rejections = await self._rpc.call(
            "show_rejections", p_import=str(import_id), p_after=after, p_limit=limit
        )
        return _to_known_rejections(rejections) if rejections else None

    async def retry_import(self, import_id: UUID) -> dict[str, Any] | None:
        """Queue the failed parts again; return what ``get_import`` then returns.

        Raises InvalidTransitionError if the import has not failed, and ExpiredError if its object
        has expired.
        """
        message = retry_message(import_id, self._traces.traceparent())
        return await self._job("retry_import", import_id, p_message=message)

    async def cancel_import(self, import_id: UUID, key_name: str | None) -> dict[str, Any] | None:
        """Stop the work on an import; return what ``get_import`` then returns.

        ``key_name`` is the name of the request's API key. Raises InvalidTransitionError if the
        import has ended otherwise.
        """
        return await self._job("cancel_import", import_id, p_by=key_name)

    async def undo_import(self, import_id: UUID, key_name: str | None) -> dict[str, Any] | None:
        """Have everything of an import removed once its work has ended.

        ``key_name`` is the name of the request's API key. Returns what ``get_import`` then returns.
        May be repeated.
        """
        message = undo_import_message(import_id, self._traces.traceparent())
        return await self._job("undo_import", import_id, p_message=message, p_by=key_name)

    async def create_erasure(
        self, erasure_id: UUID, email: str, *, remove_objects: bool, key_name: str
    ) -> dict[str, Any]:
        """Have everything about an address removed; return what ``get_erasure`` then returns.

        ``key_name`` is the name of the request's API key. May be repeated.
        """
        erasure: dict[str, Any] = await self._rpc.call(
            "create_erasure",
            p_erasure=str(erasure_id),
            p_email=email,
            p_remove_objects=remove_objects,
            p_message=erase_address_message(erasure_id, self._traces.traceparent()),
            p_by=key_name,
        )
        return erasure

    async def get_erasure(self, erasure_id: UUID) -> dict[str, Any] | None:
        """Return an erasure as the database's ``get_erasure`` does; None if it is unknown."""
        erasure: dict[str, Any] | None = await self._rpc.call(
            "get_erasure", p_erasure=str(erasure_id)
        )
        return erasure

    async def check(self) -> None:
        """Raise UpstreamError if PostgREST, Postgres or the queue does not answer; no retries."""
        await self._rpc.call_once("queue_ready")

    async def queue_statistics(self) -> QueueStatistics:
        """Return how much work is to be done; no retries."""
        found = await self._rpc.call_once("queue_statistics", p_queues=QUEUES)
        return _to_queue_statistics(found)

    async def _job(
        self, function: str, import_id: UUID, **more: dict[str, Any] | str | None
    ) -> dict[str, Any] | None:
        arguments: dict[str, Any] = {"p_import": str(import_id), **more}
        with translate_transition_errors():
            job: dict[str, Any] | None = await self._rpc.call(function, **arguments)
        return job

"""The ledger as the service needs it: SQL functions of the migrations, called through PostgREST."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from supabase import AsyncClient

from config.errors import UpstreamError
from config.messages import first_message
from config.retrying import retrying_async
from config.upstream import DATABASE, translated
from service.options import Options
from service.receipt import Receipt
from service.splitting.parts import Split


@dataclass(frozen=True, slots=True)
class NewImport:
    """An import whose object is stored."""

    id: UUID
    source: str
    object: str
    split: Split
    receipt: Receipt
    options: Options

    def to_json(self) -> dict[str, Any]:
        """The import as the ledger takes it, without its parts."""
        split = self.split
        return {
            "id": str(self.id),
            "source": self.source,
            "format": split.format,
            "layout": split.layout.to_json() if split.layout else None,
            "object": self.object,
            "bytes": split.bytes,
            "records": split.records,
            "sha256": self.receipt.sha256,
            "received": self.receipt.bytes,
            "dry_run": self.options.dry_run,
            "idempotency_key": self.options.key,
        }


_SAME: Final = ("source", "format", "layout", "sha256", "received", "dry_run", "detected")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An import that came with the same Idempotency-Key. It is there to stay."""

    id: UUID
    told: dict[str, Any]
    """What the ledger tells of it."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """As the ledger's functions tell it."""
        return cls(UUID(value["id"]), value)

    def is_same(self, new: NewImport) -> bool:
        """Whether the other request had the same bytes and asked for the same."""
        asked = new.to_json()
        return all(self.told.get(key) == asked.get(key) for key in _SAME)


class Ledger:
    """Calls that are tried again for ``deadline`` seconds; they raise UpstreamError after that.

    The error is ``undone`` if none of the tries can have been done.
    """

    def __init__(self, supabase: AsyncClient, *, deadline: float) -> None:
        self._supabase = supabase
        self._deadline = deadline

    async def create_import(self, new: NewImport) -> Earlier | None:
        """Record an import, its parts and its message in one transaction: it is queued then.

        Unless there is an import of the same Idempotency-Key: then nothing is done but to tell it.
        Safe to call again: an import that is recorded already is left as it is.
        """
        parts = new.split.parts
        told = await self._call(
            "create_import",
            self._deadline,
            p_import=new.to_json(),
            p_parts=[part.to_json() for part in parts],
            p_message=first_message(new.id, len(parts)),
        )
        return Earlier.from_json(told) if told else None

    async def join_import(self, key: str) -> Earlier | None:
        """The import of this Idempotency-Key, if there is one; it cannot be taken back any more."""
        told = await self._call("join_import", self._deadline, p_key=key)
        return Earlier.from_json(told) if told else None

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        """Take back an import of which it is not known whether it was recorded.

        True if it goes on all the same: then it was, and a worker has begun it, or another request
        was told of it. Otherwise it cannot be recorded any more, should a request to do so still be
        on its way.
        """
        return bool(await self._call("discard_import", seconds, p_import=str(import_id)))

    async def get_import(self, import_id: UUID) -> dict[str, Any] | None:
        """What the database's ``get_import`` tells of it; None if unknown."""
        found: dict[str, Any] | None = await self._call(
            "get_import", self._deadline, p_import=str(import_id)
        )
        return found

    async def check(self) -> None:
        """Raise if PostgREST, Postgres or the queue does not answer."""
        await self._once("queue_ready")

    async def _call(self, function: str, seconds: float, **arguments: Any) -> Any:  # noqa: ANN401
        undone = True

        async def noted() -> Any:  # noqa: ANN401
            nonlocal undone
            try:
                return await self._once(function, **arguments)
            except UpstreamError as error:
                undone = error.undone = undone and error.undone
                raise

        with translated(DATABASE):
            async with asyncio.timeout(seconds):
                return await retrying_async(seconds)(noted)

    async def _once(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401
        with translated(DATABASE):
            return (await self._supabase.rpc(function, arguments).execute()).data

"""The ledger as the service needs it: SQL functions of the migrations, called through PostgREST."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from supabase import AsyncClient

from config.errors import UpstreamError
from config.messages import first_message
from config.retrying import retrying_async
from config.upstream import DATABASE, translated
from service.splitting.parts import Split


@dataclass(frozen=True, slots=True)
class NewImport:
    """An import whose object is stored."""

    id: UUID
    source: str
    object: str
    split: Split
    compression: str | None = None
    """What it was compressed with when it came."""

    @property
    def detected(self) -> dict[str, Any]:
        """What was found of how it came, as clients see it."""
        return self.split.detected | {"compression": self.compression}


class Ledger:
    """Calls that are tried again for ``deadline`` seconds; they raise UpstreamError after that.

    The error is ``undone`` if none of the tries can have been done.
    """

    def __init__(self, supabase: AsyncClient, *, deadline: float) -> None:
        self._supabase = supabase
        self._deadline = deadline

    async def create_import(self, new: NewImport) -> None:
        """Record an import, its parts and its message in one transaction: it is queued then.

        Safe to call again: an import that is recorded already is left as it is.
        """
        split = new.split
        await self._call(
            "create_import",
            self._deadline,
            p_import={
                "id": str(new.id),
                "source": new.source,
                "format": split.format,
                "layout": split.layout.to_json() if split.layout else None,
                "object": new.object,
                "bytes": split.bytes,
                "records": split.records,
                "detected": new.detected,
                "ignored": split.ignored or None,
            },
            p_parts=[part.to_json() for part in split.parts],
            p_message=first_message(new.id, len(split.parts)),
        )

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        """Take back an import of which it is not known whether it was recorded.

        True if it goes on all the same: then it was, and a worker has begun it. Otherwise it cannot
        be recorded any more, should a request to do so still be on its way.
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

"""The story of an undo: the contacts and rejections go, then the object, then it is told.

A few thousand contacts at a time, each time in a transaction of its own: so no statement takes
long, nobody waits for it, and wherever it breaks off, the same message goes on from there.
"""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from config.errors import UpstreamError
from tasks.errors import PutOff
from tasks.writing.bisecting import TooMuch

log = structlog.stdlib.get_logger(__name__)

MOST: Final = 20_000
"""Contacts that are removed at a time, if that can be done within the time of a statement."""


class Ledger(Protocol):
    """What the story needs of UndoLedger."""

    def object_to_undo(self, import_id: UUID) -> str | None:
        """See UndoLedger."""
        ...

    def undo_some(self, import_id: UUID, contacts: int) -> bool:
        """See UndoLedger."""
        ...

    def finish_undo(self, import_id: UUID) -> None:
        """See UndoLedger."""
        ...


class Objects(Protocol):
    """What the story needs of Bucket."""

    def remove(self, names: Sequence[str]) -> None:
        """See Bucket."""
        ...


class Metrics(Protocol):
    """What the story has counted; see PrometheusMetrics."""

    def import_undone(self) -> None:
        """See PrometheusMetrics."""
        ...


class UndoImport:
    """Undoes imports; usable by all threads of a process at once."""

    def __init__(self, ledger: Ledger, bucket: Objects, metrics: Metrics) -> None:
        self._ledger = ledger
        self._bucket = bucket
        self._metrics = metrics

    def __call__(self, import_id: UUID) -> None:
        """Remove all of an import that is being undone; raises PutOff if it has to go on later."""
        try:
            self._undo(import_id)
        except UpstreamError as error:
            log.warning(
                "undo put off", upstream=error.upstream, reason=error.detail, code=error.code
            )
            raise PutOff.since(error, "something the undo needs is away") from None

    def _undo(self, import_id: UUID) -> None:
        name = self._ledger.object_to_undo(import_id)
        if name is None:
            log.info("nothing to do: the import is not being undone")
            return
        self._remove_contacts(import_id)
        self._bucket.remove([name])
        self._ledger.finish_undo(import_id)
        self._metrics.import_undone()
        log.info("import undone")

    def _remove_contacts(self, import_id: UUID) -> None:
        most, left = MOST, True
        while left:
            try:
                left = self._ledger.undo_some(import_id, most)
            except TooMuch:
                if most == 1:
                    raise PutOff("one contact takes too long to remove") from None
                most //= 2

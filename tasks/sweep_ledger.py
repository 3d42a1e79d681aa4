"""The ledger as the sweep needs it: whose turn it is, what is lost, what is known."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from config.messages import import_contacts_message
from tasks.functions import Functions

_PAGE: Final = 500


class SweepLedger:
    """All raise UpstreamError, and all may be called again."""

    def __init__(self, functions: Functions) -> None:
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

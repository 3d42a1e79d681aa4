"""The ledger as an undo needs it: what is left to remove, and that all is gone."""

from uuid import UUID

from tasks.functions import Functions


class UndoLedger:
    """All raise UpstreamError, and all may be called again."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def object_to_undo(self, import_id: UUID) -> str | None:
        """The name of the object; None unless the import is being undone."""
        name: str | None = self._functions.call("object_to_undo", p_import=str(import_id))
        return name

    def undo_some(self, import_id: UUID, contacts: int) -> bool:
        """Remove so many contacts at most, and their rejections; False when nothing was left.

        Raises TooMuch if that takes longer than a statement may.
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

"""Calls of the migrations' SQL functions, through PostgREST."""

import threading
from typing import Any

from supabase import Client

from core.supabase.errors import DATABASE, too_large_translated, translated
from core.supabase.retry import retrying


class Functions:
    """Usable by all threads at once.

    Calls are tried again for ``deadline`` seconds and raise UpstreamError after that.
    """

    def __init__(
        self, supabase: Client, *, deadline: float, stopping: threading.Event | None = None
    ) -> None:
        """``stopping`` cuts the deadline short, once it is set."""
        self._supabase = supabase
        self._deadline = deadline
        self._stopping = stopping

    def call(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401
        """What the function returns; it must be one that may be called again."""
        return retrying(self._deadline, self._stopping)(self._once, function, arguments)

    def call_in_time(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401
        """The same, but where it takes too long, BatchTooLargeError is raised at once."""
        return retrying(self._deadline, self._stopping)(self._in_time, function, arguments)

    def _in_time(self, function: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
        with too_large_translated():
            return self._once(function, arguments)

    def _once(self, function: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
        with translated(DATABASE):
            return self._supabase.rpc(function, arguments).execute().data

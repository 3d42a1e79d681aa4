"""Calls of our SQL functions through PostgREST, with a deadline and retries.

A function that is called here must be safe to call again: an answer can be lost.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from postgrest.exceptions import APIError, generate_default_error_message
from supabase import AsyncClient, Client

from core.errors import TransientError, UpstreamError
from core.supabase.errors import (
    DATABASE,
    parse_json_object,
    translate_errors,
    translate_size_errors,
)
from core.supabase.retry import OnRetry, retrying, retrying_async, uncounted

_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class _CommitTracker:
    """Marks the error of a call ``not_committed`` only if none of its tries can have committed."""

    def __init__(self) -> None:
        self._not_committed = True

    @contextmanager
    def one_try(self) -> Iterator[None]:
        """Translate the errors of one try."""
        try:
            with translate_errors(DATABASE):
                yield
        except UpstreamError as error:
            self._not_committed = error.not_committed = self._not_committed and error.not_committed
            raise


class AsyncRpcClient:
    """Calls SQL functions from an event loop; raises UpstreamError."""

    def __init__(
        self, supabase: AsyncClient, *, deadline: float, on_retry: OnRetry = uncounted
    ) -> None:
        """``deadline`` is how many seconds a call may take, retries included."""
        self._supabase = supabase
        self._deadline = deadline
        self._on_retry = on_retry

    async def call(self, function: str, *, seconds: float | None = None, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON
        """Return what the function returns; ``seconds`` takes the place of the deadline."""
        deadline = self._deadline if seconds is None else seconds
        tracker = _CommitTracker()

        async def call_once() -> Any:  # noqa: ANN401 -- JSON
            with tracker.one_try():
                return (await self._supabase.rpc(function, arguments).execute()).data

        with translate_errors(DATABASE):
            async with asyncio.timeout(deadline):
                return await retrying_async(deadline, self._on_retry)(call_once)

    async def call_once(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON
        """Return what the function returns, without a retry."""
        with translate_errors(DATABASE):
            return (await self._supabase.rpc(function, arguments).execute()).data


class RpcClient:
    """Calls SQL functions from threads, all of which may use it at once; raises UpstreamError."""

    def __init__(
        self,
        supabase: Client,
        *,
        deadline: float,
        stopping: threading.Event | None = None,
        on_retry: OnRetry = uncounted,
    ) -> None:
        """``deadline`` is for how many seconds a call is retried; ``stopping`` cuts it short."""
        self._supabase = supabase
        self._retrying = partial(retrying, deadline, stopping, on_retry)

    def call(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON
        """Return what the function returns."""
        tracker = _CommitTracker()

        def call_once() -> Any:  # noqa: ANN401 -- JSON
            with tracker.one_try():
                return self._supabase.rpc(function, arguments).execute().data

        return self._retrying()(call_once)

    def call_in_time(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401 -- JSON
        """Return the same, but raise BatchTooLargeError at once after a statement timeout."""

        def call_once() -> Any:  # noqa: ANN401 -- JSON
            with translate_size_errors(), translate_errors(DATABASE):
                return self._supabase.rpc(function, arguments).execute().data

        return self._retrying()(call_once)

    def post_text(self, function: str, text: bytes) -> Any:  # noqa: ANN401 -- JSON
        """Call a function whose only argument is the body of the request, a text.

        supabase-py sends JSON only. Raises BatchTooLargeError at once after a statement timeout.
        """
        rest = self._supabase.postgrest
        url = str(rest.base_url.joinpath("rpc", function))

        def post_once() -> Any:  # noqa: ANN401 -- JSON
            with translate_size_errors(), translate_errors(DATABASE):
                response = rest.session.post(url, content=text, headers={**rest.headers, **_TEXT})
                if response.is_error:
                    error = parse_json_object(response.content)
                    raise APIError(error or generate_default_error_message(response))
                try:
                    return response.json()
                except ValueError:
                    raise TransientError(
                        DATABASE, "answered without JSON, as a gateway does", code="gateway"
                    ) from None

        return self._retrying()(post_once)

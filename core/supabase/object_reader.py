"""Byte ranges of stored objects, streamed.

supabase-py only knows how to download whole objects, so this speaks Storage's HTTP itself. A read
that breaks off goes on at the byte it had come to.
"""

import re
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote

import httpx

from core.errors import PermanentError, TransientError, UpstreamError
from core.models import BUCKET
from core.supabase.errors import (
    STORAGE,
    from_body,
    is_missing_object,
    is_page,
    retry_after,
    translated,
)
from core.supabase.retry import retrying

OBJECT_MISSING: Final = "object_missing"
RANGE_REFUSED: Final = "range_refused"

_PIECE_BYTES: Final = 64 * 1024
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")


class ObjectReader:
    """Reads from the bucket of the imports; usable by all threads at once."""

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str],
        http: httpx.Client,
        *,
        deadline: float,
        stopping: threading.Event | None = None,
    ) -> None:
        """``deadline`` is how many seconds Storage may be away at a time.

        ``stopping`` cuts it short, once it is set.
        """
        self._objects = f"{base_url}/storage/v1/object/{BUCKET}"
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._http = http
        self._deadline = deadline
        self._stopping = stopping

    def read(self, name: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes ``[start, end)`` in pieces of at most 64 KiB.

        Close it: the garbage collector would give the connection back at any moment, also while
        this very thread holds the lock of httpx's pool, and then no thread would ever get on.
        Raises TransientError if Storage stays away, and PermanentError, with code ``object_missing`` if
        Storage itself says that there is no such object.
        """
        url = f"{self._objects}/{quote(name)}"
        reading = _Reading(self._http, url, self._headers, start, end)
        try:
            while piece := retrying(self._deadline, self._stopping)(reading.next):
                yield piece
        finally:
            reading.close()


class _Reading:
    """One range on its way; after an error ``next`` asks again for what is missing."""

    def __init__(
        self, http: httpx.Client, url: str, headers: dict[str, str], start: int, end: int
    ) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self._at = start
        self._end = end
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def next(self) -> bytes:
        """The next piece; empty at the end of the range."""
        if self._at == self._end:
            return b""
        try:
            with translated(STORAGE):
                return self._advance()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        response, self._response = self._response, None
        if response is not None:
            with suppress(httpx.HTTPError):
                response.close()

    def _advance(self) -> bytes:
        if self._response is None:
            self._response = self._open()
            self._pieces = self._response.iter_raw(_PIECE_BYTES)
        piece = next(self._pieces, b"")
        if not piece:
            raise TransientError(STORAGE, "sent less than it promised", code="truncated")
        if self._at + len(piece) > self._end:
            raise PermanentError(STORAGE, "sent more than was asked for", code=RANGE_REFUSED)
        self._at += len(piece)
        return piece

    def _open(self) -> httpx.Response:
        headers = {**self._headers, "Range": f"bytes={self._at}-{self._end - 1}"}
        request = self._http.build_request("GET", self._url, headers=headers)
        response = self._http.send(request, stream=True)
        try:
            self._check(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, response: httpx.Response) -> None:
        if response.is_error or response.is_redirect or is_page(response.headers):
            raise _error(response)
        if self._is_the_range(response):
            return
        raise PermanentError(
            STORAGE, f"answered {response.status_code} with another range", code=RANGE_REFUSED
        )

    def _is_the_range(self, response: httpx.Response) -> bool:
        if response.status_code == 200:  # the whole object: fine if that was what we wanted
            whole = response.headers.get("Content-Length") == str(self._end)
            return self._at == 0 and whole
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        wanted = (str(self._at), str(self._end - 1))
        return response.status_code == 206 and match is not None and match.groups() == wanted


def _error(response: httpx.Response) -> UpstreamError:
    seconds = retry_after(response.headers)
    error = from_body(STORAGE, response.status_code, response.read(), retry_after=seconds)
    if is_missing_object(error):
        return PermanentError(STORAGE, error.detail, code=OBJECT_MISSING, status=404)
    return error

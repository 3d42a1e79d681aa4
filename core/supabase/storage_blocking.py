"""The Storage client of the workers (blocking): ranged reads, uploads, listing, removal."""

import re
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Final

import httpx
from storage3.types import ListBucketFilesOptions
from supabase import Client

from core.errors import PermanentError, TransientError
from core.supabase.clients import Project
from core.supabase.errors import STORAGE, is_missing_object, is_web_page, translate_errors
from core.supabase.retry import OnRetry, retrying, uncounted
from core.supabase.storage_shared import (
    BUCKET,
    CANCEL_HEADERS,
    PIECE_BYTES,
    UPLOAD_COMPLETE,
    WRONG_RANGE,
    StoredObject,
    cancel_upload_error,
    digest_seconds,
    object_path,
    read_error,
)

_PAGE: Final = 1000
"""Names in one listing or removal request."""
_SLOW_SECONDS: Final = 1.0
"""From this time before the first byte on, reads wait for each other's."""
_parse_content_range: Final = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)").fullmatch


class StorageClient:
    """Requests to the bucket of the imports; usable by all threads at once.

    Each is retried until its deadline and raises UpstreamError after that.
    """

    def __init__(  # noqa: PLR0913 -- the two clients, and how they retry
        self,
        project: Project,
        supabase: Client,
        http: httpx.Client,
        *,
        deadline: float,
        stopping: threading.Event | None = None,
        on_retry: OnRetry = uncounted,
    ) -> None:
        """``http`` makes the ranged reads, ``supabase`` everything else.

        ``deadline`` is how many seconds Storage may be unavailable at a time; ``stopping`` cuts it
        short once it is set.
        """
        self._project = project
        self._supabase = supabase
        self._http = http
        self._deadline = deadline
        self._retrying = partial(retrying, deadline, stopping, on_retry)
        self._opening = _Opening()

    def read(self, name: str, start: int, end: int, *, size: int) -> Generator[bytes, None, None]:
        """Yield the bytes ``[start, end)`` of an object in pieces of at most 64 KiB.

        ``size`` is that of the whole object, on which the time before the first byte may depend. A
        read that breaks off goes on at the byte it had reached. Raises TransientError if Storage
        stays unavailable, and PermanentError, with code ``object_missing`` if Storage itself says
        that there is no such object.

        The caller must close it: the garbage collector would return the connection at any moment,
        also while the same thread holds the lock of httpx's pool, which is then never released.
        """
        url = f"{self._project.url}{object_path(name)}"
        headers = {**self._project.headers, "Accept-Encoding": "identity"}
        timeout = httpx.Timeout(self._deadline, read=self._deadline + digest_seconds(size))
        ranged_read = _RangedRead(
            self._http, url, headers, start, end, opening=self._opening, timeout=timeout
        )
        try:
            while piece := self._retrying()(ranged_read.next_piece):
                yield piece
        finally:
            ranged_read.close()

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Store an object; replaces an object of the same name."""
        self._retrying()(self._put, name, content, content_type)

    def get(self, name: str) -> bytes | None:
        """Return the content of an object that fits into memory; None if there is none."""
        return self._retrying()(self._get, name)

    def listing(self) -> "ObjectListing":
        """Return a listing of the top level of the bucket, for one thread."""
        return ObjectListing(self)

    def list_page(self, offset: int) -> list[StoredObject]:
        """Return up to 1,000 objects and folders at the top level, by name in descending order."""
        options: ListBucketFilesOptions = {
            "limit": _PAGE,
            "offset": offset,
            "sortBy": {"column": "name", "order": "desc"},
        }
        entries = self._retrying()(self._list, "", options)
        return [StoredObject.from_json(entry) for entry in entries]

    def names_in(self, folder: str, *, prefix: str = "") -> list[str]:
        """Return the names of all objects in a folder that start with ``prefix``.

        The names do not include the folder's.
        """
        names: list[str] = []
        options: ListBucketFilesOptions = {"limit": _PAGE, "offset": 0, "search": prefix}
        while entries := self._retrying()(self._list, folder, options):
            names += [entry["name"] for entry in entries]
            options["offset"] = len(names)
        # Storage ignores the case of the prefix.
        return [name for name in names if name.startswith(prefix)]

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; it is not an error if one does not exist."""
        self._retrying()(self._remove, list(names))

    def cancel_upload(self, upload: str) -> bool:
        """End a resumable upload and discard its bytes; it is not an error if there is none.

        Returns False if Storage has made an object of it.
        """
        return self._retrying()(self._cancel_upload, upload)

    def _cancel_upload(self, upload: str) -> bool:
        headers = self._project.headers | CANCEL_HEADERS
        with translate_errors(STORAGE):
            response = self._http.delete(f"{self._project.url}{upload}", headers=headers)
        error = cancel_upload_error(response.status_code, response.headers, response.content)
        if error is not None and error.code != UPLOAD_COMPLETE:
            raise error
        return error is None

    def remove_folder(self, folder: str) -> int:
        """Remove all objects in a folder, and so the folder; returns how many there were."""
        names = [f"{folder}/{name}" for name in self.names_in(folder)]
        for start in range(0, len(names), _PAGE):
            self.remove(names[start : start + _PAGE])
        return len(names)

    def _put(self, name: str, content: bytes, content_type: str) -> None:
        with translate_errors(STORAGE):
            self._supabase.storage.from_(BUCKET).upload(
                name, content, {"content-type": content_type, "upsert": "true"}
            )

    def _get(self, name: str) -> bytes | None:
        try:
            with translate_errors(STORAGE):
                return self._supabase.storage.from_(BUCKET).download(name)
        except PermanentError as error:
            if is_missing_object(error):
                return None
            raise

    def _list(self, folder: str, options: ListBucketFilesOptions) -> list[dict[str, Any]]:
        with translate_errors(STORAGE):
            return self._supabase.storage.from_(BUCKET).list(folder, options)

    def _remove(self, names: list[str]) -> None:
        with translate_errors(STORAGE):
            self._supabase.storage.from_(BUCKET).remove(names)


class ObjectListing:
    """A pass through the top level of the bucket, during which objects may be removed.

    Storage lists by offset, so what is removed has to be subtracted: remove through this object.
    Objects that others add or remove meanwhile may be listed twice, or not at all.
    """

    def __init__(self, storage: StorageClient) -> None:
        self._storage = storage
        self._removed = 0

    def pages(self) -> Iterator[list[StoredObject]]:
        """Yield all objects and folders, by name in descending order, up to 1,000 at a time."""
        listed, self._removed = 0, 0
        while page := self._storage.list_page(listed - self._removed):
            yield page
            listed += len(page)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects at the top level; it is not an error if one does not exist."""
        self._storage.remove(names)
        self._removed += len(names)

    def remove_folder(self, folder: str) -> int:
        """Remove a folder with all objects in it; returns how many there were."""
        count = self._storage.remove_folder(folder)
        self._removed += bool(count)
        return count


class _Opening:
    """Has the threads wait for their first bytes one after the other, if that takes long.

    Then Storage reads the whole object for each of them, and many at once are no faster.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_slow = False

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the block, in which a read waits for its first byte."""
        with self._lock if self._is_slow else nullcontext():
            begun = time.monotonic()
            try:
                yield
            finally:
                self._is_slow = time.monotonic() - begun > _SLOW_SECONDS


class _RangedRead:
    """One ranged read; after an error, the next call requests the bytes that are still missing."""

    def __init__(  # noqa: PLR0913
        self,
        http: httpx.Client,
        url: str,
        headers: dict[str, str],
        start: int,
        end: int,
        *,
        opening: _Opening,
        timeout: httpx.Timeout,
    ) -> None:
        self._http = http
        self._opening = opening
        self._timeout = timeout
        self._url = url
        self._headers = headers
        self._at = start
        self._end = end
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def next_piece(self) -> bytes:
        """Return the next bytes; empty at the end of the range."""
        if self._at == self._end:
            return b""
        try:
            with translate_errors(STORAGE):
                return self._receive()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Return the connection to the pool."""
        response, self._response = self._response, None
        if response is not None:
            with suppress(httpx.HTTPError):
                response.close()

    def _receive(self) -> bytes:
        if self._response is None:
            self._response = self._open()
            self._pieces = self._response.iter_raw(PIECE_BYTES)
        piece = next(self._pieces, b"")
        if not piece:
            raise TransientError(STORAGE, "sent fewer bytes than announced", code="truncated")
        if self._at + len(piece) > self._end:
            raise PermanentError(STORAGE, "sent more bytes than requested", code=WRONG_RANGE)
        self._at += len(piece)
        return piece

    def _open(self) -> httpx.Response:
        headers = {**self._headers, "Range": f"bytes={self._at}-{self._end - 1}"}
        request = self._http.build_request("GET", self._url, headers=headers, timeout=self._timeout)
        with self._opening.measured():
            response = self._http.send(request, stream=True)
        try:
            self._check(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status >= 300 or is_web_page(response.headers):
            raise read_error(status, response.headers, response.read())
        if not self._is_range(response):
            raise PermanentError(STORAGE, f"answered {status} with another range", code=WRONG_RANGE)

    def _is_range(self, response: httpx.Response) -> bool:
        if response.status_code == 200:  # the whole object: right if that is the range
            return self._at == 0 and response.headers.get("Content-Length") == str(self._end)
        match = _parse_content_range(response.headers.get("Content-Range", ""))
        requested = (str(self._at), str(self._end - 1))
        return response.status_code == 206 and match is not None and match.groups() == requested

"""Reads the file to send, or standard input."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from contacts_import.errors import UsageError

_CHUNK_BYTES: Final = 256 * 1024


class SourceFile:
    """The bytes to send.

    ``sha256`` is the hex digest of the last complete reading, empty before that.
    """

    def __init__(self, path: Path | None) -> None:
        """``path`` is None for standard input. Raises UsageError if the file is not there."""
        self._path = path
        self.sha256 = ""
        if path is not None:
            with _usage_errors(path):
                path.stat()

    @property
    def repeatable(self) -> bool:
        """Whether it can be read more than once, which a pipe cannot."""
        return self._path is not None and self._path.is_file()

    @property
    def size(self) -> int | None:
        """Size in bytes, None if it is unknown until the end."""
        return self._path.stat().st_size if self._path and self.repeatable else None

    def chunks(self, max_bytes: int | None = None) -> Iterator[bytes]:
        """Yield all bytes, or the first ``max_bytes``, and set ``sha256`` at the end.

        Raises UsageError if the file is unreadable.
        """
        digest = hashlib.sha256()
        left = sys.maxsize if max_bytes is None else max_bytes
        with self._open() as file:
            while chunk := file.read(min(_CHUNK_BYTES, left)):
                left -= len(chunk)
                digest.update(chunk)
                yield chunk
        self.sha256 = digest.hexdigest()

    @contextlib.contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self._path is None:
            yield sys.stdin.buffer
            return
        with _usage_errors(self._path):
            file = self._path.open("rb")
        with file:
            yield file


@contextlib.contextmanager
def _usage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error

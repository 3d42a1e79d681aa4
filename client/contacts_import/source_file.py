"""The bytes of a file or of standard input."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from contacts_import.errors import UsageError

_CHUNK: Final = 256 * 1024


class Contents:
    """What is to be sent; ``sha256`` is of what was read last, and whole at its end."""

    def __init__(self, path: Path | None) -> None:
        """``path`` is None for standard input. Raises UsageError if it cannot be read."""
        self._path = path
        self.sha256 = ""
        if path is not None:
            with _readable(path):
                path.stat()

    @property
    def repeatable(self) -> bool:
        """Whether it can be read twice."""
        return self._path is not None and self._path.is_file()

    @property
    def size(self) -> int | None:
        """In bytes; None if that is only known at its end."""
        return self._path.stat().st_size if self._path and self.repeatable else None

    def chunks(self) -> Iterator[bytes]:
        """All of it, from its start if it is repeatable."""
        digest = hashlib.sha256()
        with self._opened() as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                yield chunk
        self.sha256 = digest.hexdigest()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._path is None:
            yield sys.stdin.buffer
            return
        with _readable(self._path):
            file = self._path.open("rb")
        with file:
            yield file


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error

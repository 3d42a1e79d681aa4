"""What came, as the client sent it: it can check that, and another sending of it can be seen."""

import hashlib
from collections.abc import AsyncIterator


class Digest:
    """Size and SHA-256 of a body, or of the file in a form; whole once all of it was read."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """In hexadecimal digits, as sha256sum prints it."""
        return self._hash.hexdigest()

    def note(self, data: bytes) -> None:
        """Count the next bytes in."""
        self.bytes += len(data)
        self._hash.update(data)

    async def noting(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass pieces on, and count them in."""
        async for piece in pieces:
            self.note(piece)
            yield piece

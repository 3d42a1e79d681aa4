"""Size and SHA-256 of a request's body or file, as the client sent it.

Clients verify it against what they sent, and requests with one Idempotency-Key are compared by it.
"""

import hashlib


class Digest:
    """Computes size and SHA-256 of bytes that come in pieces."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """In hexadecimal digits, as sha256sum prints it."""
        return self._hash.hexdigest()

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self.bytes += len(data)
        self._hash.update(data)

"""Digest: size and SHA-256 of bytes that come in pieces."""

from hashlib import sha256

import pytest

from service.intake.digest import Digest


@pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"a", b"", b"bc" * 100_000, b"d"]])
def test_digest_is_that_of_all_pieces(pieces):
    digest = Digest()
    for piece in pieces:
        digest.update(piece)
    whole = b"".join(pieces)
    assert (digest.bytes, digest.sha256) == (len(whole), sha256(whole).hexdigest())

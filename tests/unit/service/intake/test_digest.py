"""What is told of a body as it came."""

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from service.intake.digest import Digest


@pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"a", b"", b"bc" * 100_000, b"d"]])
async def test_size_and_hash_are_those_of_all_pieces(pieces):
    async def each() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    receipt = Digest()
    assert [piece async for piece in receipt.noting(each())] == pieces
    whole = b"".join(pieces)
    assert (receipt.bytes, receipt.sha256) == (len(whole), sha256(whole).hexdigest())

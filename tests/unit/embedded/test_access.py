"""What the stand-in for Storage reads of a request's body."""

from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import web

from embedded.storage.access import json_body
from embedded.storage.errors import StorageError


@pytest.mark.parametrize("sent", [b"{", b"\xff", b'"\xff"', b"[]"])
async def test_json_body_that_is_no_object_is_rejected(sent):
    with pytest.raises(StorageError):
        await json_body(Mock(spec=web.Request, read=AsyncMock(return_value=sent)))


async def test_json_body_does_not_hide_bugs():
    reading = AsyncMock(side_effect=ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await json_body(Mock(spec=web.Request, read=reading))

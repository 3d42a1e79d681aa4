"""What the stand-in for Storage reads of a request's body."""

from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import web

from embedded.storage.access import json_body
from embedded.storage.errors import StorageError
from embedded.storage.schema import Record

ANYTHING = Record({})


def request_reading(reading: AsyncMock, content_type: str = "application/json") -> Mock:
    headers = {"Content-Type": content_type}
    return Mock(spec=web.Request, read=reading, headers=headers, content_type=content_type)


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b'"\xff"', b"[]", b"[" * 10**5])
async def test_json_body_that_is_no_object_is_rejected(sent):
    with pytest.raises(StorageError):
        await json_body(request_reading(AsyncMock(return_value=sent)), ANYTHING)


async def test_body_of_another_type_is_rejected():
    with pytest.raises(StorageError):
        await json_body(request_reading(AsyncMock(return_value=b"{}"), "text/plain"), ANYTHING)


async def test_json_body_does_not_hide_bugs():
    reading = AsyncMock(side_effect=ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await json_body(request_reading(reading), ANYTHING)

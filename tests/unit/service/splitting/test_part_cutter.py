"""Which records are too short, or no objects, so that they are refused as a whole."""

import pytest

from core.errors import MalformedInputError
from core.reading.encodings import choose_encoding
from service.splitting.json_array import JsonArraySplitter
from service.splitting.ndjson import NdjsonSplitter
from service.splitting.transcoding import Transcoder
from tests.support.plans import OBJECTS
from tests.support.splits import pieces_of

MIB = 2**20


def split(make, body: bytes, part_bytes: int, piece: int) -> int | str:
    splitter = make(
        OBJECTS, Transcoder(choose_encoding(body[:100], None, complete=False)), part_bytes, MIB
    )
    try:
        for data in pieces_of(body, piece):
            list(splitter.feed(data))
        list(splitter.close())
        return splitter.split().records
    except MalformedInputError as error:
        return error.code


def array(*elements: bytes) -> bytes:
    return b"[" + b",".join(elements) + b"]"


LONG = array(*[b'"%b"' % (b"x" * 1000)] * 35_000, b"{}")
"""More than what is checked at the end only."""


@pytest.mark.parametrize("piece", [1000, 65536, MIB])
@pytest.mark.parametrize("part_bytes", [100, 30_000, MIB])
@pytest.mark.parametrize(
    ("make", "body", "result"),
    [
        (JsonArraySplitter, array(b"{}", *[b"1"] * 20_000), "records_too_short"),
        (JsonArraySplitter, array(b'{"name":"Ada"}', *[b"[]"] * 50_000), "records_too_short"),
        (JsonArraySplitter, array(*[b"1"] * 10_000), 10_000),
        (JsonArraySplitter, array(*[b"123"] * 11_000), "data_not_objects"),
        (JsonArraySplitter, array(*[b"123"] * 10_100, b'{"name":"Ada"}'), 10_101),
        (JsonArraySplitter, LONG, "data_not_objects"),
        (JsonArraySplitter, array(b"{}", *[b'"abc"'] * 11_000), 11_001),
        (NdjsonSplitter, b'"abc"\n' * 11_000, "data_not_objects"),
        (NdjsonSplitter, b"{}\n" * 20_000, 20_000),
        (NdjsonSplitter, b"{}\n" * 60_000, "records_too_short"),
    ],
)
def test_many_records_must_be_able_to_be_contacts(make, body, part_bytes, piece, result):
    assert split(make, body, part_bytes, piece) == result

import pytest

from embedded.storage.errors import StorageError
from embedded.storage.ranges import ByteRange, parse_range

SIZE = 100


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-98", 0, 98),
        ("bytes=0-99", 0, 99),
        ("bytes=0-100", 0, 99),
        ("bytes=0-99999999999999999999", 0, 99),
        ("bytes=99-99", 99, 99),
        ("bytes=98-", 98, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-100", 0, 99),
        ("bytes=-101", 0, 99),
    ],
)
def test_parse_range_inside_the_object(header, first, last):
    assert parse_range(header, SIZE) == ByteRange(first, last)
    assert parse_range(header, SIZE).length == last - first + 1


@pytest.mark.parametrize(
    "header",
    [
        "bytes=100-100", "bytes=100-", "bytes=8-4", "bytes=-0", "bytes=-", "bytes=a-b", "items=0-1",
        "bytes=²-³", "bytes=٣-٤", f"bytes={'9' * 5000}-", f"bytes=0-{'9' * 5000}",
    ],
)  # fmt: skip
def test_parse_range_rejects_other_ranges(header):
    with pytest.raises(StorageError) as caught:
        parse_range(header, SIZE)
    assert (caught.value.status, caught.value.shown) == (416, 416)


@pytest.mark.parametrize("header", ["bytes=0-0", "bytes=0-", "bytes=-1"])
def test_an_empty_object_has_no_range(header):
    with pytest.raises(StorageError):
        parse_range(header, 0)

import base64

import pytest

from embedded.storage import tus
from embedded.storage.errors import StorageError


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_metadata_is_parsed_and_formatted_alike():
    header = f"bucketName {encoded('imports')},objectName {encoded('a/b.json')},flag"
    metadata = {"bucketName": "imports", "objectName": "a/b.json", "flag": None}
    assert tus.parse_metadata(header) == metadata
    assert tus.format_metadata(metadata) == header


@pytest.mark.parametrize("header", [None, "", "a b c", " x", "a !!", "a /w==,", f"{'a'} ÿ"])
def test_parse_metadata_rejects_invalid_headers(header):
    with pytest.raises(StorageError) as caught:
        tus.parse_metadata(header)
    assert caught.value.status == 400


def test_a_length_is_declared_now_or_later_but_not_both():
    assert tus.declared_length({"Upload-Length": "7"}) == 7
    assert tus.declared_length({"Upload-Defer-Length": "1"}) is None
    for headers in ({}, {"Upload-Length": "7", "Upload-Defer-Length": "1"}):
        with pytest.raises(StorageError) as caught:
            tus.declared_length(headers)
        assert caught.value.status == 400


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "one", "²", "٣", "0x1", "9" * 5000])
def test_number_rejects_other_texts(text):
    with pytest.raises(StorageError):
        tus.number("upload-length", text)


def test_check_version_requires_the_header():
    tus.check_version({"Tus-Resumable": "1.0.0"})
    with pytest.raises(StorageError) as caught:
        tus.check_version({})
    assert caught.value.status == 412

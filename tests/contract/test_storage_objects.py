"""Facts of Storage's standard routes that the service and the workers rely on."""

import uuid
from typing import Any

import httpx
import pytest

CONTENT = bytes(range(256)) * 40


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Return the HTTP status, and the status and the code in the body."""
    body: dict[str, Any] = response.json()
    return response.status_code, body["statusCode"], body["code"]


def test_an_upload_answers_with_key_and_id_and_can_be_read(storage, name):
    answer = storage.upload(name, CONTENT, **{"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["Key"] == f"{storage.bucket}/{name}"
    uuid.UUID(answer.json()["Id"])
    got = storage.client.get(storage.object(name))
    assert got.content == CONTENT
    assert got.headers["Content-Type"].startswith("application/json")
    assert got.headers["Content-Length"] == str(len(CONTENT))
    assert got.headers["Accept-Ranges"] == "bytes"


def test_the_authenticated_route_reads_too(storage, name):
    storage.upload(name, CONTENT)
    got = storage.client.get(f"/object/authenticated/{storage.bucket}/{name}")
    assert got.content == CONTENT


def test_a_multipart_upload_stores_the_file_and_its_type(storage, name):
    file = {"file": (name, CONTENT, "text/csv")}
    answer = storage.client.post(storage.object(name), data={"cacheControl": "60"}, files=file)
    assert answer.status_code == 200
    got = storage.client.get(storage.object(name))
    assert got.content == CONTENT
    assert got.headers["Content-Type"].startswith("text/csv")
    assert "max-age=60" in got.headers["Cache-Control"]


def test_an_upload_of_unknown_length_is_stored_whole(storage, name):
    answer = storage.client.post(storage.object(name), content=(CONTENT for _ in range(100)))
    assert answer.status_code == 200
    assert storage.read(name) == CONTENT * 100


def test_upload_to_a_taken_name_is_rejected_and_changes_nothing(storage, name):
    storage.upload(name, CONTENT)
    status, inner_status, code = error_of(storage.upload(name, b"other"))
    assert (status, inner_status) == (400, "409")
    assert code in {"ResourceAlreadyExists", "KeyAlreadyExists"}
    assert storage.read(name) == CONTENT


def test_upsert_replaces(storage, name):
    storage.upload(name, CONTENT)
    assert storage.upload(name, b"other", **{"x-upsert": "true"}).status_code == 200
    assert storage.read(name) == b"other"


def test_put_replaces(storage, name):
    storage.upload(name, CONTENT)
    assert storage.client.put(storage.object(name), content=b"other").status_code == 200
    assert storage.read(name) == b"other"


@pytest.mark.parametrize("spoken", ["deep/er/folder/file.bin", "it's (odd) & $=@;:+,! *.json"])
def test_folders_and_odd_characters_are_names_like_others(storage, spoken):
    quoted = httpx.URL("http://x").copy_with(path=f"/{spoken}").raw_path.decode().lstrip("/")
    quoted = quoted.replace(";", "%3B").replace("?", "%3F")
    try:
        assert storage.upload(quoted, CONTENT).status_code == 200
        assert storage.read(quoted) == CONTENT
    finally:
        storage.client.request(
            "DELETE", f"/object/{storage.bucket}", json={"prefixes": [spoken]}
        ).raise_for_status()


def test_a_name_outside_the_alphabet_is_an_invalid_key(storage):
    assert error_of(storage.upload("snow%E2%98%83.json", CONTENT)) == (400, "400", "InvalidKey")


LAST = len(CONTENT) - 1


@pytest.mark.parametrize(
    ("requested", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-299", 100, 299),
        (f"bytes={LAST}-{LAST}", LAST, LAST),
        (f"bytes=5000-{LAST + 100}", 5000, LAST),
        ("bytes=7-", 7, LAST),
        (f"bytes=0-{LAST}", 0, LAST),
    ],
)
def test_requestedreturns_exactly_those_bytes(storage, name, requested, first, last):
    storage.upload(name, CONTENT)
    got = storage.client.get(storage.object(name), headers={"Range": requested})
    assert got.status_code == 206
    assert got.content == CONTENT[first : last + 1]
    assert got.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert got.headers["Content-Length"] == str(last - first + 1)


def test_a_requestedpast_the_end_is_an_error(storage, name):
    storage.upload(name, CONTENT)
    headers = {"Range": f"bytes={len(CONTENT)}-{len(CONTENT) + 9}"}
    assert storage.client.get(storage.object(name), headers=headers).status_code in {416, 500}


def test_the_etag_is_the_same_in_all_answers_and_new_when_replaced(storage, name):
    storage.upload(name, CONTENT)
    first = storage.client.get(storage.object(name)).headers["ETag"]
    ranged = storage.client.get(storage.object(name), headers={"Range": "bytes=0-9"})
    assert ranged.headers["ETag"] == first
    assert storage.client.head(storage.object(name)).headers["ETag"] == first
    storage.upload(name, CONTENT + b"!", **{"x-upsert": "true"})
    assert storage.client.get(storage.object(name)).headers["ETag"] != first


def test_info_has_size_etag_and_type(storage, name):
    storage.upload(name, CONTENT, **{"Content-Type": "text/csv"})
    info = storage.client.get(f"/object/info/{storage.bucket}/{name}").json()
    assert info["name"] == name
    assert info["size"] == len(CONTENT)
    assert info["content_type"] == "text/csv"
    assert info["etag"] == storage.client.get(storage.object(name)).headers["ETag"]


def test_head_has_the_size_of_an_object(storage, name):
    storage.upload(name, CONTENT)
    head = storage.client.head(storage.object(name))
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(CONTENT)))
    assert storage.client.head(storage.object("missing")).status_code == 400


def test_a_missing_object_is_400_with_404_inside(storage):
    for path in (storage.object("missing"), f"/object/info/{storage.bucket}/missing"):
        answer = storage.client.get(path)
        assert error_of(answer) == (400, "404", "NoSuchKey")
        assert answer.json()["error"] == "not_found"
        assert answer.json()["message"] == "Object not found"


def test_a_missing_bucket_is_400_with_404_inside(storage):
    assert error_of(storage.client.get("/object/no-such-bucket/x")) == (400, "404", "NoSuchBucket")
    answer = storage.client.post("/object/no-such-bucket/x", content=b"x")
    assert error_of(answer) == (400, "404", "NoSuchBucket")


def test_remove_by_prefixes_returns_what_was_removed(storage, name):
    storage.upload(name, CONTENT)
    names = {"prefixes": [name, "missing"]}
    removed = storage.client.request("DELETE", f"/object/{storage.bucket}", json=names)
    assert [entry["name"] for entry in removed.json()] == [name]
    assert error_of(storage.client.get(storage.object(name))) == (400, "404", "NoSuchKey")


def test_removing_one_object(storage, name):
    storage.upload(name, CONTENT)
    assert storage.client.delete(storage.object(name)).status_code == 200
    assert error_of(storage.client.delete(storage.object(name)))[:2] == (400, "404")


def test_the_anon_key_gets_nothing_from_a_private_bucket(storage, name, anon_key):
    storage.upload(name, CONTENT)
    headers = {"apikey": anon_key, "Authorization": f"Bearer {anon_key}"}
    read = storage.client.get(storage.object(name), headers=headers)
    assert error_of(read) == (400, "404", "NoSuchKey")
    written = storage.client.post(storage.object("other"), content=b"x", headers=headers)
    assert error_of(written) == (400, "403", "AccessDenied")
    listed = storage.client.post(
        f"/object/list/{storage.bucket}", json={"prefix": ""}, headers=headers
    )
    assert listed.json() == []


def test_a_bad_token_is_400_with_a_reason_inside(storage, name):
    storage.upload(name, CONTENT)
    bad = {"Authorization": f"Bearer {storage.key[:-6]}AAAAAA"}
    read = storage.client.get(storage.object(name), headers=bad)
    assert error_of(read)[:2] == (400, "404")
    written = storage.client.post(storage.object("other"), content=b"x", headers=bad)
    assert error_of(written) == (400, "403", "AccessDenied")


def test_a_list_shows_one_level_in_order(storage):
    names = ["a.bin", "b.bin", "in/c.bin", "in/d.bin"]
    for each in names:
        storage.upload(f"listed/{each}", b"x")
    try:
        query = {"prefix": "listed", "sortBy": {"column": "name", "order": "asc"}}
        shown = storage.client.post(f"/object/list/{storage.bucket}", json=query).json()
        assert [entry["name"] for entry in shown] == ["a.bin", "b.bin", "in"]
        assert [entry["id"] is None for entry in shown] == [False, False, True]
        assert shown[0]["metadata"]["size"] == 1
        query |= {"limit": 1, "offset": 1}
        shown = storage.client.post(f"/object/list/{storage.bucket}", json=query).json()
        assert [entry["name"] for entry in shown] == ["b.bin"]
    finally:
        prefixes = {"prefixes": [f"listed/{each}" for each in names]}
        storage.client.request("DELETE", f"/object/{storage.bucket}", json=prefixes)


def test_head_of_info_has_the_headers_of_info(storage, name):
    storage.upload(name, CONTENT)
    for route in ("info", "info/authenticated"):
        head = storage.client.head(f"/object/{route}/{storage.bucket}/{name}")
        assert head.status_code == 200
        assert head.headers["ETag"] == storage.client.get(storage.object(name)).headers["ETag"]
        assert storage.client.head(f"/object/{route}/{storage.bucket}/missing").status_code == 400


@pytest.mark.parametrize(
    ("query", "header"),
    [
        ("download", "attachment;"),
        ("download=", "attachment;"),
        (
            "download=x%20%C3%BC.txt",
            "attachment; filename=x%20%C3%BC.txt; filename*=UTF-8''x%20%C3%BC.txt",
        ),
    ],
)
def test_a_download_may_have_a_file_name(storage, name, query, header):
    storage.upload(name, CONTENT)
    assert "Content-Disposition" not in storage.client.get(storage.object(name)).headers
    got = storage.client.get(f"{storage.object(name)}?{query}")
    assert got.content == CONTENT
    assert got.headers["Content-Disposition"] == header


def test_an_object_that_is_not_modified_is_304(storage, name):
    storage.upload(name, CONTENT)

    def status(header: str, value: str) -> int:
        return storage.client.get(storage.object(name), headers={header: value}).status_code

    assert status("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT") == 304
    assert status("If-Modified-Since", "Fri, 01 Jan 2010 00:00:00 GMT") == 200
    assert status("If-Modified-Since", "nonsense") == 200
    assert status("If-None-Match", storage.client.get(storage.object(name)).headers["ETag"]) == 304
    assert status("If-None-Match", '"other"') == 200


def test_a_public_bucket_is_read_without_a_token(storage, name):
    bucket = f"contract-{uuid.uuid4().hex}"
    body = {"name": bucket, "public": True}
    storage.client.post("/bucket", json=body).raise_for_status()
    try:
        storage.client.post(f"/object/{bucket}/{name}", content=b"x").raise_for_status()
        with httpx.Client(base_url=storage.url, timeout=60) as stranger:
            assert stranger.get(f"/object/public/{bucket}/{name}").content == b"x"
            assert stranger.head(f"/object/public/{bucket}/{name}").status_code == 200
            assert stranger.get(f"/object/info/public/{bucket}/{name}").json()["size"] == 1
            private = stranger.get(f"/object/info/public/{storage.bucket}/{name}")
            assert error_of(private) == (400, "404", "NoSuchBucket")
    finally:
        storage.client.request("DELETE", f"/object/{bucket}", json={"prefixes": [name]})
        storage.client.delete(f"/bucket/{bucket}").raise_for_status()

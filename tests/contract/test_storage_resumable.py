"""Facts of Storage's resumable uploads (tus) that the service's uploader relies on."""

import asyncio
import base64
import contextlib
import os
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest

CHUNK = 6 * 2**20
OFFSET_STREAM = "application/offset+octet-stream"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Resumable:
    """The four requests of the protocol, on one bucket."""

    client: httpx.Client
    bucket: str
    key: str
    created: list[str] = field(default_factory=list)
    """The paths of all uploads."""

    def create(
        self, name: str, length: int | None = None, bucket: str | None = None, **headers: str
    ) -> httpx.Response:
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        metadata = {"bucketName": bucket or self.bucket, "objectName": name}
        metadata |= {"contentType": "application/json", "cacheControl": "3600"}
        pairs = ",".join(f"{key} {encoded(value)}" for key, value in metadata.items())
        sent = {"Tus-Resumable": "1.0.0", "Upload-Metadata": pairs, **size, **headers}
        answer = self.client.post("/upload/resumable", headers=sent)
        if location := answer.headers.get("Location"):
            self.created.append(path_in(location))
        return answer

    def begin(self, name: str, length: int | None = None, **headers: str) -> str:
        """Create an upload and give its path."""
        answer = self.create(name, length, **headers)
        assert answer.status_code == 201, answer.text
        return path_in(answer.headers["Location"])

    def patch(self, path: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
        return self.client.patch(path, content=content, headers=patch_headers(offset) | headers)

    def head(self, path: str) -> httpx.Response:
        return self.client.head(path, headers={"Tus-Resumable": "1.0.0"})

    def offset(self, path: str) -> int:
        return int(self.head(path).headers["Upload-Offset"])

    def delete(self, path: str) -> httpx.Response:
        return self.client.delete(path, headers={"Tus-Resumable": "1.0.0"})


def path_in(location: str) -> str:
    """Return the path of an upload; host and scheme of its Location may be wrong."""
    return f"/upload/resumable/{location.rsplit('/', 1)[1]}"


def patch_headers(offset: int) -> dict[str, str]:
    return {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": OFFSET_STREAM,
    }


@pytest.fixture
def tus(storage) -> Iterator[Resumable]:
    """Creates uploads, and removes those that are unfinished after the test."""
    made = Resumable(storage.client, storage.bucket, storage.key)
    yield made
    for path in made.created:
        made.delete(path)
        assert is_finished(made, path)


def is_finished(tus: Resumable, path: str) -> bool:
    """Whether the upload is removed, or has become an object."""
    head = tus.head(path)
    return head.is_error or head.headers["Upload-Offset"] == head.headers.get("Upload-Length")


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(CHUNK + 12345)


def test_options_has_the_capabilities_of_the_server(tus):
    answer = tus.client.options("/upload/resumable", headers={"Tus-Resumable": "1.0.0"})
    assert answer.status_code in {200, 204}
    extensions = answer.headers["Tus-Extension"].split(",")
    assert {"creation", "creation-defer-length", "termination"} <= set(extensions)


def test_an_upload_of_known_length(storage, tus, name, content):
    path = tus.begin(name, len(content))
    assert tus.head(path).headers["Upload-Length"] == str(len(content))
    first = tus.patch(path, 0, content[:CHUNK])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(CHUNK))
    assert storage.client.get(storage.object(name)).status_code == 400
    last = tus.patch(path, CHUNK, content[CHUNK:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(content)))
    assert last.headers["Tus-Complete"] == "1"
    assert storage.read(name) == content


def test_a_deferred_length_is_declared_by_the_last_patch(storage, tus, name, content):
    path = tus.begin(name)
    head = tus.head(path)
    assert head.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in head.headers
    assert head.headers["Upload-Offset"] == "0"
    tus.patch(path, 0, content[:CHUNK])
    assert tus.head(path).headers["Upload-Defer-Length"] == "1"
    last = tus.patch(path, CHUNK, content[CHUNK:], **{"Upload-Length": str(len(content))})
    assert (last.status_code, last.headers["Tus-Complete"]) == (204, "1")
    assert storage.read(name) == content


def test_the_last_patch_may_be_empty(storage, tus, name, content):
    path = tus.begin(name)
    tus.patch(path, 0, content[:CHUNK])
    last = tus.patch(path, CHUNK, b"", **{"Upload-Length": str(CHUNK)})
    assert (last.status_code, last.headers["Tus-Complete"]) == (204, "1")
    assert storage.read(name) == content[:CHUNK]


def test_uploaded_object_has_the_type_of_its_metadata(storage, tus, name):
    tus.patch(tus.begin(name, 2), 0, b"{}")
    got = storage.client.get(storage.object(name))
    assert got.headers["Content-Type"].startswith("application/json")
    assert "max-age=3600" in got.headers["Cache-Control"]


def test_a_wrong_offset_is_409_and_changes_nothing(storage, tus, name, content):
    path = tus.begin(name, len(content))
    tus.patch(path, 0, content[:CHUNK])
    for wrong in (0, CHUNK - 1, CHUNK + 1):
        assert tus.patch(path, wrong, content[CHUNK:]).status_code == 409
    assert tus.offset(path) == CHUNK
    assert tus.patch(path, CHUNK, content[CHUNK:]).headers["Tus-Complete"] == "1"
    assert storage.read(name) == content


def test_a_repeated_last_patch_is_409_and_head_says_done(tus, name, content):
    path = tus.begin(name)
    tus.patch(path, 0, content[:CHUNK])
    last = {"Upload-Length": str(len(content))}
    assert tus.patch(path, CHUNK, content[CHUNK:], **last).status_code == 204
    again = tus.patch(path, CHUNK, content[CHUNK:], **last)
    assert again.status_code == 409
    assert again.text.strip() == "The resource already exists"
    head = tus.head(path)
    assert head.headers["Upload-Offset"] == head.headers["Upload-Length"] == str(len(content))


def test_cut_upload_is_resumed_from_the_offset_of_head(storage, tus, name, content):
    path = tus.begin(name, len(content))
    sent = 2**20
    send_and_hang_up(tus, path, content[:sent])
    assert 0 <= tus.offset(path) <= sent
    finish(tus, path, content)
    assert storage.read(name) == content


def finish(tus: Resumable, path: str, content: bytes) -> None:
    """Resume from the offset of HEAD, which may still change while cut requests deliver bytes."""
    for _ in range(10):
        reached = tus.offset(path)
        if reached == len(content):
            return
        answer = tus.patch(path, reached, content[reached : reached + CHUNK])
        assert answer.status_code in {204, 409, 423}
    pytest.fail("the upload comes to no end")


def send_and_hang_up(tus: Resumable, path: str, beginning: bytes) -> None:
    """Announce a whole chunk, send less, and close the connection."""
    base = urlsplit(str(tus.client.base_url))
    if base.scheme != "http":
        pytest.skip("needs plain HTTP")
    headers = patch_headers(0) | {"Content-Length": str(CHUNK), "apikey": tus.key}
    headers |= {"Authorization": f"Bearer {tus.key}", "Host": base.netloc}
    lines = [f"PATCH {base.path.rstrip('/')}{path} HTTP/1.1"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    with socket.create_connection((base.hostname, base.port or 80)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + beginning)


def test_delete_ends_an_upload(storage, tus, name, content):
    path = tus.begin(name, len(content))
    tus.patch(path, 0, content[:CHUNK])
    assert tus.delete(path).status_code == 204
    assert tus.head(path).status_code == 404
    assert tus.patch(path, CHUNK, content[CHUNK:]).status_code == 404
    assert storage.client.get(storage.object(name)).json()["code"] == "NoSuchKey"


def test_an_upload_whose_object_was_removed_is_gone(storage, tus, name):
    path = tus.begin(name, 3)
    tus.patch(path, 0, b"123")
    assert tus.delete(path).status_code == 409
    storage.client.request("DELETE", f"/object/{storage.bucket}", json={"prefixes": [name]})
    assert {tus.head(path).status_code, tus.delete(path).status_code} <= {404, 410}


def test_an_unknown_upload_is_404(tus):
    unknown = base64.urlsafe_b64encode(f"{tus.bucket}/x/{uuid.uuid4()}".encode()).decode()
    assert tus.head(f"/upload/resumable/{unknown.rstrip('=')}").status_code == 404


@pytest.mark.parametrize(
    "identity", ["garbage", "!!!", encoded("one"), encoded("bucket/x"), encoded("bucket/\u2603/1")]
)
def test_what_is_not_the_id_of_an_upload_is_400(tus, identity):
    path = f"/upload/resumable/{identity.rstrip('=')}"
    assert tus.head(path).status_code == 400
    assert tus.patch(path, 0, b"x").status_code == 400
    assert tus.delete(path).status_code == 400


@pytest.mark.parametrize("parts", ["partial", "final;/upload/resumable/a /upload/resumable/b"])
def test_uploads_are_not_put_together(tus, name, parts):
    answer = tus.create(name, 3, **{"Upload-Concat": parts})
    assert answer.status_code == 501
    assert answer.text.startswith("Concatenation extension is not (yet) supported.")


def test_pages_of_other_sites_may_upload(tus, name):
    origin = {"Origin": "http://elsewhere.example"}
    preflight = tus.client.options("/upload/resumable", headers=origin)
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    for header in ("authorization", "upload-offset", "tus-resumable", "apikey", "x-upsert"):
        assert header in allowed
    created = tus.create(name, 3, **origin)
    path = path_in(created.headers["Location"])
    for answer in (created, tus.head(path), tus.patch(path, 2, b"x", **origin)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "upload-offset" in answer.headers["Access-Control-Expose-Headers"].lower()


def test_a_taken_name_is_409_unless_it_is_an_upsert(storage, tus, name):
    storage.upload(name, b"old")
    assert tus.create(name, 3).status_code == 409
    assert storage.read(name) == b"old"
    upsert = {"x-upsert": "true"}
    path = tus.begin(name, 3, **upsert)
    assert tus.patch(path, 0, b"new", **upsert).status_code == 204
    assert storage.read(name) == b"new"


def test_an_unknown_bucket_is_404_in_plain_text(tus, name):
    answer = tus.create(name, 3, bucket=f"no-{uuid.uuid4().hex}")
    assert answer.status_code == 404
    assert not answer.text.startswith("{")


def test_anon_key_may_not_create_an_upload(tus, name, anon_key):
    keys = {"apikey": anon_key, "Authorization": f"Bearer {anon_key}"}
    assert tus.create(name, 3, **keys).status_code == 403


def test_more_than_the_declared_length_is_rejected(storage, tus, name):
    path = tus.begin(name, 3)
    assert tus.patch(path, 0, b"four").status_code == 413
    assert storage.client.get(storage.object(name)).status_code == 400


async def test_concurrent_head_requests_are_all_answered(tus, name):
    path = tus.begin(name, 3)
    headers = {"apikey": tus.key, "Authorization": f"Bearer {tus.key}", "Tus-Resumable": "1.0.0"}
    async with httpx.AsyncClient(base_url=tus.client.base_url, headers=headers) as client:
        answers = await asyncio.gather(*(client.head(path) for _ in range(20)))
    assert {answer.headers["Upload-Offset"] for answer in answers} == {"0"}


async def test_two_concurrent_writers_lose_and_double_no_byte(storage, tus, name, content):
    """The second may be rejected, or the first cut short: HEAD has the valid offset."""
    path = tus.begin(name, len(content))
    started, release = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield content[: 2**20]
        started.set()
        await release.wait()
        yield content[2**20 : CHUNK]

    headers = {"apikey": tus.key, "Authorization": f"Bearer {tus.key}"}
    async with httpx.AsyncClient(
        base_url=tus.client.base_url, headers=headers, timeout=60
    ) as client:
        length = {"Content-Length": str(CHUNK)}
        first = asyncio.create_task(
            client.patch(path, content=slow(), headers=patch_headers(0) | length)
        )
        await started.wait()
        second = await client.patch(path, content=content[:CHUNK], headers=patch_headers(0))
        assert second.status_code in {204, 409, 423, 503}
        release.set()
        with contextlib.suppress(httpx.TransportError):
            assert (await first).status_code in {204, 400, 409, 423, 500}
    finish(tus, path, content)
    assert storage.read(name) == content

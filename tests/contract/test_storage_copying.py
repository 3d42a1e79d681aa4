"""Facts of Storage's copies and moves of objects, and of the client's own metadata."""

import base64
import json
import uuid

import pytest


def encoded(metadata: object) -> str:
    return base64.b64encode(json.dumps(metadata).encode()).decode()


def error_of(response) -> tuple[int, str, str]:
    return response.status_code, response.json()["statusCode"], response.json()["code"]


class Copies:
    """The two requests, within one bucket unless the body names another."""

    def __init__(self, storage) -> None:
        self._storage = storage

    def send(self, action: str, source: str, target: str, headers=None, **more):
        body = {"bucketId": self._storage.bucket, "sourceKey": source, "destinationKey": target}
        body |= more
        return self._storage.client.post(f"/object/{action}", json=body, headers=headers)

    def copy(self, source: str, target: str, headers=None, **more):
        return self.send("copy", source, target, headers, **more)

    def move(self, source: str, target: str, headers=None, **more):
        return self.send("move", source, target, headers, **more)

    def info(self, name: str) -> dict:
        return self._storage.client.get(f"/object/info/{self._storage.bucket}/{name}").json()


@pytest.fixture
def copies(storage) -> Copies:
    return Copies(storage)


@pytest.fixture
def target() -> str:
    return f"{uuid.uuid4()}-target.bin"


@pytest.fixture
def described(storage, name):
    """The headers of an object, stored as ``name``, with a type, an age and metadata."""
    headers = {"Content-Type": "text/csv", "Cache-Control": "max-age=60"}
    headers |= {"x-metadata": encoded({"a": "1"})}
    storage.upload(name, b"hello", **headers).raise_for_status()
    return headers


def test_metadata_of_an_upload_is_shown_by_info(copies, name, described):
    assert copies.info(name)["metadata"] == {"a": "1"}


def test_metadata_that_cannot_be_decoded_is_ignored(storage, copies, name):
    assert storage.upload(name, b"x", **{"x-metadata": "%%%"}).status_code == 200
    assert not copies.info(name)["metadata"]


def test_metadata_that_is_a_list_is_rejected(storage, name):
    answer = storage.upload(name, b"x", **{"x-metadata": encoded([1])})
    assert error_of(answer) == (400, "400", "InvalidParameter")


def test_a_copy_has_the_bytes_and_the_metadata(storage, copies, name, target, described):
    answer = copies.copy(name, target)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["Key"], body["name"]) == (f"{storage.bucket}/{target}", target)
    assert body["Id"] == body["id"] != copies.info(name)["id"]
    assert storage.read(target) == storage.read(name) == b"hello"
    info = copies.info(target)
    assert info["metadata"] == body["user_metadata"] == {"a": "1"}
    assert (info["content_type"], info["cache_control"]) == ("text/csv", "max-age=60")


def test_a_copy_may_have_other_metadata(copies, name, target, described):
    other = {"mimetype": "text/plain", "cacheControl": "max-age=9"}
    headers = {"x-metadata": encoded({"z": "2"})}
    copies.copy(name, target, headers, copyMetadata=False, metadata=other).raise_for_status()
    info = copies.info(target)
    assert (info["content_type"], info["cache_control"]) == ("text/plain", "max-age=9")
    assert info["metadata"] == {"z": "2"}


def test_a_copy_replaces_only_if_it_is_an_upsert(storage, copies, name, target):
    storage.upload(name, b"new")
    storage.upload(target, b"old")
    assert error_of(copies.copy(name, target)) == (400, "409", "KeyAlreadyExists")
    assert storage.read(target) == b"old"
    kept = copies.info(target)["id"]
    assert copies.copy(name, target, {"x-upsert": "true"}).json()["id"] == kept
    assert storage.read(target) == b"new"


def test_an_object_can_be_copied_to_itself(storage, copies, name):
    storage.upload(name, b"same")
    assert copies.copy(name, name, {"x-upsert": "true"}).status_code == 200
    assert storage.read(name) == b"same"


def test_a_moved_object_keeps_its_id_and_metadata(storage, copies, name, target, described):
    former = copies.info(name)
    answer = copies.move(name, target)
    assert (answer.status_code, answer.json()["message"]) == (200, "Successfully moved")
    info = copies.info(target)
    same = ("id", "created_at", "metadata", "content_type", "cache_control", "size")
    assert {key: info[key] for key in same} == {key: former[key] for key in same}
    assert info["version"] != former["version"]
    assert storage.read(target) == b"hello"
    assert error_of(storage.client.get(storage.object(name))) == (400, "404", "NoSuchKey")


def test_a_move_never_replaces(storage, copies, name, target):
    storage.upload(name, b"1")
    storage.upload(target, b"2")
    status, inner, code = error_of(copies.move(name, target))
    assert (status, inner) == (400, "409")
    assert code in {"ResourceAlreadyExists", "KeyAlreadyExists"}
    assert (storage.read(name), storage.read(target)) == (b"1", b"2")


def test_a_move_to_itself_changes_nothing(storage, copies, name):
    storage.upload(name, b"1")
    assert copies.move(name, name).status_code == 200
    assert storage.read(name) == b"1"


def test_objects_go_to_another_bucket(storage, copies, name, target):
    other = f"contract-{uuid.uuid4().hex}"
    storage.client.post("/bucket", json={"name": other}).raise_for_status()
    try:
        storage.upload(name, b"1")
        assert copies.copy(name, target, destinationBucket=other).status_code == 200
        assert copies.move(name, name, destinationBucket=other).status_code == 200
        for moved in (name, target):
            assert storage.client.get(f"/object/{other}/{moved}").content == b"1"
        assert storage.client.get(storage.object(name)).status_code == 400
    finally:
        prefixes = {"prefixes": [name, target]}
        storage.client.request("DELETE", f"/object/{other}", json=prefixes)
        storage.client.delete(f"/bucket/{other}").raise_for_status()


@pytest.mark.parametrize("action", ["copy", "move"])
def test_what_cannot_be_copied_or_moved(storage, copies, name, target, anon_key, action):
    storage.upload(name, b"1")
    missing = (400, "404", "NoSuchKey")
    assert error_of(copies.send(action, "missing", target)) == missing
    assert error_of(copies.send(action, name, target, bucketId="no-such-bucket")) == missing
    anonymous = {"apikey": anon_key, "Authorization": f"Bearer {anon_key}"}
    assert error_of(copies.send(action, name, target, anonymous)) == missing
    nowhere = copies.send(action, name, target, destinationBucket=f"no-{uuid.uuid4().hex}")
    assert error_of(nowhere) == (400, "404", "InvalidRequest")
    assert nowhere.json()["message"] == "The related resource does not exist"
    assert error_of(copies.send(action, name, "\N{SNOWMAN}")) == (400, "400", "InvalidKey")
    empty = storage.client.post(f"/object/{action}", json={})
    assert error_of(empty) == (400, "400", "InvalidRequest")
    assert "body must have required property" in empty.json()["message"]
    assert storage.read(name) == b"1"

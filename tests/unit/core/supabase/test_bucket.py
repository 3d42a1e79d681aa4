import json

import httpx
import pytest
from supabase import Client, ClientOptions

from core.errors import PermanentError, TransientError
from core.supabase import bucket as module
from core.supabase.bucket import Bucket, StoredObject

CREATED = "2026-11-23T06:50:31.5Z"


class FakeStorage:
    """A bucket with these names; answers are first taken from ``answers``."""

    def __init__(self, names, answers=()):
        self.names = sorted(names, reverse=True)
        self.answers = list(answers)
        self.listed = []
        self.removed = []

    def __call__(self, request):
        if self.answers:
            return self.answers.pop(0)
        if "/object/list/" not in request.url.path and request.method == "POST":
            self.put = (request.url.path, request.headers["x-upsert"])
            return httpx.Response(200, json={"Key": "imports/f/a", "Id": "1"})
        body = json.loads(request.content)
        if request.method == "DELETE":
            self.removed += body["prefixes"]
            self.names = [name for name in self.names if name not in body["prefixes"]]
            return httpx.Response(200, json=[])
        self.listed.append(body)
        page = self.names[body["offset"] : body["offset"] + body["limit"]]
        return httpx.Response(200, json=[self.entry(name) for name in page])

    def entry(self, name):
        folder = name.endswith("folder")
        return {"name": name, "id": None if folder else "1", "created_at": CREATED}

    def bucket(self, deadline=5):
        http = httpx.Client(transport=httpx.MockTransport(self))
        supabase = Client("http://supabase", "key", ClientOptions(httpx_client=http))
        return Bucket(supabase, deadline=deadline)


@pytest.fixture(autouse=True)
def page(monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 3)


def names_of(pages):
    return [[stored.name for stored in page] for page in pages]


def test_all_objects_are_listed_page_by_page_the_last_first():
    storage = FakeStorage("abcdefg")
    assert names_of(storage.bucket().pages()) == [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    assert {body["limit"] for body in storage.listed} == {3}
    assert storage.listed[0]["sortBy"] == {"column": "name", "order": "desc"}


def test_an_empty_bucket_has_no_pages():
    assert list(FakeStorage("").bucket().pages()) == []


def test_an_object_tells_when_it_appeared():
    ((stored,),) = FakeStorage("a").bucket().pages()
    assert stored == StoredObject("a", 1795416631.5)


def test_a_folder_is_told_apart():
    ((folder, stored),) = FakeStorage(["a", "folder"]).bucket().pages()
    assert folder == StoredObject("folder", 0.0, is_folder=True)
    assert not stored.is_folder


def test_a_folder_is_removed_with_all_that_is_in_it():
    storage = FakeStorage("abcdefg")
    assert storage.bucket().remove_folder("f") == 7
    assert storage.removed == [f"f/{name}" for name in "gfedcba"]


def test_names_in_a_folder_are_those_that_begin_so():
    storage = FakeStorage(["a1", "a2", "A3", "b4"])
    assert sorted(storage.bucket().names_in("f", prefix="a")) == ["a1", "a2"]
    assert {(body["prefix"], body["search"]) for body in storage.listed} == {("f", "a")}


def test_an_object_is_put_in_place_of_another():
    storage = FakeStorage("", answers=[httpx.Response(503, json={})])
    storage.bucket().put("f/a", b"content", "application/zstd")
    assert storage.put == ("/storage/v1/object/imports/f/a", "true")


def test_what_is_removed_on_the_way_hides_nothing():
    bucket, seen = FakeStorage("abcdefghij").bucket(), []
    for page in bucket.pages():
        seen += [stored.name for stored in page]
        bucket.remove([stored.name for stored in page if stored.name not in "cf"])
    assert sorted(seen) == list("abcdefghij")


def test_a_storage_that_is_away_is_asked_again_for_a_while():
    storage = FakeStorage("a", answers=[httpx.Response(503, json={})])
    assert names_of(storage.bucket().pages()) == [["a"]]
    with pytest.raises(TransientError):
        list(FakeStorage("", [httpx.Response(503, json={})] * 9).bucket(deadline=0.01).pages())


def test_a_missing_bucket_is_permanent():
    told = {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}
    with pytest.raises(PermanentError):
        list(FakeStorage("", [httpx.Response(400, json=told)]).bucket().pages())

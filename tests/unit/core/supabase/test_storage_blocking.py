import json

import httpx
import pytest
from supabase import Client, ClientOptions

from core.errors import PermanentError, TransientError
from core.supabase import storage_blocking as module
from core.supabase.clients import Project
from core.supabase.storage_blocking import StorageClient
from core.supabase.storage_shared import StoredObject

DATA = bytes(range(256)) * 1200
SIZE = len(DATA)
CREATED = "2026-11-23T06:50:31.5Z"


def client(http, deadline):
    supabase = Client("http://supabase", "k", ClientOptions(httpx_client=http))
    return StorageClient(Project("http://supabase", "k", 1), supabase, http, deadline=deadline)


class FakeObjects:
    """Answers ranged reads; ``script`` has the fault of each request in turn."""

    def __init__(self, *script):
        self.script = list(script)
        self.ranges = []
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        self.ranges.append(request.headers["Range"])
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        return self.answer(request, step)

    def answer(self, request, sent=None):
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        headers = {"Content-Range": f"bytes {first}-{last}/{len(DATA)}"}
        return httpx.Response(206, headers=headers, stream=Breaking(DATA[first : last + 1], sent))


class Breaking(httpx.SyncByteStream):
    """The connection is lost after ``sent`` bytes, or never."""

    def __init__(self, data, sent=None):
        self.data = data
        self.sent = sent

    def __iter__(self):
        yield self.data[: self.sent]
        if self.sent is not None:
            raise httpx.ReadError("lost")


def read(storage, start=0, end=SIZE, deadline=0.5):
    http = httpx.Client(transport=httpx.MockTransport(storage))
    return list(client(http, deadline).read("import-x.json", start, end, size=SIZE))


@pytest.mark.parametrize(
    ("start", "end"), [(0, len(DATA)), (1, 2), (5, 200_000), (100_000, len(DATA)), (7, 7)]
)
def test_read_yields_the_requested_range_in_small_pieces(start, end):
    pieces = read(FakeObjects(), start, end)
    assert b"".join(pieces) == DATA[start:end]
    assert all(0 < len(piece) <= 65536 for piece in pieces)


def test_read_sends_the_key_and_the_range_for_the_object_in_the_bucket():
    storage = FakeObjects()
    read(storage, 0, 10)
    (request,) = storage.requests
    assert request.url == "http://supabase/storage/v1/object/imports/import-x.json"
    assert request.headers["apikey"] == "k"
    assert request.headers["Accept-Encoding"] == "identity"
    assert storage.ranges == ["bytes=0-9"]


def test_read_resumes_at_the_byte_where_the_connection_was_lost():
    storage = FakeObjects(65536 * 2, httpx.ConnectError("refused"), httpx.Response(503), 65536)
    assert b"".join(read(storage, deadline=5)) == DATA
    first = f"bytes={65536 * 2}-{len(DATA) - 1}"
    assert storage.ranges[1:4] == [first, first, first]
    assert storage.ranges[4] == f"bytes={65536 * 3}-{len(DATA) - 1}"


def test_read_raises_transient_error_if_storage_stays_unreachable():
    storage = FakeObjects(*[httpx.ConnectError("refused")] * 50)
    with pytest.raises(TransientError):
        read(storage, deadline=0.05)


@pytest.mark.parametrize(("named", "seconds"), [("47", 47), ("86400", 60)])
def test_read_passes_retry_after_on_with_an_upper_bound(named, seconds):
    storage = FakeObjects(*[httpx.Response(429, headers={"Retry-After": named})] * 3)
    with pytest.raises(TransientError) as error:
        read(storage, deadline=0.05)
    assert error.value.retry_after == seconds


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize(
    "body",
    [
        {"statusCode": "404", "error": "not_found", "message": "Object not found"},
        {"statusCode": "404", "error": "not_found", "message": "x", "code": "NoSuchKey"},
        {"code": "NoSuchKey", "message": "x"},
    ],
)
def test_read_of_a_missing_object_raises_object_missing(body, status):
    with pytest.raises(PermanentError) as error:
        read(FakeObjects(httpx.Response(status, json=body)))
    assert error.value.code == "object_missing"


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "Bucket not found", "message": "x", "code": "NoSuchBucket"}, "NoSuchBucket"),
        ({"error": "Bucket not found", "message": "Bucket not found"}, "404"),
    ],
)
def test_read_from_a_missing_bucket_does_not_raise_object_missing(body, code, status):
    """The file is still there once the operator has put the bucket right."""
    with pytest.raises(PermanentError) as error:
        read(FakeObjects(httpx.Response(status, json={"statusCode": "404", **body})))
    assert error.value.code == code


GATEWAYS = {
    "no route": httpx.Response(404, json={"message": "no Route matched with those values"}),
    "page": httpx.Response(404, html="<html>404 Not Found</html>"),
    "empty": httpx.Response(404),
    "gone": httpx.Response(410, text="gone"),
    "no object": httpx.Response(404, json=["not_found"]),
    "number": httpx.Response(404, json={"statusCode": 404, "error": "Not Found", "message": "x"}),
    "nested": httpx.Response(404, content=b"[" * 200_000),
    "page of a success": httpx.Response(200, html="<html>We will be back soon.</html>"),
    "redirection": httpx.Response(302, headers={"Location": "https://login.example"}),
}


@pytest.mark.parametrize("name", GATEWAYS)
def test_read_retries_an_answer_of_a_gateway(name):
    answer = GATEWAYS[name]
    assert b"".join(read(FakeObjects(answer, answer), deadline=5)) == DATA
    with pytest.raises(TransientError):
        read(FakeObjects(*[answer] * 99), deadline=0.01)


def test_read_with_a_rejected_key_does_not_raise_object_missing():
    body = {"statusCode": "403", "error": "Unauthorized", "message": "jwt malformed"}
    with pytest.raises(PermanentError) as error:
        read(FakeObjects(httpx.Response(400, json=body)))
    assert error.value.code == "Unauthorized"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": "bytes 0-8/100"},
        {"Content-Range": "bytes 1-9/100"},
        {"Content-Range": "items 0-9/100"},
    ],
)
def test_read_rejects_an_answer_with_another_range(headers):
    with pytest.raises(PermanentError) as error:
        read(FakeObjects(httpx.Response(206, headers=headers, content=b"x" * 10)), 0, 10)
    assert error.value.code == "range_refused"


def test_read_accepts_status_200_only_if_the_range_is_the_whole_object():
    def whole():
        return httpx.Response(200, headers={"Content-Length": "10"}, stream=Breaking(b"x" * 10))

    assert read(FakeObjects(whole()), 0, 10) == [b"x" * 10]
    for start, end in ((1, 10), (0, 9)):
        with pytest.raises(PermanentError):
            read(FakeObjects(whole()), start, end)


def test_read_requests_the_rest_of_a_body_that_is_too_short():
    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}"}
    short = httpx.Response(206, headers=headers, stream=Breaking(DATA[:4]))
    storage = FakeObjects(short)
    assert b"".join(read(storage, 0, 10, deadline=5)) == DATA[:10]
    assert storage.ranges == ["bytes=0-9", "bytes=4-9"]


def test_read_rejects_a_body_longer_than_its_range():
    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}"}
    long = httpx.Response(206, headers=headers, stream=Breaking(DATA[:11]))
    with pytest.raises(PermanentError):
        read(FakeObjects(long), 0, 10)


def test_closing_an_unfinished_read_returns_its_connection():
    closed = []
    stream = Breaking(DATA)
    stream.close = lambda: closed.append(True)
    headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    http = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(206, headers=headers, stream=stream))
    )
    pieces = client(http, 1).read("o", 0, len(DATA), size=len(DATA))
    next(pieces)
    pieces.close()
    assert closed == [True]


class FakeBucket:
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

    def client(self, deadline=5):
        return client(httpx.Client(transport=httpx.MockTransport(self)), deadline)

    def listing(self, deadline=5):
        return self.client(deadline).listing()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 3)


def names_of(pages):
    return [[stored.name for stored in page] for page in pages]


def test_listing_yields_all_objects_in_pages_in_descending_order():
    storage = FakeBucket("abcdefg")
    assert names_of(storage.listing().pages()) == [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    assert {body["limit"] for body in storage.listed} == {3}
    assert storage.listed[0]["sortBy"] == {"column": "name", "order": "desc"}


def test_listing_of_an_empty_bucket_has_no_pages():
    assert list(FakeBucket("").listing().pages()) == []


def test_listing_has_the_creation_time_of_an_object():
    ((stored,),) = FakeBucket("a").listing().pages()
    assert stored == StoredObject("a", 1795416631.5)


def test_listing_marks_folders():
    ((folder, stored),) = FakeBucket(["a", "folder"]).listing().pages()
    assert folder == StoredObject("folder", 0.0, is_folder=True)
    assert not stored.is_folder


def test_remove_folder_removes_all_objects_in_it():
    storage = FakeBucket("abcdefg")
    assert storage.client().remove_folder("f") == 7
    assert storage.removed == [f"f/{name}" for name in "gfedcba"]


def test_names_in_returns_the_names_with_the_prefix_case_sensitively():
    storage = FakeBucket(["a1", "a2", "A3", "b4"])
    assert sorted(storage.client().names_in("f", prefix="a")) == ["a1", "a2"]
    assert {(body["prefix"], body["search"]) for body in storage.listed} == {("f", "a")}


def test_put_replaces_an_object_and_is_retried():
    storage = FakeBucket("", answers=[httpx.Response(503, json={})])
    storage.client().put("f/a", b"content", "application/zstd")
    assert storage.put == ("/storage/v1/object/imports/f/a", "true")


def test_listing_skips_nothing_when_objects_are_removed_meanwhile():
    listing, seen = FakeBucket("abcdefghij").listing(), []
    for page in listing.pages():
        seen += [stored.name for stored in page]
        listing.remove([stored.name for stored in page if stored.name not in "cf"])
    assert sorted(seen) == list("abcdefghij")


def test_listing_is_retried_until_the_deadline():
    storage = FakeBucket("a", answers=[httpx.Response(503, json={})])
    assert names_of(storage.listing().pages()) == [["a"]]
    with pytest.raises(TransientError):
        list(FakeBucket("", [httpx.Response(503, json={})] * 9).listing(deadline=0.01).pages())


def test_listing_of_a_missing_bucket_raises_permanent_error():
    told = {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}
    with pytest.raises(PermanentError):
        list(FakeBucket("", [httpx.Response(400, json=told)]).listing().pages())

import httpx
import pytest

from core.errors import PermanentError, TransientError
from core.supabase.object_reader import ObjectReader

DATA = bytes(range(256)) * 1200
SIZE = len(DATA)


class FakeStorage:
    """Answers ranged reads; ``script`` says what goes wrong with each request in turn."""

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
    reader = ObjectReader("http://supabase", {"apikey": "k"}, http, deadline=deadline)
    return list(reader.read("import-x.json", start, end))


@pytest.mark.parametrize(
    ("start", "end"), [(0, len(DATA)), (1, 2), (5, 200_000), (100_000, len(DATA)), (7, 7)]
)
def test_it_reads_the_range_it_is_told(start, end):
    pieces = read(FakeStorage(), start, end)
    assert b"".join(pieces) == DATA[start:end]
    assert all(0 < len(piece) <= 65536 for piece in pieces)


def test_it_asks_with_the_key_for_the_object_in_the_bucket():
    storage = FakeStorage()
    read(storage, 0, 10)
    (request,) = storage.requests
    assert request.url == "http://supabase/storage/v1/object/imports/import-x.json"
    assert request.headers["apikey"] == "k"
    assert request.headers["Accept-Encoding"] == "identity"
    assert storage.ranges == ["bytes=0-9"]


def test_a_lost_connection_goes_on_where_it_was():
    storage = FakeStorage(65536 * 2, httpx.ConnectError("refused"), httpx.Response(503), 65536)
    assert b"".join(read(storage, deadline=5)) == DATA
    first = f"bytes={65536 * 2}-{len(DATA) - 1}"
    assert storage.ranges[1:4] == [first, first, first]
    assert storage.ranges[4] == f"bytes={65536 * 3}-{len(DATA) - 1}"


def test_it_gives_up_for_now_if_storage_stays_away():
    storage = FakeStorage(*[httpx.ConnectError("refused")] * 50)
    with pytest.raises(TransientError):
        read(storage, deadline=0.05)


@pytest.mark.parametrize(("named", "seconds"), [("47", 47), ("86400", 60)])
def test_retry_after_reaches_whoever_asks(named, seconds):
    storage = FakeStorage(*[httpx.Response(429, headers={"Retry-After": named})] * 3)
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
def test_a_missing_object_is_told_apart(body, status):
    with pytest.raises(PermanentError) as error:
        read(FakeStorage(httpx.Response(status, json=body)))
    assert error.value.code == "object_missing"


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "Bucket not found", "message": "x", "code": "NoSuchBucket"}, "NoSuchBucket"),
        ({"error": "Bucket not found", "message": "Bucket not found"}, "404"),
    ],
)
def test_a_missing_bucket_is_no_missing_object(body, code, status):
    """The file is still there once the operator has put the bucket right."""
    with pytest.raises(PermanentError) as error:
        read(FakeStorage(httpx.Response(status, json={"statusCode": "404", **body})))
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
def test_a_gateway_is_not_taken_for_storage(name):
    answer = GATEWAYS[name]
    assert b"".join(read(FakeStorage(answer, answer), deadline=5)) == DATA
    with pytest.raises(TransientError):
        read(FakeStorage(*[answer] * 99), deadline=0.01)


def test_a_refused_key_is_no_missing_object():
    body = {"statusCode": "403", "error": "Unauthorized", "message": "jwt malformed"}
    with pytest.raises(PermanentError) as error:
        read(FakeStorage(httpx.Response(400, json=body)))
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
def test_another_range_is_refused(headers):
    with pytest.raises(PermanentError) as error:
        read(FakeStorage(httpx.Response(206, headers=headers, content=b"x" * 10)), 0, 10)
    assert error.value.code == "range_refused"


def test_the_whole_object_will_do_if_the_part_is_the_whole_object():
    def whole():
        return httpx.Response(200, headers={"Content-Length": "10"}, stream=Breaking(b"x" * 10))

    assert read(FakeStorage(whole()), 0, 10) == [b"x" * 10]
    for start, end in ((1, 10), (0, 9)):
        with pytest.raises(PermanentError):
            read(FakeStorage(whole()), start, end)


def test_a_body_shorter_than_its_range_is_asked_for_again():
    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}"}
    short = httpx.Response(206, headers=headers, stream=Breaking(DATA[:4]))
    storage = FakeStorage(short)
    assert b"".join(read(storage, 0, 10, deadline=5)) == DATA[:10]
    assert storage.ranges == ["bytes=0-9", "bytes=4-9"]


def test_a_body_longer_than_its_range_is_refused():
    headers = {"Content-Range": f"bytes 0-9/{len(DATA)}"}
    long = httpx.Response(206, headers=headers, stream=Breaking(DATA[:11]))
    with pytest.raises(PermanentError):
        read(FakeStorage(long), 0, 10)


def test_a_reader_that_is_not_read_to_its_end_gives_its_connection_back():
    closed = []
    stream = Breaking(DATA)
    stream.close = lambda: closed.append(True)
    headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    http = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(206, headers=headers, stream=stream))
    )
    pieces = ObjectReader("http://supabase", {}, http, deadline=1).read("o", 0, len(DATA))
    next(pieces)
    pieces.close()
    assert closed == [True]

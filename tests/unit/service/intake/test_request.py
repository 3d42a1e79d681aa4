"""What is refused by the head of a request alone, and how a body comes in."""

import asyncio
import gzip
from collections.abc import Iterable
from unittest.mock import Mock

import pytest
from aiohttp import ClientPayloadError, streams, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from core.errors import MalformedInputError
from core.models import Layout
from service.intake.decompression import zstd
from service.intake.request import PIECE_BYTES, Limits, body_pieces, body_submission, check_head
from service.intake.submission import Submission
from service.problems import ProblemError
from service.splitting.csv import CsvSplitter
from service.splitting.dialect import Dialect
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.splitting.ndjson import NdjsonSplitter
from tests.support.splits import places

LIMITS = Limits(body_bytes=1000, record_bytes=100, part_bytes=50)


def request_with(path: str = "/import", **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", path, headers=named)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "application/json"},
        {"Content_Type": "Application/JSON ; charset=UTF-8"},
        {"Content_Type": 'application/json; charset="utf8"'},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "application/json", "Content_Length": "1000"},
        {"Content_Type": "application/json", "Content_Encoding": "identity"},
        {"Content_Type": "application/json", "Content_Encoding": "gzip"},
        {"Content_Type": "application/json", "Content_Encoding": "ZSTD"},
    ],
)
def test_heads_that_pass(headers):
    assert check_head(request_with(**headers), LIMITS) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unsupported_media_type"),
        ({"Content_Type": "text/plain"}, "unsupported_media_type"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content_Type": "application/problem+json"}, "unsupported_media_type"),
        ({"Content_Type": "multipart/mixed; boundary=x"}, "unsupported_media_type"),
        ({"Content_Type": "nonsense"}, "unsupported_media_type"),
        ({"Content_Type": "application/json; charset=latin-1"}, "unsupported_charset"),
        ({"Content_Type": "application/json; charset=utf-16"}, "unsupported_charset"),
        ({"Content_Type": "application/json", "Content_Encoding": "br"}, "unsupported_encoding"),
        (
            {"Content_Type": "multipart/form-data; boundary=x", "Content_Encoding": "gzip"},
            "unsupported_encoding",
        ),
        ({"Content_Type": "application/x-ndjson"}, "source_missing"),
        ({"Content_Type": "application/json", "Content_Length": "1001"}, "body_too_large"),
        ({"Content_Type": "text/csv"}, "source_missing"),
        ({"Content_Type": "application/json", "Idempotency_Key": "a b"}, "idempotency_key_invalid"),
    ],
)
def test_heads_that_are_refused(headers, code):
    with pytest.raises(ProblemError) as caught:
        check_head(request_with(**headers), LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize("query", ["source=a", "source=Z%C3%BCrich+2026", "dryRun=true&source=x"])
def test_a_csv_names_its_source_in_the_address(query):
    assert check_head(request_with(f"/import?{query}", Content_Type="text/csv"), LIMITS) is None


@pytest.mark.parametrize("kind", ["x-ndjson", "ndjson", "jsonl"])
def test_lines_of_json_name_their_source_in_the_address(kind):
    request = request_with("/import?source=a", Content_Type=f"application/{kind}")
    assert check_head(request, LIMITS) is None


@pytest.mark.parametrize(
    ("query", "charset"),
    [
        ("", "utf-16"),
        ("", "Windows-1252"),
        ("delimiter=;", "latin1"),
        ("delimiter=tab&map=Nom:name&map=E:email", "utf-8"),
        ("map=First%20name:first_name", ""),
    ],
)
def test_a_csv_may_say_how_it_is_written(query, charset):
    content_type = f"text/csv; charset={charset}"
    request = request_with(f"/import?source=a&{query}", Content_Type=content_type)
    assert check_head(request, LIMITS) is None


@pytest.mark.parametrize(
    ("content_type", "query", "code"),
    [
        ("text/csv; charset=utf-7", "", "unsupported_charset"),
        ("application/x-ndjson; charset=utf-16", "", "unsupported_charset"),
        ("text/csv", "delimiter=ab", "delimiter_invalid"),
        ("text/csv", "delimiter=;&delimiter=,", "delimiter_invalid"),
        ("multipart/form-data; boundary=x", "delimiter=", "delimiter_invalid"),
        ("text/csv", "map=Nom", "mapping_invalid"),
        ("text/csv", "map=Nom:phone", "mapping_invalid"),
        ("application/json", "map=Nom:name", "mapping_invalid"),
        ("application/x-ndjson", "map=Nom:name", "mapping_invalid"),
        ("application/json", "delimiter=;", "delimiter_invalid"),
        ("application/x-ndjson", "delimiter=;", "delimiter_invalid"),
        ("text/csv", "source=a", "duplicate_key"),
        ("application/json", "source=a", "duplicate_key"),
        ("multipart/form-data; boundary=x", "source=a", "duplicate_key"),
        ("text/csv", "dryrun=true", "unknown_option"),
        ("application/json", "dry_run=true", "unknown_option"),
        ("application/x-ndjson", "delimeter=;", "unknown_option"),
        ("text/plain", "x=", "unknown_option"),
    ],
)
def test_what_cannot_be_said_is_refused(content_type, query, code):
    request = request_with(f"/import?source=a&{query}", Content_Type=content_type)
    with pytest.raises((ProblemError, MalformedInputError)) as caught:
        check_head(request, LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "kind", ["text/csv", "application/json", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("query", ["source=", "source=%20", "source=a%00b", "source=" + "x" * 201])
def test_a_source_that_cannot_be_is_refused(kind, query):
    with pytest.raises(MalformedInputError) as caught:
        check_head(request_with(f"/import?{query}", Content_Type=kind), LIMITS)
    assert caught.value.code == "source_invalid"


def test_limits_reach_the_splitters():
    made = (LIMITS.csv(Dialect()), LIMITS.envelope(), LIMITS.json_array(), LIMITS.ndjson())
    kinds = [type(splitter) for splitter in made]
    assert kinds == [CsvSplitter, EnvelopeSplitter, JsonArraySplitter, NdjsonSplitter]


def request_of(
    chunks: Iterable[bytes | Exception], path: str = "/import", **headers: str
) -> web.Request:
    """A request of which the body comes in these chunks, or breaks off."""
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    content = streams.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    for chunk in chunks:
        if isinstance(chunk, Exception):
            content.set_exception(chunk)
            break
        content.feed_data(chunk)
    else:
        content.feed_eof()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Content-Type", "application/json")
    return make_mocked_request("POST", path, headers=named, payload=content)


async def test_a_body_comes_in_small_pieces():
    counted: list[int] = []
    limits = Limits(10**6, 100, 50)
    content = bytes(range(256)) * 1000
    request = request_of([content[:200_000], content[200_000:]])
    pieces = [piece async for piece in body_pieces(request, limits, counted.append)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert sum(counted) == len(content)


@pytest.mark.parametrize(("size", "passes"), [(999, True), (1000, True), (1001, False)])
async def test_the_limit_and_its_neighbours(size, passes):
    pieces = body_pieces(request_of([b"x" * size]), LIMITS, lambda _: None)
    if passes:
        assert sum([len(piece) async for piece in pieces]) == size
    else:
        with pytest.raises(ProblemError) as caught:
            await anext(pieces)
        assert caught.value.code == "body_too_large"


@pytest.mark.parametrize(
    "error", [web.RequestPayloadError("x"), ClientPayloadError("x"), ConnectionResetError()]
)
async def test_a_body_that_breaks_off(error):
    with pytest.raises(ProblemError) as caught:
        async for _ in body_pieces(request_of([b"{", error]), LIMITS, lambda _: None):
            pass
    assert caught.value.code == "truncated_body"


async def stored_of(request: web.Request, limits: Limits = LIMITS) -> tuple[bytes, Submission]:
    submission = body_submission(request, limits, lambda _: None)
    stored = b""
    async for piece in submission.pieces:
        stored += b"".join(submission.splitter.feed(piece))
    return stored + b"".join(submission.splitter.close()), submission


async def test_a_json_submission_tells_its_source_at_the_end():
    stored, submission = await stored_of(request_of([b'{"data":[1],"source":"s"}']))
    assert (stored, await submission.source()) == (b"[1]", "s")


@pytest.mark.parametrize("body", [b'{"data":[1]}', b'{"data":[1],"source":"s"}'])
async def test_the_address_may_name_the_source_of_json(body):
    stored, submission = await stored_of(request_of([body], "/import?source=s"))
    assert (stored, await submission.source()) == (b"[1]", "s")


async def test_two_sources_are_refused():
    with pytest.raises(MalformedInputError) as caught:
        await stored_of(request_of([b'{"source":"s","data":[]}'], "/import?source=t"))
    assert caught.value.code == "source_invalid"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson", "application/json"])
async def test_a_compressed_body_is_stored_as_it_was_before(kind, compression):
    text = {"text/csv": b"name\nAda\n", "application/x-ndjson": b'{"name":"Ada"}\n'}.get(kind)
    sent = text or b'{"data":[1],"source":"s"}'
    packed = gzip.compress(sent) if compression == "gzip" else zstd.compress(sent)
    request = request_of(
        [packed[:9], packed[9:]],
        "/import?source=s",
        Content_Type=kind,
        Content_Encoding=compression,
    )
    stored, submission = await stored_of(request)
    assert (stored, submission.compression) == (text or b"[1]", compression)
    assert await submission.source() == "s"


async def test_the_limit_holds_for_what_was_unpacked():
    packed = gzip.compress(b"name\n" + b"x\n" * 1000)
    request = request_of(
        [packed], "/import?source=s", Content_Type="text/csv", Content_Encoding="gzip"
    )
    assert len(packed) < LIMITS.body_bytes
    with pytest.raises(ProblemError) as caught:
        await stored_of(request)
    assert caught.value.code == "body_too_large"


async def test_a_csv_submission_is_read_as_its_client_says():
    path = "/import?source=s&delimiter=|&map=Nom:name"
    request = request_of(["Nom|x;y\nZoë|1\n".encode("cp1252")], path, Content_Type="text/csv")
    stored, submission = await stored_of(request)
    assert stored == "Nom|x;y\nZoë|1\n".encode()
    assert places(submission.splitter.split().layout) == Layout(2, 0, None, delimiter="|")

"""read_form and FormReader: forms, read as they arrive."""

import asyncio
import gzip
import warnings
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from unittest.mock import Mock

import pytest
from aiohttp import streams
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from core.errors import MalformedInputError
from core.formats.csv_dialect import CsvDialect
from core.reading.plan import FieldPlaces
from core.zstandard import zstd
from service.fair_scheduling import TimeSlice
from service.intake.accept import Intake
from service.intake.body import PIECE_BYTES, Body, receive
from service.intake.form_reader import FormReader
from service.intake.limits import Limits, WebhookPolicy
from service.intake.minimum_rate import MinimumRate
from service.intake.multipart import read_form, silence_header_warnings
from service.intake.request import FormHead, ImportRequest, read_head
from service.problems import ProblemError
from service.repository import NewImport
from tests.support.forms import CSV_FILE, JSON_FILE, SOURCE, field, form
from tests.unit.service.fakes import FakeRepository, FakeStorage

LIMITS = Limits(body_bytes=100_000, record_bytes=1000, part_bytes=50)


def head_of(content_type: str, query: str = "", limits: Limits = LIMITS) -> FormHead:
    headers = {"Content-Type": content_type}
    head = read_head(make_mocked_request("POST", f"/import{query}", headers=headers), limits)
    assert isinstance(head, FormHead)
    return head


def content_of(raw: bytes, size: int = 1000) -> streams.StreamReader:
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    content = streams.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    for start in range(0, len(raw), size):
        content.feed_data(raw[start : start + size])
    content.feed_eof()
    return content


async def read_to_file(
    raw: bytes, content_type: str, size: int = 1000, *, query: str = "", limits: Limits = LIMITS
) -> tuple[ImportRequest, Body]:
    pieces = receive(content_of(raw, size), limits, lambda _: None)
    return await read_form(head_of(content_type, query, limits), pieces, limits)


async def read(
    raw: bytes, content_type: str, size: int = 1000, *, query: str = "", limits: Limits = LIMITS
) -> tuple[bytes, str, NewImport]:
    """Import the form; returns the object, the source and what is recorded."""
    storage = FakeStorage()
    intake = Intake(storage, FakeRepository(), limits, deadline=30)  # type: ignore[arg-type]
    request, body = await read_to_file(raw, content_type, size, query=query, limits=limits)
    new = await intake.accept(request, body)
    assert isinstance(new, NewImport)
    return storage.objects[new.object], new.source, new


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize(
    ("file", "content", "kind"),
    [
        (CSV_FILE, b"name,email\na,b\n", "csv"),
        (JSON_FILE, b"[1,2]", "json"),
        (field("file", b"[]", filename="x.JSON"), b"[]", "json"),
        (field("file", b"name\n", filename="x.csv", content_type="text/plain"), b"name\n", "csv"),
        (field("file", b"name\n", content_type="Text/CSV; charset=utf-8"), b"name\n", "csv"),
        (field("file", b"[]", filename="x.csv", content_type="application/json"), b"[]", "json"),
        (field("file", b"name\r\n--\r\n-", filename="x.csv"), b"name\r\n--\r\n-", "csv"),
        (field("file", b"{}\n[]\n", filename="x.ndjson"), b"{}\n[]\n", "ndjson"),
        (field("file", b"1\r\n", filename="x.JSONL"), b"1\r\n", "ndjson"),
        (field("file", b"1", content_type="application/x-ndjson"), b"1", "ndjson"),
        (field("file", gzip.compress(b"[1]"), filename="x.json.gz"), b"[1]", "json"),
        (field("file", zstd.compress(b"{}\n"), filename="x.jsonl.zst"), b"{}\n", "ndjson"),
        (
            field("file", gzip.compress(b"name\n"), "x.gz", "text/csv"),
            b"name\n",
            "csv",
        ),
        (
            field("file", gzip.compress(b"name\n"), "x.csv", extra=b"Content-Encoding: gzip"),
            b"name\n",
            "csv",
        ),
        (
            field("file", "name\nZoë\n".encode("utf-16"), "x.csv"),
            "name\nZoë\n".encode(),
            "csv",
        ),
        (
            field("file", "name\nZoë\n".encode("cp1252"), "x", "text/csv; charset=latin-1"),
            "name\nZoë\n".encode(),
            "csv",
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
async def test_source_and_file_may_come_in_either_order(file, content, kind, order, size):
    stored, source, new = await read(*form([SOURCE, file][::order]), size)
    assert (stored, source) == (content, "s")
    assert (new.split.format, new.split.bytes) == (kind, len(content))


@pytest.mark.parametrize("query", ["", "?delimiter=%7C&map=Nom:name"])
async def test_delimiter_and_mapping_of_a_form(query):
    content = b"Nom|Courriel;x\na|b@c.de\n"
    said = [field("delimiter", b"|"), field("map", b"Nom:name")] if not query else []
    raw, kind = form(
        [*said, field("map", b"Courriel;x:email"), field("file", content, "a.csv"), SOURCE]
    )
    _, source, new = await read(raw, kind, query=query)
    assert source == "s"
    assert new.split.plan.places == FieldPlaces(name=(0,), email=(1,))
    assert new.split.plan.csv == CsvDialect(delimiter="|")


@pytest.mark.parametrize("query", ["", "?notify=https://example.com/hook"])
async def test_notify_of_a_form(query):
    hook = field("notify", b"" if query else b"https://example.com/hook")
    limits = replace(LIMITS, webhooks=WebhookPolicy(enabled=True))
    request, _ = await read_to_file(*form([hook, SOURCE, CSV_FILE]), query=query, limits=limits)
    assert request.options.notify == "https://example.com/hook"
    assert "notify=https://example.com/hook" in request.compared


def fields_of(query: str) -> tuple[tuple[bytes, str], str]:
    """A form with the options of a query as fields, and the same form with the query itself."""
    pairs = [pair.partition("=") for pair in query.split("&")]
    return form([*(field(name, value.encode()) for name, _, value in pairs), CSV_FILE])


@pytest.mark.parametrize(
    "query",
    [
        "source=s&dryRun=true",
        "source=s&dryRun=false",
        "source=s&delimiter=,&map=a:name&map=b:email",
        "source=s&notify=https://example.com/hook",
    ],
)
async def test_options_are_the_same_in_fields_and_in_the_query(query):
    limits = replace(LIMITS, webhooks=WebhookPolicy(enabled=True))
    in_fields, _ = await read_to_file(*fields_of(query), limits=limits)
    in_query, _ = await read_to_file(*form([CSV_FILE]), query=f"?{query}", limits=limits)
    assert in_fields == in_query
    assert in_fields.options.source == "s"
    assert in_fields.options.dry_run is ("dryRun=true" in query)


async def compared_of(fields: list[bytes]) -> object:
    request, _ = await read_to_file(*form([*fields, SOURCE, CSV_FILE]))
    return request.options.dry_run, request.compared


@pytest.mark.parametrize(
    "option", [("dryRun", b"true"), ("delimiter", b","), ("map", b"name:name")], ids=lambda o: o[0]
)
async def test_requests_are_compared_by_the_options_in_fields(option):
    assert await compared_of([field(*option)]) != await compared_of([])


async def test_the_charset_field_is_that_of_the_file():
    latin = field("file", "name\nZoë\n\x80".encode("cp1252", "replace"), "a.csv")
    charset = field("_charset_", b"iso-8859-1")
    stored, _, new = await read(*form([charset, SOURCE, latin]))
    assert stored.startswith("name\nZoë\n".encode())
    assert new.split.encoding.name == "windows-1252"


@pytest.mark.parametrize("before", [b"", b"a preamble\r\n", b"\r\n", b"x" * 5000 + b"\r\n"])
@pytest.mark.parametrize("behind", [b"", b"\r\n", b"an epilogue", b"\r\n--x\r\n" * 999])
@pytest.mark.parametrize("size", [1, 1000])
async def test_preamble_and_epilogue_are_ignored(before, behind, size):
    raw, kind = form([SOURCE, CSV_FILE])
    stored, source, _ = await read(before + raw.removesuffix(b"\r\n") + behind, kind, size)
    assert (stored, source) == (b"name,email\na,b\n", "s")


@pytest.mark.parametrize("boundary", ["b", "b" * 70, "b'()+_,-./:=?", "a b"])
@pytest.mark.parametrize("size", [1, 1000])
async def test_boundaries(boundary, size):
    raw, _ = form([SOURCE, CSV_FILE])
    raw = raw.replace(b"----b0undary", boundary.encode())
    for padded in (raw, raw.replace(boundary.encode() + b"\r\n", boundary.encode() + b" \t\r\n")):
        kind = f'multipart/form-data; charset=utf-8; boundary="{boundary}"'
        assert (await read(padded, kind, size))[:2] == (b"name,email\na,b\n", "s")


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_partial_boundary_belongs_to_the_file(size):
    nearly = b"name\n\r\n-\r\n--\r\n------b0undar\r\n\r------b0undary\r\n------b0undarx\n\r\r\n"
    stored, *_ = await read(*form([SOURCE, field("file", nearly, "a.csv")]), size)
    assert stored == nearly


async def test_a_large_file_is_yielded_in_small_pieces():
    content = b"name\r\n" + b"Ada\r\n" * 100_000
    raw, kind = form([SOURCE, field("file", content, "a.csv")])
    _, body = await read_to_file(raw, kind, 200_000, limits=Limits(10**8, 1000, 50))
    pieces = [piece async for piece in body]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert len(pieces) < 40


OUR_BUGS = [ValueError, AssertionError, RuntimeError, KeyError, UnicodeError]


@pytest.mark.parametrize("bug", OUR_BUGS)
@pytest.mark.parametrize(
    "where",
    ["_on_content", "_on_headers_finished", "_on_header_end", "_on_end", "_next_step"],
)
async def test_a_bug_of_the_reader_is_not_blamed_on_the_client(monkeypatch, where, bug):
    monkeypatch.setattr(FormReader, where, Mock(side_effect=bug("a bug")))
    with pytest.raises(bug, match="a bug"):
        await read(*form([SOURCE, CSV_FILE]))


@pytest.mark.parametrize("bug", OUR_BUGS)
@pytest.mark.parametrize(
    ("class_", "method"), [(TimeSlice, "yield_if_used_up"), (MinimumRate, "wait_for")]
)
async def test_a_bug_below_the_reader_is_not_blamed_on_the_client(monkeypatch, class_, method, bug):
    def fails(_: object, reading: Coroutine | None = None) -> None:
        if reading is not None:
            reading.close()
        raise bug("a bug")

    monkeypatch.setattr(class_, method, fails)
    with pytest.raises(bug, match="a bug"):
        await read(*form([SOURCE, CSV_FILE]))


async def test_nothing_is_logged_of_a_malformed_form(caplog):
    silence_header_warnings()
    with pytest.raises(ProblemError):
        await read(*form([SOURCE, b"b\xe4d: x\r\n\r\n"]))
    assert caplog.records == []


def rejected_forms() -> Iterable[tuple[str, tuple[bytes, str], str]]:
    whole, kind = form([SOURCE, JSON_FILE])
    yield "no file", form([SOURCE]), "file_missing"
    yield "empty form", form([]), "file_missing"
    yield "no source", form([JSON_FILE]), "source_missing"
    yield "two sources", form([SOURCE, SOURCE, JSON_FILE]), "duplicate_key"
    yield "a source behind, too", form([SOURCE, JSON_FILE, SOURCE]), "duplicate_key"
    yield "two files", form([SOURCE, JSON_FILE, JSON_FILE]), "malformed_multipart"
    yield "empty source", form([field("source", b""), JSON_FILE]), "source_invalid"
    yield "wrong UTF-8", form([field("source", b"\xff"), JSON_FILE]), "invalid_utf8"
    yield "long field", form([field("map", b"x" * 65_537), JSON_FILE]), "envelope_too_large"
    for name in ("dryrun", "dry_run", "delimeter", "note", "", "Source", "files", "charset"):
        other = field(name, b"true")
        yield f"unknown {name}", form([other, SOURCE, JSON_FILE]), "unknown_option"
        yield f"unknown {name} behind", form([SOURCE, JSON_FILE, other]), "unknown_option"
    dry = field("dryRun", b"true")
    yield "a dry run too late", form([SOURCE, CSV_FILE, dry]), "field_too_late"
    yield "a dry run twice", form([dry, dry, SOURCE, CSV_FILE]), "dry_run_invalid"
    yield "a dry run or not", form([field("dryRun", b"1"), SOURCE, CSV_FILE]), "dry_run_invalid"
    semicolon = field("delimiter", b";")
    yield "a delimiter of JSON", form([SOURCE, semicolon, JSON_FILE]), "delimiter_invalid"
    yield "a character set too late", form([CSV_FILE, field("_charset_", b"")]), "field_too_late"
    yield (
        "long form",
        form([SOURCE, field("file", b"[]" + b" " * 100_000, "a.json")]),
        "body_too_large",
    )
    yield "XML", form([SOURCE, field("file", b"<?xml?><a/>", "x.csv")]), "unsupported_file"
    yield "a PDF document", form([SOURCE, field("file", b"%PDF-1.7", "x.csv")]), "unsupported_file"
    yield "no boundary", (whole, "multipart/form-data"), "malformed_multipart"
    yield "other boundary", (whole, kind + "2"), "malformed_multipart"
    yield "empty body", (b"", kind), "malformed_multipart"
    yield "no form", (b"[1,2]" * 10, kind), "malformed_multipart"
    yield "cut in a JSON file", (whole[: whole.index(b"[1") + 3], kind), "malformed_json"
    rows, kind = form([SOURCE, CSV_FILE])
    for end in (len(rows) - 6, len(rows) - 4, len(rows) - 20, rows.index(b"a,b") + 2):
        yield f"cut at {end} of {len(rows)}", (rows[:end], kind), "malformed_multipart"
    yield "cut in a header", (rows[: rows.index(b"; filename") - 13], kind), "malformed_multipart"


def rejected_fields() -> Iterable[tuple[str, tuple[bytes, str], str]]:
    for header, code in [
        (b"Content-Type: text/csv; charset=utf-7", "unsupported_charset"),
        (b"Content-Encoding: br", "unsupported_encoding"),
        (b"Content-Encoding: gzip", "malformed_compression"),
        (b"Content-Transfer-Encoding: base64", "unsupported_encoding"),
    ]:
        yield header.decode(), form([SOURCE, field("file", b"[]", "a.json", extra=header)]), code
    yield (
        "many headers",
        form([SOURCE, field("file", b"[]", "a.json", extra=b"X: y\r\n" * 500 + b"Z: z")]),
        "malformed_multipart",
    )
    yield (
        "long header",
        form([SOURCE, field("file", b"[]", "a.json", extra=b"X: " + b"y" * 20_000)]),
        "malformed_multipart",
    )
    csv_of = field("file", b"Nam;Mehl\na;b\n", "a.csv")
    mapped = field("map", b"Nom:name")
    yield "a mapping behind the file", form([SOURCE, csv_of, mapped]), "csv_header_unusable"
    yield "a mapping too late", form([SOURCE, CSV_FILE, mapped]), "field_too_late"
    yield (
        "a delimiter too late",
        form([CSV_FILE, field("delimiter", b";"), SOURCE]),
        "field_too_late",
    )
    hook = field("notify", b"https://example.com/hook")
    yield "nobody is told here", form([SOURCE, hook, CSV_FILE]), "webhooks_disabled"
    yield "an address too late", form([SOURCE, CSV_FILE, hook]), "field_too_late"
    yield "two delimiters", form([field("delimiter", b";")] * 2 + [CSV_FILE]), "delimiter_invalid"
    yield "a mapping of nothing", form([field("map", b":name"), CSV_FILE]), "mapping_invalid"
    yield "a mapping in Latin-1", form([field("map", b"\xe9:name"), CSV_FILE]), "invalid_utf8"
    yield (
        "unpacked nothing",
        form([SOURCE, field("file", b"[]", "a.json.gz")]),
        "malformed_compression",
    )
    yield (
        "unknown, packed",
        form([SOURCE, field("file", gzip.compress(b"<?xml?><a/>"), "a.xml.gz")]),
        "unsupported_file",
    )
    yield "no header", form([SOURCE, b"\r\n[]\r\n"]), "malformed_multipart"
    nameless = b"Content-Disposition: form-data\r\n\r\n\r\n"
    yield "no name", form([SOURCE, nameless, CSV_FILE]), "malformed_multipart"
    yield (
        "a long boundary",
        (b"", f"multipart/form-data; boundary={'b' * 71}"),
        "malformed_multipart",
    )
    yield (
        "an empty boundary",
        (b"----\r\n", "multipart/form-data; boundary="),
        "malformed_multipart",
    )
    yield (
        "a boundary of no ASCII",
        (b"", "multipart/form-data; boundary=\xe9"),
        "malformed_multipart",
    )
    for header in (
        b"no colon",
        b": no name",
        b"a b: x",
        b"\xe4: x",
        b"x: a\nb",
        b"x: a\0",
        b" x: y",
    ):
        spoilt = field("file", b"[]", "a.json", extra=header)
        yield f"header {header!r}", form([SOURCE, spoilt]), "malformed_multipart"
    inner = field("file", b"--i\r\n\r\n[]\r\n--i--", content_type="multipart/mixed; boundary=i")
    yield "form in form", form([SOURCE, inner]), "malformed_multipart"


@pytest.mark.parametrize(
    ("sent", "code"),
    [pytest.param(*rest, id=name) for name, *rest in (*rejected_forms(), *rejected_fields())],
)
@pytest.mark.parametrize("size", [1, 1000])
async def test_rejected_forms(sent, code, size):
    with pytest.raises((ProblemError, MalformedInputError)) as caught:
        await read(*sent, size)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "odd",
    [
        b'form-data; x y; name="x"',
        b"for?m",
        b'form-data; name*=\xff"x',
        b"form-data; name*0=a'b",
        b"form-data; name*=undefined''%ff",
    ],
)
async def test_malformed_headers_cause_no_warnings(odd):
    raw, content_type = form([SOURCE, b"Content-Disposition: " + odd + b"\r\n\r\n\r\n", CSV_FILE])
    with warnings.catch_warnings(record=True) as told:
        silence_header_warnings()
        with pytest.raises(ProblemError) as caught:
            await read(raw, content_type)
    assert (told, caught.value.code) == ([], "malformed_multipart")


async def test_bytes_and_lines_outside_the_file_are_limited():
    whole, kind = form([SOURCE, JSON_FILE])
    lines, fields = b"\n" * 20_000 + whole, form([field("map", b"")] * 5000 + [SOURCE])[0]
    for raw in (lines, fields, (b"x" * 1000 + b"\r\n") * 2000 + whole):
        with pytest.raises(ProblemError) as caught:
            await read_to_file(raw, kind, 2**16, limits=Limits(10**8, 1000, 50))
        assert caught.value.code == "envelope_too_large"


async def test_many_small_fields_let_other_tasks_run():
    iterations = 0

    async def other() -> None:
        nonlocal iterations
        while True:
            iterations += 1
            await asyncio.sleep(0)

    raw, kind = form([field("map", b"")] * 2000 + [JSON_FILE])
    task = asyncio.create_task(other())
    with pytest.raises(ProblemError):
        await read_to_file(raw, kind, 2**16, limits=Limits(10**8, 1000, 50))
    task.cancel()
    assert iterations > 10

"""read_head: what the head of a request is made into, and what is rejected by it alone."""

from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from core.errors import MalformedInputError
from core.reading.options import ReadingOptions
from core.reading.plan import Field
from core.reading.sniffing import Kind
from service.intake.limits import Limits, WebhookPolicy
from service.intake.options import ImportOptions
from service.intake.request import FormHead, ImportRequest, read_head
from service.keys.identity import KEY_NAME
from service.problems import ProblemError

LIMITS = Limits(body_bytes=1000, record_bytes=100, part_bytes=50)
FORM = "multipart/form-data; boundary=x"


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
def test_read_head_accepts(headers):
    read_head(request_with(**headers), LIMITS)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content_Type": "text/html"}, "unsupported_media_type"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"Content_Type": "multipart/mixed; boundary=x"}, "unsupported_media_type"),
        ({"Content_Type": "application/json; charset=utf-7"}, "unsupported_charset"),
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
def test_read_head_rejects(headers, code):
    with pytest.raises(ProblemError) as caught:
        read_head(request_with(**headers), LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, None),
        ({"Content_Type": "application/octet-stream"}, None),
        ({"Content_Type": "text/plain; charset=latin1"}, None),
        ({"Content_Type": "application/vnd.ms-excel"}, None),
        ({"Content_Type": "text/tab-separated-values"}, Kind.CSV),
        ({"Content_Type": "application/vnd.api+json"}, Kind.JSON_ENVELOPE),
    ],
)
def test_types_that_do_not_name_a_kind_are_looked_at(headers, kind):
    head = read_head(request_with(**headers), LIMITS, needs_source=False)
    assert isinstance(head, ImportRequest)
    assert head.kind is kind


@pytest.mark.parametrize("query", ["source=a", "source=Z%C3%BCrich+2026", "dryRun=true&source=x"])
def test_the_source_of_csv_is_in_the_query(query):
    head = read_head(request_with(f"/import?{query}", Content_Type="text/csv"), LIMITS)
    assert isinstance(head, ImportRequest)
    assert head.options.source in {"a", "Zürich 2026", "x"}


@pytest.mark.parametrize("kind", ["x-ndjson", "ndjson", "jsonl"])
def test_the_source_of_ndjson_is_in_the_query(kind):
    request = request_with("/import?source=a", Content_Type=f"application/{kind}")
    head = read_head(request, LIMITS)
    assert isinstance(head, ImportRequest)
    assert (head.kind, head.options.source) == (Kind.NDJSON, "a")


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
def test_the_dialect_of_csv_is_in_the_head(query, charset):
    content_type = f"text/csv; charset={charset}"
    request = request_with(f"/import?source=a&{query}", Content_Type=content_type)
    read_head(request, LIMITS)


@pytest.mark.parametrize(
    ("content_type", "query", "code"),
    [
        ("text/csv; charset=utf-7", "", "unsupported_charset"),
        ("application/x-ndjson; charset=utf-7", "", "unsupported_charset"),
        ("text/csv", "delimiter=ab", "delimiter_invalid"),
        ("text/csv", "delimiter=;&delimiter=,", "delimiter_invalid"),
        ("multipart/form-data; boundary=x", "delimiter=", "delimiter_invalid"),
        ("text/csv", "map=Nom", "mapping_invalid"),
        ("text/csv", "map=Nom:phone", "mapping_invalid"),
        ("application/json", "map=Nom", "mapping_invalid"),
        ("application/json", "header=none", "header_invalid"),
        ("text/csv", "encoding=x", "encoding_invalid"),
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
def test_read_head_rejects_options(content_type, query, code):
    request = request_with(f"/import?source=a&{query}", Content_Type=content_type)
    with pytest.raises((ProblemError, MalformedInputError)) as caught:
        read_head(request, LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "kind", ["text/csv", "application/json", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("query", ["source=", "source=%20", "source=a%00b", "source=" + "x" * 201])
def test_read_head_rejects_an_invalid_source(kind, query):
    with pytest.raises(MalformedInputError) as caught:
        read_head(request_with(f"/import?{query}", Content_Type=kind), LIMITS)
    assert caught.value.code == "source_invalid"


def test_read_head_makes_a_complete_request():
    path = "/import?source=s&dryRun=true&map=b:email&delimiter=;&map=a:name&notify=https://x.org"
    request = request_with(
        path,
        Content_Type="text/csv; charset=utf-16",
        Content_Encoding="gzip",
        Idempotency_Key='"k"',
    )
    request[KEY_NAME] = "crm"
    head = read_head(request, replace(LIMITS, webhooks=WebhookPolicy(enabled=True)))
    reading = ReadingOptions("utf-16", ";", mapping=(("b", Field.EMAIL), ("a", Field.NAME)))
    compared = ("delimiter=;", "map=a:name", "map=b:email", "notify=https://x.org")
    assert head == ImportRequest(
        Kind.CSV,
        ImportOptions("s", dry_run=True, reading=reading, notify="https://x.org"),
        compression="gzip",
        idempotency_key="k",
        compared=(*compared, "utf-16", "gzip"),
        key_name="crm",
    )


@pytest.mark.parametrize(
    ("query", "headers", "compared"),
    [
        ("?source=s&dryRun=true", {"Content_Type": "text/csv"}, ("", "")),
        ("", {"Content_Type": "application/json; charset=utf-8"}, ("utf-8", "")),
        ("", {"Content_Type": "application/json", "Content_Encoding": "gzip"}, ("", "gzip")),
    ],
)
def test_requests_are_compared_by_charset_and_encoding(query, headers, compared):
    head = read_head(request_with(f"/import{query}", **headers), LIMITS)
    assert head.compared == compared


def test_the_head_of_a_form_keeps_its_boundary_and_options():
    request = request_with("/import?source=s", Content_Type=FORM, Idempotency_Key="k")
    request[KEY_NAME] = "crm"
    head = read_head(request, LIMITS)
    assert isinstance(head, FormHead)
    assert (head.content_type, head.idempotency_key, head.key_name) == (FORM, "k", "crm")
    assert head.values.source() == "s"


@pytest.mark.parametrize("content_type", ["application/json", FORM])
def test_read_head_rejects_notify_without_webhooks(content_type):
    request = request_with("/import?notify=https://example.com", Content_Type=content_type)
    with pytest.raises(ProblemError) as caught:
        read_head(request, LIMITS)
    assert caught.value.code == "webhooks_disabled"
    read_head(request, replace(LIMITS, webhooks=WebhookPolicy(enabled=True)))

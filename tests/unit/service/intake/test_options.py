"""OptionValues and ImportOptions: the options of the query and of form fields."""

import pytest
from aiohttp.test_utils import make_mocked_request

from core.errors import MalformedInputError
from core.reading.options import ReadingOptions
from core.reading.sniffing import Kind
from service.intake.limits import WebhookPolicy
from service.intake.options import (
    ImportOptions,
    OptionValues,
    check_applicable,
    parse_delimiter,
    parse_mapping,
)
from service.problems import ProblemError

OFF = WebhookPolicy()
ON = WebhookPolicy(enabled=True)
URL = "https://example.com/hook?a=1"


def values(*pairs: tuple[str, str], query: str = "") -> OptionValues:
    found = OptionValues(make_mocked_request("POST", f"/import{query}").query)
    for name, value in pairs:
        found.add(name, value)
    return found


def options(
    *pairs: tuple[str, str], query: str = "", webhooks: WebhookPolicy = OFF
) -> ImportOptions:
    return values(*pairs, query=query).check(Kind.CSV, charset=None, webhooks=webhooks)


@pytest.mark.parametrize(
    ("query", "dry"), [("", False), ("?dryRun=false", False), ("?dryRun=true&source=s", True)]
)
def test_dry_run_of_the_query(query, dry):
    assert options(query=query).dry_run is dry


@pytest.mark.parametrize(
    "query", ["?dryRun=", "?dryRun", "?dryRun=1", "?dryRun=True", "?dryRun=true&dryRun=true"]
)
def test_an_invalid_dry_run_is_rejected(query):
    with pytest.raises(ProblemError) as caught:
        options(query=query)
    assert caught.value.code == "dry_run_invalid"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dryrun", "dryRun"),
        ("dry_run", "dryRun"),
        ("dry", "dryRun"),
        ("delimeter", "delimiter"),
        ("Source", "source"),
        ("mapping", "map"),
        ("notfy", "notify"),
        ("x" * 9999, None),
        ("", None),
    ],
)
def test_an_unknown_option_is_rejected_with_the_nearest_name(name, meant):
    with pytest.raises(MalformedInputError) as caught:
        options(query=f"?source=s&{name}=true")
    assert caught.value.code == "unknown_option"
    assert (f'Did you mean "{meant}"?' in caught.value.detail) == (meant is not None)
    assert "source, dryRun, delimiter, map, notify, encoding, header, email" in caught.value.detail
    assert len(caught.value.detail) < 250


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("?source=a&source=a", []),
        ("?source=a", [("source", "a")]),
        ("", [("source", "a"), ("source", "b")]),
    ],
)
def test_several_sources_are_rejected(query, pairs):
    with pytest.raises(ProblemError) as caught:
        options(*pairs, query=query)
    assert caught.value.code == "duplicate_key"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("?dryRun=true", [("dryRun", "true")]),
        ("", [("dryRun", "true")] * 2),
        ("", [("dryRun", "")]),
    ],
)
def test_an_invalid_dry_run_of_the_form_is_rejected(query, pairs):
    with pytest.raises(ProblemError) as caught:
        options(*pairs, query=query)
    assert caught.value.code == "dry_run_invalid"


def test_options_are_the_same_in_the_query_and_in_form_fields():
    pairs = [("map", "b:name"), ("delimiter", ";"), ("map", "a:email"), ("dryRun", "true")]
    in_form = values(*pairs, ("source", "s"))
    in_query = values(query="?dryRun=true&map=a:email&delimiter=;&source=s&map=b:name")
    in_both = values(*pairs[:2], query="?source=s&dryRun=true&map=a:email")
    for found in (in_form, in_query, in_both):
        checked = found.check(Kind.CSV, charset=None, webhooks=OFF)
        assert (checked.source, checked.dry_run) == ("s", True)
        assert checked.reading.delimiter == ";"
        assert sorted(checked.reading.mapping) == [("a", "email"), ("b", "name")]
        assert found.compared() == ["delimiter=;", "map=a:email", "map=b:name"]


@pytest.mark.parametrize("urls", [[], [""], ["", ""]])
@pytest.mark.parametrize("webhooks", [ON, OFF])
def test_notify_may_be_missing_or_empty(urls, webhooks):
    pairs = [("notify", url) for url in urls]
    assert options(*pairs, webhooks=webhooks).notify is None
    assert values(*pairs).compared() == []


@pytest.mark.parametrize(("allow_private", "url"), [(False, URL), (True, "http://127.0.0.1:1/")])
def test_notify_is_the_one_address(allow_private, url):
    webhooks = WebhookPolicy(enabled=True, allow_private=allow_private)
    pairs = [("notify", ""), ("notify", url)]
    assert options(*pairs, webhooks=webhooks).notify == url
    assert values(*pairs).compared() == [f"notify={url}"]


@pytest.mark.parametrize(
    ("webhooks", "urls", "code"),
    [
        (OFF, [URL], "webhooks_disabled"),
        (WebhookPolicy(allow_private=True), ["x"], "webhooks_disabled"),
        (ON, [URL, URL], "notify_invalid"),
        (ON, ["x"], "notify_invalid"),
        (ON, ["http://example.com/"], "notify_invalid"),
        (ON, ["https://10.0.0.1/"], "notify_invalid"),
        (ON, ["https://user:pw@example.com/"], "notify_invalid"),
    ],
)
def test_an_invalid_notify_is_rejected(webhooks, urls, code):
    with pytest.raises(ProblemError) as caught:
        options(*(("notify", url) for url in urls), webhooks=webhooks)
    assert (caught.value.code, caught.value.status) == (code, 422)
    assert "pw" not in caught.value.detail


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [(";", ";"), (",", ","), ("|", "|"), ("\t", "\t"), ("tab", "\t"), ("TAB", "\t"), ("^", "^"),
     ("semicolon", ";"), ("pipe", "|"), ("comma", ",")],
)  # fmt: skip
def test_parse_delimiter(text, delimiter):
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ";;", '"', "\n", "a", "tabs", "é", " "])
def test_parse_delimiter_rejects(text):
    with pytest.raises(ProblemError) as caught:
        parse_delimiter(text)
    assert caught.value.code == "delimiter_invalid"


def test_parse_mapping_splits_at_the_last_colon():
    mapping = parse_mapping(["Nom:name", "a:b:email"])
    assert mapping == (("Nom", "name"), ("a:b", "email"))


def test_a_field_may_have_several_columns():
    mapping = parse_mapping(["E-Mail 2:email", "E-Mail 1:email"])
    assert mapping == (("E-Mail 2", "email"), ("E-Mail 1", "email"))


@pytest.mark.parametrize(
    "texts",
    [[""], ["Nom"], [":name"], ["Nom:"], ["Nom:phone"], ["a:name", "a:name"],
     ["a:name", "b:first_name"]],
)  # fmt: skip
def test_parse_mapping_rejects(texts):
    with pytest.raises(ProblemError) as caught:
        parse_mapping(texts)
    assert caught.value.code == "mapping_invalid"


@pytest.mark.parametrize(
    ("query", "charset", "encoding"),
    [
        ("", None, None),
        ("", " ", None),
        ("", "Latin1", "windows-1252"),
        ("?encoding=cp1252", "utf-8", "windows-1252"),
        ("?encoding=UTF-8", None, "utf-8"),
    ],
)
def test_the_encoding_is_that_of_the_option_or_of_the_content_type(query, charset, encoding):
    checked = values(query=query).check(Kind.CSV, charset=charset, webhooks=OFF)
    assert checked.reading.encoding == encoding


def test_header_email_and_name_can_be_none():
    reading = options(query="?header=none&email=none&name=none").reading
    assert (reading.has_header, reading.no_email, reading.no_name) == (False, True, True)
    reading = options().reading
    assert (reading.has_header, reading.no_email, reading.no_name) == (None, False, False)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?encoding=klingon", "encoding_invalid"),
        ("?encoding=", "encoding_invalid"),
        ("?encoding=utf-8&encoding=utf-8", "encoding_invalid"),
        ("?header=yes", "header_invalid"),
        ("?header=none&header=none", "header_invalid"),
        ("?email=Courriel", "email_option_invalid"),
        ("?email=none&email=none", "email_option_invalid"),
        ("?email=", "email_option_invalid"),
        ("?name=Nom", "name_option_invalid"),
        ("?name=none&name=none", "name_option_invalid"),
    ],
)
def test_an_invalid_reading_option_is_rejected(query, code):
    with pytest.raises(ProblemError) as caught:
        options(query=query)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("reading", "code"),
    [
        (ReadingOptions(delimiter=";"), "delimiter_invalid"),
        (ReadingOptions(has_header=False), "header_invalid"),
    ],
)
def test_some_options_are_for_csv_alone(kind, reading, code):
    if kind is Kind.CSV:
        check_applicable(reading, kind)
        return
    with pytest.raises(ProblemError) as caught:
        check_applicable(reading, kind)
    assert caught.value.code == code


def test_keep_is_a_time_in_seconds_and_compared():
    assert options().keep is None
    assert options(query="?keep=90d").keep == options(("keep", "2160h")).keep == 7_776_000
    assert values(query="?keep=90d").compared() == ["keep=90d"]


@pytest.mark.parametrize(
    "query", ["?keep=", "?keep=90", "?keep=0m", "?keep=36501d", "?keep=1w", "?keep=1d&keep=1d"]
)
def test_an_invalid_keep_is_rejected(query):
    with pytest.raises(ProblemError) as caught:
        options(query=query)
    assert (caught.value.code, caught.value.status) == ("keep_invalid", 422)

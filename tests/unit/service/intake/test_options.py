"""What a request asks for beside its contacts, as clients write it and as they should not."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from core.errors import MalformedInputError
from service.intake.options import GivenOptions, Options
from service.problems import ProblemError

UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def options(*keys: str, query: str = "") -> Options:
    headers = CIMultiDict([("Idempotency-Key", key) for key in keys])
    request = make_mocked_request("POST", f"/import{query}", headers=headers)
    return Options.of(request, GivenOptions(request.query))


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (f'"{UUID}"', UUID),
        (UUID, UUID),
        (f"  {UUID} ", UUID),
        ('"a"', "a"),
        ('"a,b;c=d"', "a,b;c=d"),
        (r'"a\"b\\c"', r"a\"b\c".replace("\\", "", 1)),
        ("a=b/c+d:e", "a=b/c+d:e"),
        ('"' + "x" * 255 + '"', "x" * 255),
        ("x" * 255, "x" * 255),
        ('"' + r"\\" * 255 + '"', "\\" * 255),
    ],
)
def test_keys_that_are_taken(header, key):
    assert options(header).key == key


@pytest.mark.parametrize(
    "header",
    [
        "", '""', '"a', 'a"', '"a"b', '"a" "b"', '"a", "b"', "a, b", "a,b", '"a";x=1', "a;x=1",
        "a b", '"a b"', r'"\a"', "a\\b", "é", '"é"', "a\tb", '"a\x7f"', "x" * 256,
        '"' + "x" * 256 + '"',
    ],
)  # fmt: skip
def test_keys_that_are_none(header):
    with pytest.raises(ProblemError) as caught:
        options(header)
    assert caught.value.code == "idempotency_key_invalid"


def test_two_keys_are_none():
    with pytest.raises(ProblemError) as caught:
        options("a", "a")
    assert caught.value.code == "idempotency_key_invalid"


@pytest.mark.parametrize(
    ("query", "dry"), [("", False), ("?dryRun=false", False), ("?dryRun=true&source=s", True)]
)
def test_a_dry_run_is_asked_for_in_the_address(query, dry):
    assert options(query=query).dry_run is dry


@pytest.mark.parametrize(
    "query", ["?dryRun=", "?dryRun", "?dryRun=1", "?dryRun=True", "?dryRun=true&dryRun=true"]
)
def test_what_is_neither_true_nor_false(query):
    with pytest.raises(ProblemError) as caught:
        options(query=query)
    assert caught.value.code == "dry_run_invalid"


@pytest.mark.parametrize(
    ("query", "headers", "asked"),
    [
        ("?source=s&dryRun=true", {}, ("", "")),
        (
            "?map=b:name&delimiter=;&map=a:name",
            {},
            ("delimiter=;", "map=a:name", "map=b:name", "", ""),
        ),
        ("", {"Content-Type": "text/csv; charset=utf-16"}, ("utf-16", "")),
        ("", {"Content-Encoding": "gzip"}, ("", "gzip")),
    ],
)
def test_all_else_that_is_asked_for(query, headers, asked):
    request = make_mocked_request("POST", f"/import{query}", headers=headers)
    assert Options.of(request, GivenOptions(request.query)).asked == asked


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
def test_an_unknown_option_is_refused_with_what_may_be_meant(name, meant):
    with pytest.raises(MalformedInputError) as caught:
        options(query=f"?source=s&{name}=true")
    assert caught.value.code == "unknown_option"
    assert (f'Did you mean "{meant}"?' in caught.value.detail) == (meant is not None)
    assert "source, dryRun, delimiter, map, notify" in caught.value.detail
    assert len(caught.value.detail) < 200


def given(*pairs: tuple[str, str], query: str = "") -> GivenOptions:
    found = GivenOptions(make_mocked_request("POST", f"/import{query}").query)
    for name, value in pairs:
        found.add(name, value)
    return found


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("?source=a&source=a", []),
        ("?source=a", [("source", "a")]),
        ("", [("source", "a"), ("source", "b")]),
    ],
)
def test_a_source_is_given_once(query, pairs):
    with pytest.raises(ProblemError) as caught:
        given(*pairs, query=query).source()
    assert caught.value.code == "duplicate_key"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("?dryRun=true", [("dryRun", "true")]),
        ("", [("dryRun", "true")] * 2),
        ("", [("dryRun", "")]),
    ],
)
def test_a_dry_run_is_asked_for_once(query, pairs):
    with pytest.raises(ProblemError) as caught:
        given(*pairs, query=query).dry_run()
    assert caught.value.code == "dry_run_invalid"


def test_it_does_not_matter_where_an_option_is_given():
    pairs = [("map", "b:name"), ("delimiter", ";"), ("map", "a:email"), ("dryRun", "true")]
    in_form = given(*pairs, ("source", "s"))
    in_address = given(query="?dryRun=true&map=a:email&delimiter=;&source=s&map=b:name")
    in_both = given(*pairs[:2], query="?dryRun=true&source=s&map=a:email")
    for found in (in_form, in_address, in_both):
        assert (found.source(), found.dry_run()) == ("s", True)
        assert found.told_apart() == ["delimiter=;", "map=a:email", "map=b:name"]

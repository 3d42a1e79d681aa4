"""decide_reading: the first bytes and the options decide how a text is read."""

import pytest

from core.errors import MalformedInputError
from core.reading.options import ReadingOptions
from core.reading.sniffing import Kind
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.media_types import kind_of_file, kind_of_type
from service.intake.options import ImportOptions
from service.intake.reading import Reading, decide_reading
from service.intake.request import ImportRequest
from service.problems import ProblemError
from tests.support.splits import Outcome, pieces_of, run

NAMED = ImportOptions("s")
LIMITS = Limits(2**30, 2**20, 50)
CSV = b"name,email\nAda,ada@example.com\n"
LINES = b'{"name":"Ada"}\n{"name":"Bob"}\n'
ARRAY = b'[{"name":"Ada"},{"name":"Bob"}]'
BODY = b'{"source":"s","data":[{"name":"Ada"},{"name":"Bob"}]}'
USERS = b'{"users":[{"name":"Ada"},{"name":"Bob"}]}'


def reading_of(text: bytes, kind: Kind | None, *, is_file: bool = True) -> Reading:
    return decide_reading(ImportRequest(kind, NAMED, is_file=is_file), Sample.of(text))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (CSV, Kind.CSV),
        (LINES, Kind.NDJSON),
        (ARRAY, Kind.JSON_ARRAY),
        (BODY, Kind.JSON_ENVELOPE),
        (USERS, Kind.JSON_ENVELOPE),
        (LINES.replace(b"\n", b",\n"), Kind.JSON_SEQUENCE),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_content_decides_if_the_type_says_nothing(text, kind, encoding):
    """Nor if it is that of a spreadsheet, or of text."""
    raw = text.decode().encode(encoding)
    assert reading_of(raw, None).kind is kind
    assert reading_of(raw, Kind.CSV).kind is kind
    outcome = run(reading_of(raw, None).splitter(LIMITS), pieces_of(raw, 7))
    assert isinstance(outcome, Outcome)
    assert outcome.split.records == (1 if kind is Kind.CSV else 2)


@pytest.mark.parametrize(
    ("text", "named", "kind"),
    [
        (LINES, Kind.JSON_ARRAY, Kind.NDJSON),
        (BODY, Kind.JSON_ARRAY, Kind.JSON_ENVELOPE),
        (ARRAY, Kind.JSON_ENVELOPE, Kind.JSON_ARRAY),
        (ARRAY, Kind.NDJSON, Kind.JSON_ARRAY),
        (CSV, Kind.JSON_ARRAY, Kind.JSON_ARRAY),
        (CSV, Kind.NDJSON, Kind.NDJSON),
        (b"", Kind.NDJSON, Kind.NDJSON),
    ],
)
def test_json_of_one_kind_may_be_named_as_another(text, named, kind):
    assert reading_of(text, named).kind is kind


@pytest.mark.parametrize("named", [None, Kind.CSV, Kind.JSON_ARRAY])
def test_another_format_is_refused_whatever_its_name_is(named):
    for text in (b"%PDF-1.7", b"PK\x03\x04", b"<html><body>"):
        with pytest.raises(MalformedInputError) as caught:
            reading_of(text, named)
        assert caught.value.code == "unsupported_file"


@pytest.mark.parametrize("text", [CSV, LINES, ARRAY])
def test_a_body_without_a_source_is_rejected_before_it_is_stored(text):
    request = ImportRequest(None, ImportOptions())
    with pytest.raises(ProblemError) as caught:
        decide_reading(request, Sample.of(text))
    assert caught.value.code == "source_missing"
    decide_reading(request, Sample.of(text), needs_source=False)
    decide_reading(ImportRequest(None, ImportOptions(), is_file=True), Sample.of(text))


def test_options_that_do_not_apply_to_the_content_are_rejected():
    options = ImportOptions("s", reading=ReadingOptions(delimiter=";"))
    with pytest.raises(ProblemError) as caught:
        decide_reading(ImportRequest(None, options), Sample.of(ARRAY))
    assert caught.value.code == "delimiter_invalid"


def test_only_a_file_can_be_a_single_record():
    text = b'{"name":"Ada","email":"ada@example.com"}'
    assert reading_of(text, Kind.JSON_ARRAY).kind is Kind.JSON_SEQUENCE
    assert reading_of(text, Kind.JSON_ENVELOPE, is_file=False).kind is Kind.JSON_ENVELOPE


@pytest.mark.parametrize(
    ("media_type", "suffix", "kind"),
    [
        ("", ".csv", Kind.CSV),
        ("application/vnd.ms-excel", ".CSV", Kind.CSV),
        ("application/octet-stream", ".tsv", Kind.CSV),
        ("text/tab-separated-values", "", Kind.CSV),
        ("text/plain", ".txt", None),
        ("application/json", ".csv", Kind.JSON_ARRAY),
        ("", ".json", Kind.JSON_ARRAY),
        ("application/hal+json", "", Kind.JSON_ARRAY),
        ("", ".jsonl", Kind.NDJSON),
        ("", ".xlsx", None),
    ],
)
def test_kind_of_file(media_type, suffix, kind):
    assert kind_of_file(media_type, suffix) is kind


def test_kind_of_type():
    assert kind_of_type("application/json") is Kind.JSON_ENVELOPE
    assert kind_of_type("text/csv") is Kind.CSV
    assert kind_of_type("application/jsonl") is Kind.NDJSON
    assert kind_of_type("text/plain") is None

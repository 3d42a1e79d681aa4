"""What a record becomes depends on that record alone, and never on those around it."""

import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.formats.base import RecordRun
from core.formats.csv_dialect import CsvDialect
from core.reading.plan import FieldPlaces, ReadingPlan
from core.records.classify import classify
from core.records.models import Candidates, Contact
from core.records.parsing import parser_for
from core.records.validation import validate
from core.states import Format
from tests.support.resource_usage import seconds

HEADER = ("Name", "First", "Last", "Email", "Other", "Note")
ROW_PLACES = [
    FieldPlaces(name=(0,), email=(3,)),
    FieldPlaces(first_name=(1,), last_name=(2,), email=(3,)),
    FieldPlaces(name=(0,), first_name=(1,), last_name=(2,), email=(3, 4)),
    FieldPlaces(name=(0, 5), email=(4, 3)),
    FieldPlaces(last_name=(2,), email=(3,)),
    FieldPlaces(name=(0,)),
    FieldPlaces(email=(3, 4, 5)),
]
OBJECT_PLACES = [
    FieldPlaces(name=(("name",),), email=(("email",),)),
    FieldPlaces(name=(("p", "name"),), email=(("p", "c", "email"), ("email",))),
    FieldPlaces(
        name=(("name",), ("full",)),
        first_name=(("name", "first"),),
        last_name=(("name", "last"),),
        email=(("email",), ("p", "email")),
    ),
    FieldPlaces(first_name=(("p", "first"),), last_name=(("p", "last"),), email=(("email",),)),
]

CELLS = [
    *("Ada", "Ada King", "Null", "NULL", "\\N", "n/a", "", " ", "Total", "Total: 3", "3 records"),
    *("Søren", "JÃ¼rgen", "J?rgen", "\u201cAda\u201d", '"Ada"', '="Ada"', "'Ada", "Name", "name"),
    *(
        "EUR",
        "5",
        "-",
        'and left"',
        'a "b" c',
        "x\ny",
        "Ada\nEve,a@b.co,c@d.co,x,y,z",
        "a|b",
        "a |",
    ),
    *("a@b.co", "c@d.co", "A@B.CO", " a@b.co", "'a@b.co", "mailto:a@b.co", "Ada <a@b.co>", "Email"),
    *("a@b.co; c@d.co", "nope", "nope@", "N/A", "a" * 70 + "@b.co", "a" * 1001, "a\0", "\u200bAda"),
    *("a@b.co\nc@d.co", "\ud800", "b" * 600, "=1", "'=1", "First", "Last", "Grand total", "Lines"),
]
cells = st.sampled_from(CELLS)
PLAIN_ROWS = [
    ["Ada", "Ada", "King", "a@b.co", "", ""],
    ["", "Eve", "Ma", "e@b.co", "", "x"],
    ["Mia", "", "", "", "", ""],
]
EXAMPLES = [
    ["Total", "", "", "", "", ""],
    ["Total", "", "", "5", "", ""],
    ["'Ada", "", "", "'a@b.co", "", ""],
    ["", "", "", "Ada L <a@b.co>", "", ""],
    ["Name", "First", "Last", "Email", "Other", "Note"],
]


def changed(row, cells_by_position):
    """A row in which some cells are others."""
    return [cells_by_position.get(at, cell) for at, cell in enumerate(row)]


changed_rows = st.builds(
    changed, st.sampled_from(PLAIN_ROWS), st.dictionaries(st.integers(0, 5), cells, max_size=2)
)
rows = st.lists(
    changed_rows | changed_rows | st.lists(cells, min_size=1, max_size=7), min_size=1, max_size=8
)
values = (
    cells
    | st.none()
    | st.integers()
    | st.booleans()
    | st.lists(cells | st.dictionaries(st.sampled_from(["value", "x"]), cells), max_size=2)
    | st.dictionaries(st.sampled_from(["first", "last", "value", "x", "givenName"]), cells)
)
inner = st.dictionaries(
    st.sampled_from(["name", "email", "first", "last", "c"]),
    values | st.dictionaries(st.just("email"), values),
)
PLAIN_OBJECTS = [
    {"name": "Ada", "email": "a@b.co", "p": {"name": "Eve", "c": {"email": "e@b.co"}}},
    {"email": "a@b.co", "p": {"first": "Ada", "last": "King"}},
    {"full": "Ada", "name": {"first": "Ada", "last": "King"}},
]
changed_objects = st.builds(
    lambda record, p, changes: {**record, "p": {**record.get("p", {}), **p}, **changes},
    st.sampled_from(PLAIN_OBJECTS),
    st.dictionaries(st.sampled_from(["first", "last", "name"]), cells, max_size=1),
    st.dictionaries(st.sampled_from(["name", "full", "email", "p"]), values | inner, max_size=1),
)
objects = st.lists(
    changed_objects
    | st.dictionaries(st.sampled_from(["name", "full", "email", "p"]), values | inner | cells)
    | values,
    min_size=1,
    max_size=8,
)


def outcome_alone(parser, record):
    """What the slow way makes of a record."""
    found = parser.candidates(record)
    if isinstance(found, Candidates):
        found = validate(found, family_name_first=parser.family_name_first)
    if isinstance(found, Contact):
        return found.name, found.email, list(found.warnings)
    return found.code


def outcomes_together(parser, run):
    """What is made of each record of a run."""
    result = classify(run, 1, parser)
    found = [[name, email, []] for name, email in zip(result.names, result.emails, strict=True)]
    for number, code in result.warnings:
        found[number - 1][2].append(code)
    outcomes = [tuple(each) for each in found]
    for rejected in result.rejected:
        assert outcomes[rejected.record - 1] == ("", "", [])
        outcomes[rejected.record - 1] = rejected.reason.code
    for number, code in result.skipped:
        assert outcomes[number - 1] == ("", "", [])
        outcomes[number - 1] = code
    assert result.contacts == sum(isinstance(each, tuple) for each in outcomes)
    return outcomes


def assert_same(format_, plan, data):
    parser = parser_for(format_, plan, 0)
    runs = [run for run in [*parser.scanner.feed(data), *parser.scanner.close()] if run.records]
    for run in runs:
        alone = [outcome_alone(parser, record) for record in run.records]
        assert outcomes_together(parser, run) == alone
        halves = len(run.records) // 2
        assert (
            outcomes_together(parser, RecordRun(0, run.raw, 0, run.records[halves:]))
            == (alone[halves:])
        )


@settings(max_examples=400)
@given(
    rows,
    st.sampled_from(ROW_PLACES),
    st.booleans(),
    st.booleans(),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]),
    st.sampled_from(["\n", "\r\n"]),
)
@example(EXAMPLES, ROW_PLACES[0], False, True, csv.QUOTE_ALL, "\n")
@example(
    [["x", "", "", "a@b.co", "", "Ada\nEve,a,b,c@d.co,e,f"]], ROW_PLACES[0], False, True, 1, "\n"
)
def test_a_row_is_read_in_a_run_as_it_is_alone(table, places, last_first, header, quoting, end):
    out = io.StringIO(newline="")
    if quoting == csv.QUOTE_NONE:
        out.write("".join(",".join(row) + end for row in table))
    else:
        csv.writer(out, lineterminator=end, quoting=quoting).writerows(table)
    plan = ReadingPlan(
        places=places,
        csv=CsvDialect(),
        columns=6,
        header=HEADER,
        has_header=header,
        family_name_first=last_first,
    )
    data = out.getvalue().encode("utf-8", "replace")
    if data.count(b'"') % 2 == 0:
        assert_same(Format.CSV, plan, data)


@settings(max_examples=400)
@given(objects, st.sampled_from(OBJECT_PLACES), st.booleans(), st.booleans())
def test_an_object_is_read_in_a_run_as_it_is_alone(records, places, last_first, lines):
    plan = ReadingPlan(places=places, family_name_first=last_first)
    texts = [json.dumps(record) for record in records]
    if lines:
        assert_same(Format.NDJSON, plan, "\n".join(texts).encode())
    else:
        assert_same(Format.JSON, plan, ",".join(texts).encode())


def csv_outcomes(text, places=ROW_PLACES[0], header=HEADER):
    plan = ReadingPlan(places=places, csv=CsvDialect(), columns=len(header), header=header)
    parser = parser_for(Format.CSV, plan, 0)
    runs = [*parser.scanner.feed(text.encode()), *parser.scanner.close()]
    return [each for run in runs for each in outcomes_together(parser, run)]


THREE = ("name", "note", "email")
THREE_PLACES = FieldPlaces(name=(0,), email=(2,))


def test_a_quote_that_was_left_open_is_seen_in_a_row_of_the_right_length():
    text = 'Ada,"left open\nEve,note,e@x.org\nBob,""",a@x.org\nMia,x,m@x.org\n'
    assert csv_outcomes(text, THREE_PLACES, THREE) == [
        "unclosed_quote",
        ("Mia", "m@x.org", []),
    ]


def test_the_rest_of_a_broken_row_is_no_person():
    text = 'Ada,x,a@x.org\nand left"\nEve,x,e@x.org\n'
    assert csv_outcomes(text, THREE_PLACES, THREE) == [
        ("Ada", "a@x.org", []),
        "wrong_field_count",
        ("Eve", "e@x.org", []),
    ]


def test_fields_that_are_told_by_irregular_quotes_are_reported():
    text = '"Ada "A" King",x,a@x.org\n"Bob" Lind,x,b@x.org\n"Eve ""E""",x,e@x.org\n'
    assert csv_outcomes(text, THREE_PLACES, THREE) == [
        ('Ada "A" King', "a@x.org", ["quotes_guessed"]),
        ('"Bob" Lind', "b@x.org", ["quotes_guessed"]),
        ('Eve "E"', "e@x.org", []),
    ]


def test_half_a_row_is_reported_in_a_file_without_addresses():
    places, header = FieldPlaces(name=(0,)), ("name", "note", "phone")
    assert csv_outcomes("Ada,he came\nand left,123\nEve,x,1\n", places, header) == [
        ("Ada", "", ["cells_missing"]),
        ("and left", "", ["cells_missing"]),
        ("Eve", "", []),
    ]


def test_half_a_row_without_an_address_is_reported():
    places, header = FieldPlaces(name=(0,), email=(1,)), ("name", "email", "note", "phone")
    assert csv_outcomes("Ada,a@x.org,he came\nand left,,x\nEve,,,\n", places, header) == [
        ("Ada", "a@x.org", []),
        ("and left", "", ["cells_missing"]),
        ("Eve", "", []),
    ]


def test_a_row_that_ends_before_its_address_is_reported():
    text = "Ada,he came\nand left,a@x.org\nEve\nBob,x,b@x.org\n"
    assert csv_outcomes(text, THREE_PLACES, THREE) == [
        ("Ada", "", ["cells_missing"]),
        "wrong_field_count",
        ("Eve", "", ["cells_missing"]),
        ("Bob", "b@x.org", []),
    ]


def test_a_row_without_unimportant_cells_is_a_contact():
    header = ("name", "email", "note", "other")
    assert csv_outcomes("Ada,a@x.org\n", FieldPlaces(name=(0,), email=(1,)), header) == [
        ("Ada", "a@x.org", [])
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"x": "Ada"}, "name_not_text"),
        ({"value": None}, ("", "a@b.co", [])),
        ({}, ("", "a@b.co", [])),
        ({"givenName": "Ada", "familyName": "King"}, ("Ada King", "a@b.co", [])),
        ({"first": "Ada", "last": "King"}, ("Ada King", "a@b.co", [])),
        ({"given": ["Ada", "A."], "family": "King"}, ("Ada A. King", "a@b.co", [])),
        ({"firstName": "Ada"}, ("Ada", "a@b.co", [])),
        ({"firstName": {"x": 1}}, "name_not_text"),
        ({"displayName": "Ada K", "givenName": "Ada"}, ("Ada K", "a@b.co", [])),
        ([{"x": "Ada"}], "name_not_text"),
        ([["Ada"]], "name_not_text"),
    ],
)
def test_a_name_that_is_an_object_is_read_or_rejected(name, expected):
    plan = ReadingPlan(places=OBJECT_PLACES[0])
    data = json.dumps({"name": name, "email": "a@b.co"}).encode()
    parser = parser_for(Format.JSON, plan, 0)
    [run] = [run for run in [*parser.scanner.feed(data), *parser.scanner.close()] if run.records]
    assert outcomes_together(parser, run) == [expected]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ({"x": "a@b.co"}, "email_not_text"),
        ({"value": "a@b.co", "verified": False}, ("Ada", "a@b.co", [])),
        ({"value": None, "verified": False}, ("Ada", "", [])),
        ([{"x": 1}, "a@b.co"], ("Ada", "a@b.co", ["address_dropped"])),
    ],
)
def test_an_email_that_is_an_object_is_read_or_rejected(email, expected):
    plan = ReadingPlan(places=OBJECT_PLACES[0])
    data = json.dumps({"name": "Ada", "email": email}).encode()
    parser = parser_for(Format.JSON, plan, 0)
    [run] = [run for run in [*parser.scanner.feed(data), *parser.scanner.close()] if run.records]
    assert outcomes_together(parser, run) == [expected]


def test_null_in_place_of_a_wrapper_leaves_its_neighbours_alone():
    plan = ReadingPlan(places=OBJECT_PLACES[1])
    data = b'{"p":{"name":"Ada","c":{"email":"a@b.co"}}},{"p":null},{"email":"e@b.co"}'
    assert_same(Format.JSON, plan, data)


def test_rows_without_a_record_are_skipped():
    assert csv_outcomes(
        "Name,First,Last,Email,Other,Note\nTotal,,,,,5\nAda,,,a@b.co,,\n,,,,,\n"
    ) == [
        "repeated_header",
        "footer",
        ("Ada", "a@b.co", []),
        "blank_row",
    ]


@pytest.mark.parametrize("unit", ["a.", "a@", "@", "a@a.", ".", "a" * 30 + "@", "\n", "a@a.a(\n"])
@pytest.mark.parametrize("end", ["", "(", "@"])
def test_a_hostile_row_takes_linear_time(unit, end):
    cell = "a@" + unit * (3000 // len(unit)) + end
    row = ",".join([f'"{cell}"'] * 300)
    assert seconds(lambda: csv_outcomes(f"{row}\n", THREE_PLACES, THREE)) < 5
    assert seconds(lambda: csv_outcomes(f'"{cell}","{cell}",\n' * 300, THREE_PLACES, THREE)) < 5

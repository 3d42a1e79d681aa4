"""Plans of CSV files: where the header is, how it is divided, and which columns hold what."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.csv_dialect import CsvDialect
from core.reading.options import ReadingOptions
from core.reading.plan import Certainty, Field
from core.reading.tables import plan_csv

DETECT = ReadingOptions()


def plan(text: str, options: ReadingOptions = DETECT, *, complete: bool = True):
    return plan_csv(text, options, complete=complete)


def names(text: str) -> dict[str, list[str]]:
    """The names of the columns of each field."""
    found = plan(text)
    return {
        field.value: [found.header[place] for place in found.places.of(field)]
        for field in Field
        if found.places.of(field)
    }


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Name*,E-Mail:", "Ada L,a@b.co", {"name": ["Name*"], "email": ["E-Mail:"]}),
        (
            "Vorname;Name;E-Mail",
            "Ada;Lovelace;a@b.co",
            {"first_name": ["Vorname"], "last_name": ["Name"], "email": ["E-Mail"]},
        ),
        (
            "Name,Last name,Email",
            "Ada,Lovelace,a@b.co",
            {"first_name": ["Name"], "last_name": ["Last name"], "email": ["Email"]},
        ),
        (
            "First name,Name,Email",
            "Ada,Ada Lovelace,a@b.co",
            {"name": ["Name"], "first_name": ["First name"], "email": ["Email"]},
        ),
        (
            "Billing First Name,Billing Last Name,Billing Email,Shipping First Name",
            "Ada,Lovelace,a@b.co,Eve",
            {
                "first_name": ["Billing First Name"],
                "last_name": ["Billing Last Name"],
                "email": ["Billing Email"],
            },
        ),
        ("Attendee Name,Attendee Email,Buyer Name,Buyer Email", "Ada L,a@b.co,Eve,e@b.co",
         {"name": ["Attendee Name"], "email": ["Attendee Email"]}),
        ("Company,Contact,Name,Mail,Email", "Acme,phone,Ada L,yes,a@b.co",
         {"name": ["Name"], "email": ["Email"]}),
        ("E-mail Type,E-mail Display Name,E-mail Address", "SMTP,Ada (a@b.co),a@b.co",
         {"email": ["E-mail Address"]}),
        ("Name,Secondary email,Email 1", "Ada L,,a@b.co",
         {"name": ["Name"], "email": ["Email 1", "Secondary email"]}),
        ("Last active,Name,Email", "2024,Ada L,a@b.co", {"name": ["Name"], "email": ["Email"]}),
        ("Nom;Prénom;Courriel", "Lovelace;Ada;a@b.co",
         {"first_name": ["Prénom"], "last_name": ["Nom"], "email": ["Courriel"]}),
        ("ФИО;Почта", "Ада Лавлейс;a@b.co", {"name": ["ФИО"], "email": ["Почта"]}),
        ("姓名,邮箱", "艾达,a@b.co", {"name": ["姓名"], "email": ["邮箱"]}),
    ],
)  # fmt: skip
def test_columns_are_found_by_their_names_and_values(header, row, expected):
    assert names(f"{header}\n{row}\n") == expected


@pytest.mark.parametrize("header", ["Vezetéknév;Keresztnév", "姓,名", "성,이름"])
def test_family_names_come_first_in_some_languages(header):
    assert plan(f"{header},Email\nA,B,c@d.co\n".replace(";", ",")).family_name_first


def test_a_column_of_addresses_without_a_known_name_is_taken_and_reported():
    found = plan("Person Name,Kontakt 7\nAda L,a@b.co\nEve M,e@b.co\n")
    assert found.places.email == (1,)
    assert found.certainty[Field.EMAIL] is Certainty.GUESSED
    assert [warning.code for warning in found.warnings] == ["column_guessed"]


def test_addresses_of_nobody_known_are_a_question():
    text = "Manager e-mail,Assistant e-mail\na@b.co,c@d.co\n"
    with pytest.raises(MalformedInputError) as caught:
        plan(text)
    assert caught.value.code == "email_column_unclear"
    assert [column["map"] for column in caught.value.extra["columns"]] == [
        "Manager e-mail", "Assistant e-mail",
    ]  # fmt: skip
    mapped = plan(text, ReadingOptions(mapping=(("Assistant e-mail", Field.EMAIL),)))
    assert mapped.places.email == (1,)


def test_without_e_mail_addresses_are_left_alone():
    found = plan("Name,Manager e-mail\nAda L,a@b.co\n", ReadingOptions(no_email=True))
    assert (found.places.name, found.places.email, found.warnings) == ((0,), (), ())


def test_unused_addresses_are_reported():
    found = plan("Email,Manager e-mail\na@b.co,c@d.co\n")
    assert [(each.code, each.names) for each in found.warnings] == [
        ("addresses_unused", ("Manager e-mail",))
    ]


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("Customers as of May;;\n;;\n", 2),
        ("Name:;Spring list;\nDate:;2024;\n", 2),
        ("#TYPE Selected.User\n", 1),
        ("\n\nNotes:\n\"long; text, with\nlines\"\n\n", 2),
    ],
)  # fmt: skip
def test_rows_above_the_header_are_skipped_and_reported(above, skipped):
    found = plan(f"{above}No.;Name;E-Mail\n1;Ada L;a@b.co\n2;Eve M;e@b.co\n")
    assert (found.skipped_rows, found.header) == (skipped, ("No.", "Name", "E-Mail"))
    assert [(each.code, each.count) for each in found.warnings] == [("rows_above_header", skipped)]


def test_no_header_is_below_a_person():
    text = "Ada L,a@b.co\nName,Email\nEve M,e@b.co\n"
    with pytest.raises(MalformedInputError) as caught:
        plan(text)
    assert caught.value.code == "csv_header_unusable"
    assert "header=none&map=2:email&map=1:name" in caught.value.detail


def test_without_a_header_columns_have_numbers():
    options = ReadingOptions(has_header=False, mapping=(("1", Field.NAME), ("2", Field.EMAIL)))
    found = plan("Ada L;a@b.co\nEve M;e@b.co\n", options)
    assert (found.places.name, found.places.email, found.has_header) == ((0,), (1,), False)
    assert (found.skipped_rows, found.csv.delimiter) == (0, ";")
    with pytest.raises(MalformedInputError, match="from 1 to 2"):
        plan("Ada L;a@b.co\n", ReadingOptions(has_header=False, mapping=(("3", Field.EMAIL),)))


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("'name','email'\n'Ada','a@b.co'\n", CsvDialect(quote="'")),
        ('name, email\nAda, "a@b.co"\n', CsvDialect(skip_initial_space=True)),
        ('name,email\n"A \\"x\\" B","a@b.co"\n', CsvDialect(backslash_escapes=True)),
        ('"name"\t"email"\n"Ada\\"\t"a@b.co"\n', CsvDialect(delimiter="\t")),
        ("name~email\nAda~a@b.co\n", CsvDialect(delimiter="~")),
        ("sep=|\nname|email\nAda|a@b.co\n", CsvDialect(delimiter="|")),
    ],
)
def test_the_dialect_is_detected(text, dialect):
    assert plan(text).csv == dialect


@pytest.mark.parametrize(
    "text", ['sep="\nname,email\nAda,a@b.co\n', "sep=x\nname,email\nAda,a@b.co\n"]
)
def test_a_first_line_names_no_impossible_delimiter(text):
    assert plan(text).csv == CsvDialect()


def test_a_delimiter_is_never_a_quote():
    options = ReadingOptions(delimiter="'")
    assert plan("'name','email'\n'Ada','a@b.co'\n", options).csv.quote == '"'


cells = st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"), max_size=12)
rows = st.lists(st.tuples(cells, st.emails().map(str.lower)), max_size=20)


@given(rows)
def test_a_plain_file_is_read_as_it_is(records):
    text = StringIO(newline="")
    csv.writer(text).writerows([("name", "email"), *records])
    found = plan(text.getvalue())
    assert (found.places.name, found.places.email) == ((0,), (1,))
    assert (found.skipped_rows, found.warnings, found.columns) == (0, (), 2)
    assert found.csv.delimiter == ","
    assert set(found.certainty.values()) == {Certainty.SURE}


@given(st.text(max_size=300), st.booleans())
def test_any_text_has_a_plan_or_a_problem(text, complete):
    problems = {"csv_header_unusable", "email_column_unclear"}
    assert outcome(text, complete=complete) in {None, *problems}


def outcome(text: str, *, complete: bool) -> str | None:
    """The code of the problem of a text, None if it has a plan."""
    try:
        assert plan(text, complete=complete).places.used
    except MalformedInputError as error:
        return error.code
    return None


def test_our_own_columns_of_a_file_of_rejections_are_no_fields():
    text = "record,code,message,hint,Name,E-Mail\n2,email_invalid,m,a@gmail.com,Ada,a@gmial\n"
    assert names(text) == {"name": ["Name"], "email": ["E-Mail"]}

"""Where the header is, also if it has two rows."""

import pytest

from core.reading.header_row import find_header
from core.reading.options import ReadingOptions
from core.reading.tables import plan_csv

ADA = ["1", "Ada King", "ada.king@example.com"]


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (
            [
                "Respondent ID,What is your name?,What is your email?",
                ",Open-Ended Response,Response",
            ],
            ["Respondent ID", "What is your name?", "What is your email?"],
        ),
        (
            ["Respondent ID,Email Address,Please enter your name,", ",,First name,Last name"],
            ["Respondent ID", "Email Address", "First name", "Last name"],
        ),
        (
            ["Buyer,,Attendee,", "Name,Email,Name,Email"],
            ["Buyer Name", "Buyer Email", "Attendee Name", "Attendee Email"],
        ),
        (
            [",Person 1,,Person 2,", "No,Name,E-Mail,Name,E-Mail"],
            ["No", "Person 1 Name", "Person 1 E-Mail", "Person 2 Name", "Person 2 E-Mail"],
        ),
        (
            ["Company,,Contact,", "Name,City,Name,Email"],
            ["Company Name", "City", "Name", "Email"],
        ),
    ],
)
def test_two_rows_are_one_header(rows, names):
    header = find_header([*(row.split(",") for row in rows), ADA], set())
    assert (header.at, header.first, list(header.names)) == (1, 0, names)


@pytest.mark.parametrize(
    "rows",
    [
        ["Name,City,Email", "Price,,"],
        ["First Name,Last Name,Email", "Mail,Contact,"],
        ["Name,Email,Phone", "Ada King,ada@example.com,"],
        ["Name,Company,Email", "Grace Hopper,Acme,"],
    ],
)
def test_a_person_below_the_header_is_no_part_of_it(rows):
    rows = [row.split(",") for row in rows]
    header = find_header([*rows, ADA], set())
    assert (header.at, header.names) == (0, rows[0])


def test_rows_above_a_header_with_the_same_name_twice_are_reported():
    text = "Exported by:,Max,\nDate:,2024,\nName,Email,Email\nAda King,ada@example.com,\n"
    found = plan_csv(text, ReadingOptions(), complete=True)
    assert (found.header, found.skipped_rows) == (("Name", "Email", "Email"), 2)
    assert [(each.code, each.count) for each in found.warnings] == [("rows_above_header", 2)]


def test_a_header_of_two_rows_is_skipped_whole():
    text = "ID,Name,Your address,\n,,Email,Phone\n1,Ada King,ada@example.com,2\n"
    found = plan_csv(text, ReadingOptions(), complete=True)
    assert (found.header, found.skipped_rows) == (("ID", "Name", "Email", "Phone"), 1)

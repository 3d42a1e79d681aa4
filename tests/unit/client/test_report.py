"""What the command prints: results, previews, questions, and texts that are harmless."""

from typing import Any

import pytest
from contacts_import.errors import RequestRejectedError
from contacts_import.report import format_preview, format_result, warning_lines
from contacts_import.text import printable, shortened, table

JOB = "import-019305f2-3b4c-7d5e-8f60-718293a4b5c6"


def job(state: str, **more: Any) -> dict[str, Any]:
    counts = {"records": 3, "imported": 2, "rejected": 1, "notProcessed": 0}
    return {"jobId": JOB, "state": state, **counts, **more}


def warning(code: str, count: int, **more: Any) -> dict[str, Any]:
    return {"code": code, "message": "Look.", "count": count, "records": [], "names": [], **more}


def column(name: str, *samples: str, **more: Any) -> dict[str, Any]:
    unused = {"field": None, "certainty": None}
    return {"name": name, "map": name, "samples": list(samples), **unused, **more}


def test_result_of_a_failed_dry_run():
    failure = {"code": "x", "detail": "It broke.", "advice": "Try again."}
    assert format_result(job("failed", failure=failure, dryRun=True)).splitlines() == [
        f"{JOB}: failed (only checked: nothing was imported)",
        "3 records = 2 imported + 1 rejected + 0 not processed",
        "Reason: It broke.",
        "Try again.",
    ]


def test_result_lists_rejections_skipped_rows_and_warnings():
    found = job(
        "completed",
        rejectedByCode={"email_invalid": 1, "wrong_field_count": 2},
        skipped=3,
        skippedByCode={"footer": 1, "blank_row": 2},
        warnings=[warning("address_repaired", 1, records=[2])],
    )
    assert format_result(found).splitlines()[1:] == [
        "3 records = 2 imported + 1 rejected + 3 skipped + 0 not processed",
        "  2 wrong_field_count",
        "  1 email_invalid",
        "  2 blank_row (skipped)",
        "  1 footer (skipped)",
        "Warnings:",
        "  1 address_repaired: record 2",
        "    Look.",
    ]


def test_warnings_name_records_and_columns():
    warnings = [
        warning("further_addresses", 1234, records=[1, 2, 30]),
        warning("addresses_unused", 2, names=["Owner", "Boss\x1b[1m"]),
        warning("encoding_guessed", 1),
    ]
    assert warning_lines(warnings)[1::2] == [
        "  1,234 further_addresses: records 1, 2, 30, ...",
        '  2 addresses_unused: "Owner", "Boss\ufffd[1m"',
        "  1 encoding_guessed",
    ]
    assert warning_lines([]) == []


DETECTED = {
    "encoding": "windows-1250",
    "guessed": True,
    "sample": "Łódź",
    "delimiter": "\t",
    "header": ["Name", "E-Mail"],
    "skippedRows": 1,
}
PREVIEW = {
    "format": "csv",
    "detected": DETECTED,
    "complete": True,
    "columns": [
        column("Name", "氏名", "Ada", field="name", certainty="sure"),
        column("E-Mail", "ada@example.com", map="2"),
    ],
    "records": [
        {"record": 1, "outcome": "imported", "name": "氏名", "email": "", "warnings": ["a", "b"]},
        {
            "record": 2,
            "outcome": "rejected",
            "name": "",
            "email": "",
            "warnings": [],
            "code": "email_invalid",
            "message": "It is not valid.",
            "content": {"Name": "Eve", "E-Mail": "eve"},
        },
    ],
    "warnings": [warning("rows_above_header", 1)],
}


def test_preview_shows_columns_and_records_under_each_other():
    assert format_preview(PREVIEW).splitlines() == [
        "Format:     csv",
        "Encoding:   windows-1250 (guessed)",
        "            reads as: Łódź",
        "Delimiter:  tab",
        "Header:     2 columns, below 1 skipped row",
        "",
        "  column  imported as  how sure  samples",
        "  Name    name         sure      氏名 | Ada",
        "  E-Mail  -                      ada@example.com",
        "",
        "  record  outcome   name  email  remarks",
        "  1       imported  氏名         a, b",
        "  2       rejected               email_invalid: Eve | eve",
        "",
        "email_invalid: It is not valid.",
        "",
        "Warnings:",
        "  1 rows_above_header",
        "    Look.",
        "",
        "The whole file was looked at. Nothing was imported.",
    ]


def test_preview_of_a_part_of_json_has_no_delimiter():
    found = format_preview(
        {**PREVIEW, "detected": {"encoding": "utf-8"}, "complete": False, "warnings": []}
    )
    assert "Delimiter" not in found
    assert "Only the beginning was read." in found
    assert "Warnings" not in found


def test_preview_without_header_shows_numbers():
    detected = {**DETECTED, "header": ["", ""], "skippedRows": 0}
    columns = [column("", "Ada", map="1")]
    found = format_preview({**PREVIEW, "detected": detected, "columns": columns}).splitlines()
    assert "Header:     none" in found
    assert any(line.startswith("  1       -") for line in found)


def lines_of(code: str, **extra: Any) -> list[str]:
    problem = {"title": "Unclear", "detail": "Why.", "code": code, **extra}
    return str(RequestRejectedError(422, problem)).splitlines()


def test_uncertain_encoding_is_asked_with_samples():
    encodings = [
        {"encoding": "windows-1250", "sample": "Łódź"},
        {"encoding": "koi8-r", "sample": "Ж\u202e\x07"},
    ]
    assert lines_of("encoding_uncertain", encodings=encodings) == [
        "Unclear. Why.",
        "Add the one with which the text reads right:",
        "  --encoding windows-1250  Łódź",
        "  --encoding koi8-r        Ж\ufffd",
    ]


def test_unclear_email_column_is_asked_with_options_to_copy():
    columns = [column("Name", "Ada"), column("Boss's mail", "a@x.example", "b@x.example")]
    assert lines_of("email_column_unclear", columns=columns)[1:] == [
        "Add one of these:",
        """  --map 'Boss'"'"'s mail:email'  a@x.example | b@x.example""",
        "  --email none                   import without addresses",
    ]


def test_unclear_name_column_is_asked_with_options_to_copy():
    columns = [column("Mail", "a@x.example"), column("Wer", "Ada King"), column("Nr", "17")]
    assert lines_of("name_column_unclear", columns=columns)[1:] == [
        "Add one of these:",
        "  --map Wer:name  Ada King",
        "  --name none     import without names",
    ]


def test_unusable_header_is_asked_with_the_columns_that_may_be_right():
    columns = [
        column("Wer", "Ada", "Eve"),
        column("Wohin", "a@x.example"),
        column("Nr", "17"),
        column("Leer"),
    ]
    assert lines_of("csv_header_unusable", columns=columns)[1:] == [
        "Add those that are right:",
        "  --map Wer:name     Ada | Eve",
        "  --map Wohin:email  a@x.example",
    ]


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (["1", "ada@x.example", "Ada King"], "  --header none --map 2:email --map 3:name"),
        (["ada@x.example"], "  --header none --map 1:email"),
    ],
)
def test_first_row_that_is_a_contact_is_asked_about(names, option):
    columns = [column(name, "Eve") for name in names]
    assert lines_of("csv_header_unusable", columns=columns)[2:] == [option]


@pytest.mark.parametrize("code", ["csv_header_unusable", "records_ambiguous", "malformed_json"])
def test_a_problem_without_choices_is_one_line(code):
    assert lines_of(code) == ["Unclear. Why."]


def test_printable_leaves_nothing_that_controls_a_terminal():
    text = "a\x1b]0;t\x07\r\nb\u202ec\u200d\ud800d\x9b\x00 \u3000e"
    assert printable(text) == "a\ufffd]0;t\ufffd bc\ufffdd\ufffd\ufffd e"


@pytest.mark.parametrize(
    ("text", "expected"), [("abcd", "abcd"), ("abcde", "abc…"), ("氏名氏", "氏…"), ("é́é́é́é́", "é́é́é́é́")]
)
def test_shortened_counts_positions_of_the_terminal(text, expected):
    assert shortened(text, 4) == expected


def test_table_aligns_by_width():
    assert table([("氏", "x"), ("abc", "y")]) == ["氏   x", "abc  y"]

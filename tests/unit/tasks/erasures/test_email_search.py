import json

import pytest

from tasks.erasures.email_search import EmailSearch

ADA = EmailSearch("ada@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com",
        "Ada;ADA@Example.com;London",
        '{"email": "ada@example.com"}',
        "Ada <ada@example.com>, other@example.com",
        "mailto:ada@example.com?subject=x",
        "Write to 'ada@example.com'.",
        "ada@example.com.",
        '{"email": "ada\\u0040example.com"}',
        '{"note": "Mail:\\nada@example.com',
        '{"note": "\\ud83d\\ude00ada@example.com"}',
        "C:\\ada@example.com",
        "x.ada@example.com ada@example.com",
    ],
)
def test_an_address_is_found_however_the_record_is_written(text):
    assert ADA.is_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x.ada@example.com",
        "canada@example.com",
        "ada+news@example.com",
        "-ada@example.com",
        "ada@example.com.au",
        "ada@example.community",
        "ada@example.com-pany.org",
        "ada@@example.com",
        "ada@example\\u002ecom.au",
    ],
)
def test_another_address_is_not_taken_for_it(text):
    assert not ADA.is_in(text)


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize(
    "text", ["zoë@bücher.example", "ZOË@Bücher.example", "zoe\u0308@bücher.example"]
)
def test_letters_outside_ascii_match_in_any_form(text, ensure_ascii):
    search = EmailSearch("zoë@bücher.example")
    assert search.is_in(json.dumps({"E-Mail": text}, ensure_ascii=ensure_ascii))
    assert not search.is_in(json.dumps({"E-Mail": f"x{text}"}, ensure_ascii=ensure_ascii))

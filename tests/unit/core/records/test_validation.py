import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.emails import unusual_emails
from core.records.models import Candidates, Contact
from core.records.plain import unusual_names
from core.records.rejection_reasons import Reason
from core.records.validation import validate, with_address


def validate_contact(name, email):
    """Name and e-mail of a record with one value each, or the reason why it is no contact."""
    contact = validate(Candidates(names=(name,), emails=(email,)))
    return contact if isinstance(contact, Reason) else contact[:2]


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("Ada", None, ("Ada", "")),
        (None, "ada@example.com", ("", "ada@example.com")),
        ("  Ada \t", "\n ada@example.com ", ("Ada", "ada@example.com")),
        ("\u00a0Ada\u2003", "", ("Ada", "")),
        ("", "a@b.co", ("", "a@b.co")),
        ("   ", "a@b.co", ("", "a@b.co")),
        ("a" * 1000, None, ("a" * 1000, "")),
        (" " + "a" * 1000 + " ", None, ("a" * 1000, "")),
        ("\x01", None, ("\x01", "")),
        ("🙂", None, ("🙂", "")),
        ("Ada", "ADA@Example.COM", ("Ada", "ADA@example.com")),
        ("Ada", "o'neil+x@sub.example.co.uk", ("Ada", "o'neil+x@sub.example.co.uk")),
        ("Ada", "a..b@example.com", ("Ada", "a..b@example.com")),  # WHATWG lets it pass
        ("Ada", "jörg@example.com", ("Ada", "jörg@example.com")),
        ("Ada", "jo\u0308rg@example.com", ("Ada", "jörg@example.com")),  # NFC
        ("Ada", "ada@BÜCHER.example.com", ("Ada", "ada@bücher.example.com")),
        ("Ada", "用户@例子.广告", ("Ada", "用户@例子.广告")),
    ],
)
def test_what_is_valid_is_normalised(name, email, expected):
    assert validate_contact(name, email) == expected


@pytest.mark.parametrize(
    ("name", "email", "code"),
    [
        (None, None, "no_name_and_no_email"),
        ("  ", "\t", "no_name_and_no_email"),
        (1.5, "a@b.co", "name_not_text"),
        (True, "a@b.co", "name_not_text"),
        (["Ada"], None, "name_not_text"),
        ("Ada", {}, "email_not_text"),
        (1, 1, "email_not_text"),
        ("a" * 1001, "nope", "name_too_long"),
        ("a\0b", None, "unstorable_text"),
        ("\ud800", None, "unstorable_text"),
        ("Ada", "a\0@example.com", "unstorable_text"),
        ("Ada", "\udfff@example.com", "unstorable_text"),
        ("Ada", "a" * 309 + "@example.com", "email_too_long"),
        ("Ada", "nope", "email_invalid"),
        ("Ada", "ada@localhost", "email_invalid"),
        ("Ada", "ada@example.com or so", "email_invalid"),
        ("Ada", "Ada <ada@example.com> bob", "email_invalid"),
        ("Ada", "@example.com", "email_invalid"),
        ("Ada", "ada@", "email_invalid"),
        ("Ada", "ada@-example.com", "email_invalid"),
        ("Ada", "ada@example..com", "email_invalid"),
        ("Ada", "ada@[127.0.0.1]", "email_invalid"),
        ("Ada", f"ada@{'a' * 64}.com", "email_invalid"),
    ],
)
def test_what_is_not_valid_has_a_reason(name, email, code):
    reason = validate_contact(name, email)
    assert isinstance(reason, Reason)
    assert reason.code == code
    assert reason.message.endswith((".", ";"))


def test_an_address_of_320_characters_is_not_too_long():
    email = "a" * 308 + "@example.com"
    assert validate_contact(None, email) == ("", email)


values = st.none() | st.text() | st.emails() | st.integers() | st.text(st.characters(codec=None))


@given(values, values)
def test_a_contact_can_always_be_stored(name, email):
    contact = validate_contact(name, email)
    if isinstance(contact, Reason):
        return
    assert any(contact)
    for text in filter(None, contact):
        assert "\0" not in text.encode().decode()
        assert text == text.strip()


@given(st.emails(), st.text(max_size=20))
def test_validating_twice_changes_nothing(email, name):
    once = validate_contact(name, email)
    if isinstance(once, Reason):
        return
    assert validate_contact(*once) == once


@given(st.text(max_size=20), st.emails() | st.text(alphabet="a@b.; <>'\n", max_size=20))
def test_with_address_agrees_with_validate(name, email):
    if unusual_names([name]) or (found := with_address(name, email)) is None:
        return
    assert found == validate(Candidates((name,), emails=(email,)))


@pytest.mark.parametrize(
    ("name", "email"), [("", "mailto:a@b.co"), ("Ada", "N/A"), ("'Ada", "'a@b.co"), ("Ada", "")]
)
def test_with_address_leaves_to_others_what_takes_the_whole_record(name, email):
    assert with_address(name, email) is None


@pytest.mark.parametrize("email", ["mailto:a@b.co", " a@b.co", "Ada <a@B.co>", "a@b.co; c@d.co"])
def test_with_address_reads_what_is_decorated(email):
    found = with_address("Ada", email)
    assert isinstance(found, Contact)
    assert found[:2] == ("Ada", "a@b.co")
    assert unusual_emails([email]) == {0}

"""Checking many addresses at once agrees with checking one, and with a hand-written check."""

import string

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, example, given
from hypothesis import strategies as st

from core.emails import MAX_EMAIL, is_plain_email, normalised_email, unusual_emails
from tests.support.resource_usage import MIB, most_memory, seconds

LOCAL = frozenset(string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-")
LABEL = frozenset(string.ascii_lowercase + string.digits + "-")
LONGEST = 64


def is_plain(email: str) -> bool:
    """The rule of the HTML standard, without a regular expression."""
    local, at, domain = email.partition("@")
    labels = domain.split(".")
    return email == "" or (
        len(email) <= LONGEST
        and at == "@"
        and bool(local)
        and set(local) <= LOCAL
        and len(labels) >= 2
        and all(label and set(label) <= LABEL for label in labels)
        and not any(label.startswith("-") or label.endswith("-") for label in labels)
    )


WRONG = [
    "b@", "a@x.", "a@ex-.de", "@b.de", "a@.de", "a@b", "a@b..de", "a@b.-de", "a@-b.de", "a@b.de-",
    "a@b.de.", "a@b-.c.de", "a@b.c-.de", "a@b.c.de-", "a@b.c.d..de", "a@@b.de", "a@b@c.de",
    "a b@c.de", "a@b_c.de", "a@B.de", "a@b.dE", "a@b.c.D", "a@bé.de", "é@b.de", "a@b.de ", "a", "-",
    ".", "@", "@.", "a@b.de\n", "\na@b.de", "a@b.de\n\na@b.de", "a@b.de\r", "a" * 59 + "@bc.de",
]  # fmt: skip
RIGHT = [
    "", "a@b.de", "a@b-c.de", "a@b--c.de", "a@xn--b-ga.de", "a@b.c.de", "a@b.c-d.de",
    "a@b-c.d-e.f--g.h", "-@0.0", ".@b.de", "a..b@c.de", "A.B-c+d!#$%&'*/=?^_`{|}~@e.f",
    "a@b.c.d.e.f.g", "a" * 58 + "@bc.de",
]  # fmt: skip


@pytest.mark.parametrize("email", WRONG)
def test_unusual_emails_finds_an_address_that_is_not_plain_anywhere(email):
    assert not is_plain(email)
    for at in range(len(RIGHT) + 1):
        assert unusual_emails([*RIGHT[:at], email, *RIGHT[at:]]) == {at}


@pytest.mark.parametrize("email", RIGHT)
def test_unusual_emails_leaves_out_each_kind_of_plain_address(email):
    assert is_plain(email)
    assert unusual_emails([email]) == set()


def test_unusual_emails_leaves_out_all_kinds_together():
    assert unusual_emails(RIGHT) == set()
    assert unusual_emails(RIGHT * 400) == set()


characters = st.text(alphabet="ab0-.@A!\n é", max_size=12)
parts = st.sampled_from(["a", "0", "-", "--", ".", "@", "b.de", "x-y", "A", "\n", " ", "é", "~"])
emails = characters | st.lists(parts, max_size=10).map("".join) | st.sampled_from(RIGHT)


@given(st.lists(emails, min_size=1, max_size=6))
@example(["b@"])
@example(["a@ex-.de"])
@example(["a@x."])
@example(["a@b.de\na@b.de"])
def test_unusual_emails_agrees_with_a_hand_written_check(addresses):
    unusual = {at for at, address in enumerate(addresses) if not is_plain(address)}
    assert unusual_emails(addresses) == unusual


@given(st.lists(emails, min_size=1, max_size=6))
def test_plain_emails_are_normalised_already(addresses):
    if not unusual_emails(addresses):
        assert [normalised_email(email) for email in filter(None, addresses)] == [
            email for email in addresses if email
        ]


HOSTILE = [
    "a@", "1-1-1-", "a@a.", "a@-", "a.a@a.a-", "-", ".", "@", "\n", "a@b.de\n", "a@b.c-", "a",
    "a@b.c.",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_addresses_take_linear_time_and_memory(unit):
    short = ("x@y.z" + unit * LONGEST)[:LONGEST].replace("\n", "")
    many = ["a@" + "b." * 30 + "d", *[short] * 20_000]
    for addresses in ([unit * (MIB // len(unit))], many, [*RIGHT, *many]):
        assert seconds(lambda found=addresses: unusual_emails(found)) < 2
        assert most_memory(lambda found=addresses: unusual_emails(found)) < 8 * MIB


SPECIALS = st.text("ab1AB.@-_+\"'[]() <>,:;\\\t!#%xn", max_size=30)


@given(st.builds("{}@{}".format, SPECIALS, SPECIALS) | SPECIALS | st.emails())
@example('"a b"@c.de')
@example("a@[127.0.0.1]")
@example("a@b")
@example("a(comment)@b.de")
def test_every_valid_ascii_address_is_plain(email):
    """So only other addresses need the full check, which is slow."""
    assume(email.isascii() and len(email) <= MAX_EMAIL)
    if normalised_email(email) is None:
        with pytest.raises(EmailNotValidError):
            validate_email(email, check_deliverability=False)


@given(SPECIALS | st.emails() | st.from_regex(r"[a-z]{1,3}@[a-z-]{1,4}(\.[a-z-]{1,70}){1,3}"))
def test_is_plain_email_matches_what_normalised_email_leaves_unchanged(email):
    if is_plain_email(email):
        assert normalised_email(email) == email
    elif email.isascii() and normalised_email(email) == email:
        raise AssertionError("it is plain as well")


LABELS = st.text("abZ1-éßüÜиЯ日ａ\u200d\u0301", max_size=8) | st.sampled_from(
    ["xn--bcher-kva", "é" * 60]
)
LOCALS = st.text("abA1.+'é", max_size=6) | st.sampled_from(
    ["Postmaster", "INFO", "x" * 240, "x" * 64]
)


@given(LOCALS, st.lists(LABELS, min_size=1, max_size=4).map(".".join))
@example("x" * 240, "é.example.com")
@example("Info", "É.example.com")
@example("a", "bücher.example")
@example("é", "xn--bcher-kva.example")
@example("é", "1.1")
@example("é", "ab--cd.example")
@example("é" * 126, "a.example")
def test_international_addresses_are_those_of_email_validator(local, domain):
    """Also where only the domain is checked, and not for the first time."""
    email = f"{local}@{domain}"
    assume(not email.isascii() and len(email) <= MAX_EMAIL)
    try:
        expected = validate_email(email, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        expected = None
    assert [normalised_email(email), normalised_email(email)] == [expected, expected]

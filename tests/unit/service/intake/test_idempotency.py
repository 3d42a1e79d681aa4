"""The Idempotency-Key header."""

import pytest

from service.intake.idempotency import parse_idempotency_key
from service.problems import ProblemError

UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def test_without_a_header_there_is_no_idempotency_key():
    assert parse_idempotency_key([]) is None


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
def test_parse_idempotency_key(header, key):
    assert parse_idempotency_key([header]) == key


@pytest.mark.parametrize(
    "header",
    [
        "", '""', '"a', 'a"', '"a"b', '"a" "b"', '"a", "b"', "a, b", "a,b", '"a";x=1', "a;x=1",
        "a b", '"a b"', r'"\a"', "a\\b", "é", '"é"', "a\tb", '"a\x7f"', "x" * 256,
        '"' + "x" * 256 + '"',
    ],
)  # fmt: skip
def test_malformed_idempotency_keys_are_rejected(header):
    with pytest.raises(ProblemError) as caught:
        parse_idempotency_key([header])
    assert caught.value.code == "idempotency_key_invalid"


def test_several_idempotency_keys_are_rejected():
    with pytest.raises(ProblemError) as caught:
        parse_idempotency_key(["a", "a"])
    assert caught.value.code == "idempotency_key_invalid"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.encoding import Utf8Validator, check_encoding


def first_invalid(data, cuts=()):
    """Where the first wrong character begins in all of the pieces; None if none does."""
    check, start = Utf8Validator(), 0
    for end in [*sorted(cut for cut in cuts if cut <= len(data)), len(data)]:
        wrong = check.first_invalid(data[start:end])
        if wrong is not None:
            return start + wrong
        start = end
    return len(data) - check.pending if check.pending else None


def as_python_finds(data):
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


cut_places = st.lists(st.integers(0, 40), max_size=6)
pieces = st.lists(st.binary(max_size=4) | st.text(max_size=4).map(str.encode), max_size=8).map(
    b"".join
)


@given(st.text(max_size=20), cut_places)
def test_utf8_validator_accepts_text_wherever_it_is_cut(text, cuts):
    assert first_invalid(text.encode(), cuts) is None


@given(pieces, cut_places)
def test_utf8_validator_finds_the_first_invalid_character_wherever_it_is_cut(data, cuts):
    assert first_invalid(data, cuts) == as_python_finds(data)


@pytest.mark.parametrize(
    "wrong",
    [b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xe2\x28\xa1"],
    ids=["continuation", "overlong", "surrogate", "beyond", "never", "broken"],
)
def test_utf8_validator_rejects_forbidden_bytes(wrong):
    for cut in range(len(wrong) + 1):
        assert first_invalid(b"ab" + wrong + b"cd", [2 + cut]) == 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["\ufeff[{}]", "[{}]", "name"], ids=["mark", "JSON", "CSV"])
def test_check_encoding_rejects_utf16_and_utf32(encoding, text):
    with pytest.raises(MalformedInputError, match=encoding[:6].upper()) as error:
        check_encoding(text.encode(encoding)[:4])
    assert error.value.code == "wrong_encoding"


@pytest.mark.parametrize(
    "head", [b"", b"[", b"\xef\xbb\xbf[", b'{"a"', b"name", b"\0", b"a\0b", b"a\0bc"]
)
def test_check_encoding_accepts_utf8(head):
    check_encoding(head)


@pytest.mark.parametrize(
    ("head", "name"), [(b"\x1f\x8b\x08\0", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")]
)
def test_check_encoding_rejects_compressed_bodies(head, name):
    with pytest.raises(MalformedInputError, match=name) as error:
        check_encoding(head)
    assert error.value.code == "wrong_encoding"

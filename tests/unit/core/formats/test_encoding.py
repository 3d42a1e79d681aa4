import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.encoding import Utf8Validator, check_not_compressed, detect_encoding


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


ENCODINGS = {
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be",
    "utf-32-le": "utf-32le",
    "utf-32-be": "utf-32be",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["[{}]", "name"], ids=["JSON", "CSV"])
def test_utf16_and_utf32_are_detected(encoding, text):
    name, width = ENCODINGS[encoding], len("a".encode(encoding))
    assert detect_encoding(text.encode(encoding)[:4]) == (name, 0)
    assert detect_encoding(f"\ufeff{text}".encode(encoding)[:4]) == (name, width)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        *((head, (None, 0)) for head in (b"", b"[", b'{"a"', b"name", b"\0", b"a\0b", b"a\0bc")),
        (b"\xef\xbb\xbf[", ("utf-8", 3)),
    ],
)
def test_no_other_encoding_is_detected(head, found):
    assert detect_encoding(head) == found


@pytest.mark.parametrize(
    ("head", "name"), [(b"\x1f\x8b\x08\0", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")]
)
def test_compressed_bodies_are_rejected(head, name):
    with pytest.raises(MalformedInputError, match=name) as error:
        check_not_compressed(head)
    assert error.value.code == "wrong_encoding"

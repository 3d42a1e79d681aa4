"""Any of the encodings that spreadsheets write, as UTF-8; and what is refused as a mere guess."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from service.splitting.dialect import UTF_8, UTF_16, UTF_16_BE, UTF_16_LE, WINDOWS_1252

from core.errors import MalformedInputError
from service.splitting.transcoding import Transcoder
from tests.support import splits

MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\0\0\xfe\xff")
LETTERS = 'ab,;\n"éßŽ€“”ÃÄ\u00a0»'


def read(pieces: list[bytes], charset: str | None = None) -> tuple[bytes, bool, str]:
    """The text, whether something behind it is none, and what it was taken for."""
    transcoder, text = Transcoder(charset), b""
    for number, piece in enumerate([*pieces, b""], 1):
        more, wrong = transcoder.read(piece, final=number > len(pieces))
        text += more
        if wrong:
            return text, True, transcoder.encoding
    return text, False, transcoder.encoding


def same_for_all(raw: bytes, charset: str | None = None) -> tuple[bytes, bool, str]:
    outcomes = [read(pieces, charset) for pieces in splits.chunkings(raw)]
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    return outcomes[0]


@given(data=st.data(), raw=st.binary(max_size=40) | st.text(LETTERS + "😀").map(str.encode))
@example(data=None, raw=b"abcd\xc3")
@example(data=None, raw=b"abcd\xe9\xc3\xa9")
@example(data=None, raw=b"abcd\xe9\xc3")
def test_transcoder_has_one_result_in_any_pieces(data, raw):
    assume(not raw.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", *MARKS)))
    for charset in (None, UTF_8, UTF_16_LE, UTF_16_BE, WINDOWS_1252):
        whole = same_for_all(raw, charset)
        if data is not None:
            assert read(data.draw(splits.cuts(raw)), charset) == whole


@given(st.text(min_size=2))
def test_utf8_passes_unchanged(text):
    assume("\0" not in text and text[0] != "\ufeff")
    raw = text.encode()
    assert same_for_all(raw) == (raw, False, UTF_8)


@given(st.text(LETTERS, min_size=4))
def test_windows_1252_is_detected_or_rejected_and_never_corrupted(text):
    raw = text.encode("cp1252")
    found, wrong, encoding = same_for_all(raw)
    if text.isascii():
        assert (found, wrong, encoding) == (raw, False, UTF_8)
    elif encoding == WINDOWS_1252:
        assert text.encode().startswith(found)
        assert wrong == (found != text.encode())
    else:  # its first other character looks like UTF-8, and may be that
        assert found == raw
    assert same_for_all(raw, WINDOWS_1252) == (text.encode(), False, WINDOWS_1252)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"name\nZo\xeb\n", "name\nZoë\n"),
        (b"name\nJos\xe9,\x80 5\n", "name\nJosé,€ 5\n"),
        (b"name\nM\xfcller\nS\xe3o\n", "name\nMüller\nSão\n"),
        (b"name\n\xe9\xe9\xe9\n", "name\nééé\n"),
        (b"na\xffme", "naÿme"),
        (b"caf\xe9\xa0\n", "café\u00a0\n"),
    ],
)
def test_certain_windows_1252_is_decoded(raw, text):
    assert same_for_all(raw) == (text.encode(), False, WINDOWS_1252)


@pytest.mark.parametrize(
    ("raw", "before"),
    [
        (b"name\nZo\xeb\nZo\xc3\xab\n", "name\nZoë\nZo"),
        (b"name\n\xe9\n\xed\xa0\x80", "name\né\n"),
        (b"name\n\xe9\x81\n", "name\né"),
        (b"name\n\xe9 \x9d", "name\né "),
    ],
    ids=["mixed", "mixed with half a pair", "undefined", "undefined at the end"],
)
def test_uncertain_windows_1252_is_invalid(raw, before):
    assert same_for_all(raw) == (before.encode(), True, WINDOWS_1252)


@pytest.mark.parametrize("raw", [b"name\nZo\xc3\xab \xeb\n", b"name\nZo\xc3", b"name\n\xe2\x82"])
def test_text_that_looks_like_utf8_is_left_to_the_utf8_check(raw):
    assert same_for_all(raw) == (raw, False, UTF_8)


@given(st.text(LETTERS + "😀", min_size=2), st.sampled_from([UTF_16_LE, UTF_16_BE]))
def test_utf16_with_a_byte_order_mark(text, encoding):
    raw = ("\ufeff" + text).encode(encoding)
    assert same_for_all(raw) == (text.encode(), False, encoding)
    assert same_for_all(raw, UTF_16) == (text.encode(), False, encoding)


@pytest.mark.parametrize("encoding", [UTF_16_LE, UTF_16_BE])
@pytest.mark.parametrize("named", [False, True])
def test_utf16_without_a_byte_order_mark(encoding, named):
    text = "name\nŽoë😀"
    raw = text.encode(encoding)
    assert same_for_all(raw, encoding if named else None) == (text.encode(), False, encoding)
    assert same_for_all(raw, UTF_16) == (text.encode(), False, encoding)


@pytest.mark.parametrize("end", ["\ud800", "\udc00x", "\ud83d\ud83d"])
def test_half_a_surrogate_pair_in_utf16_is_invalid(end):
    raw = ("\ufeffname" + end).encode(UTF_16_LE, "surrogatepass")
    assert same_for_all(raw) == (b"name", True, UTF_16_LE)


def test_an_odd_byte_in_utf16_is_invalid():
    assert same_for_all("\ufeffname".encode(UTF_16_LE) + b"x") == (b"name", True, UTF_16_LE)


@pytest.mark.parametrize(
    ("mark", "charset"),
    [
        (b"\xff\xfe", UTF_8), (b"\xfe\xff", UTF_16_LE), (b"\xff\xfe", WINDOWS_1252),
        (b"\xef\xbb\xbf", WINDOWS_1252), (b"\xef\xbb\xbf", UTF_16), (b"\xff\xfe\0\0", UTF_16),
    ],
)  # fmt: skip
def test_a_charset_that_the_byte_order_mark_contradicts_is_rejected(mark, charset):
    with pytest.raises(MalformedInputError) as caught:
        read([mark + b"ab"], charset)
    assert caught.value.code == "wrong_encoding"


@pytest.mark.parametrize("raw", [b"", b"a", b"\xef\xbb\xbf", b"\xef\xbb\xbfname\n"])
def test_short_texts_and_the_byte_order_mark_of_utf8_pass(raw):
    assert same_for_all(raw) == (raw, False, UTF_8)

"""Text of any encoding as UTF-8; a text that was only ASCII at first is decided about later."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.reading.encodings import UTF_8, WINDOWS_1252, EncodingChoice, choose_encoding
from service.splitting.transcoding import Transcoder
from tests.support import splits

LETTERS = 'ab,;\n"éßŽ€“”ÃÄ\u00a0»'
UNDECIDED = EncodingChoice(UTF_8, undecided=True)
Result = tuple[bytes, bool, str] | str


def read(choice: EncodingChoice, pieces: list[bytes]) -> Result:
    """The text, whether something after it is invalid, and its encoding; or the error's code."""
    transcoder, text = Transcoder(choice), b""
    try:
        for number, piece in enumerate([*pieces, b""], 1):
            more, wrong = transcoder.read(piece, final=number > len(pieces))
            text += more
            if wrong:
                return text, True, transcoder.encoding
    except MalformedInputError as error:
        return error.code
    return text, False, transcoder.encoding


def same_for_all(choice: EncodingChoice, raw: bytes) -> Result:
    outcomes = [read(choice, pieces) for pieces in splits.chunkings(raw)]
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    return outcomes[0]


NAMED = [
    EncodingChoice(encoding)
    for encoding in (UTF_8, "utf-16le", "utf-16be", WINDOWS_1252, "cp932", "gb18030", "iso2022-jp")
]


@given(data=st.data(), raw=st.binary(max_size=40) | st.text(LETTERS + "😀").map(str.encode))
@example(data=None, raw=b"abcd\xc3")
@example(data=None, raw=b"abcd\xe9\xc3\xa9")
@example(data=None, raw=b"abcd\xe9\xc3")
def test_transcoder_has_one_result_in_any_pieces(data, raw):
    guessed = EncodingChoice(WINDOWS_1252, guessed=True)
    for choice in (UNDECIDED, guessed, *NAMED):
        whole = same_for_all(choice, raw)
        if data is not None:
            assert read(choice, data.draw(splits.cuts(raw))) == whole


@given(st.text(min_size=2))
def test_utf8_passes_unchanged(text):
    raw = text.encode()
    for choice in (UNDECIDED, EncodingChoice(UTF_8)):
        assert same_for_all(choice, raw) == (raw, False, UTF_8)


@given(st.text(LETTERS, min_size=4))
def test_windows_1252_is_detected_or_rejected_and_never_corrupted(text):
    raw = text.encode("cp1252")
    result = same_for_all(UNDECIDED, raw)
    if isinstance(result, tuple) and result[2] == WINDOWS_1252:
        found, wrong, _ = result
        assert text.encode().startswith(found)
        assert wrong == (found != text.encode())


@pytest.mark.parametrize(
    "encoding", ["utf-16le", "utf-16be", WINDOWS_1252, "cp932", "cp949", "gb18030", "koi8-r"]
)
def test_a_named_encoding_is_decoded(encoding):
    text = "name,email\n" + "Ä".encode(encoding, "ignore").decode(encoding) + "\n"
    assert same_for_all(EncodingChoice(encoding), text.encode(encoding)) == (
        text.encode(), False, encoding,
    )  # fmt: skip


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_a_mark_is_no_part_of_the_text(mark):
    encoding = "utf-16le" if mark == b"\xff\xfe" else "utf-16be"
    raw = mark + "name\n".encode(encoding)
    choice = choose_encoding(raw, None, complete=True)
    assert same_for_all(choice, raw) == (b"name\n", False, encoding)


@pytest.mark.parametrize("size", [1, 199, 5000, 70_000])
def test_a_late_foreign_letter_decides_about_the_encoding(size):
    """The word in which it is counts from its beginning, however the text is cut."""
    rows = b"name,email\n" + b"Ada,ada@example.com\n" * (size // 20)
    for text, encoding in ((b"J\xfcrgen,", WINDOWS_1252), ("Jürgen,".encode(), UTF_8)):
        raw = rows + text + b"x@example.com\n" * 6000
        wholes = {read(UNDECIDED, splits.pieces_of(raw, piece)) for piece in (7, 1000, 10**6)}
        assert wholes == {(raw.replace(b"\xfc", "ü".encode()), False, encoding)}


def test_a_late_name_that_reads_in_several_ways_is_a_question():
    raw = b"name,email\nAda,ada@example.com\n" + "Jan Kovač".encode("cp1250") + b",b@b.co\n"
    transcoder = Transcoder(UNDECIDED)
    with pytest.raises(MalformedInputError) as caught:
        transcoder.read(raw, final=True)
    assert caught.value.code == "encoding_uncertain"
    assert caught.value.extra["encodings"]


def test_the_guess_is_shown_with_a_sample():
    transcoder = Transcoder(UNDECIDED)
    transcoder.read(b"name\nJ\xfcrgen Gr\xfcnwald\n", final=True)
    assert transcoder.guessed
    assert "Jürgen" in transcoder.sample


def test_nothing_that_looks_like_utf8_is_in_a_guessed_text():
    choice = EncodingChoice(WINDOWS_1252, guessed=True)
    assert same_for_all(choice, b"Zo\xeb Zo\xc3\xab") == ("Zoë Zo".encode(), True, WINDOWS_1252)


def test_only_the_first_foreign_letter_decides():
    transcoder = Transcoder(UNDECIDED)
    assert not transcoder.may_decide(b"name\n")
    transcoder.read(b"name\n")
    assert transcoder.may_decide("Zoë".encode(WINDOWS_1252))
    transcoder.read("Zoë".encode(WINDOWS_1252))
    assert transcoder.may_decide(b"")  # it is held back until the end, or until there is more
    transcoder.read(b"\n", final=True)
    assert not transcoder.may_decide("Zoë".encode(WINDOWS_1252))
    assert not Transcoder(EncodingChoice(UTF_8)).may_decide("Zoë".encode())

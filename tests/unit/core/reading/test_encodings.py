"""The encoding of a text: named, marked, or decided by how it reads."""

import contextlib
import random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.encodings import (
    CODE_PAGE_OF_WESTERN,
    WESTERN,
    Headers,
    Outcome,
    languages,
    outcome,
)
from core.errors import MalformedInputError
from core.reading.encodings import canonical_encoding, choose_encoding
from core.reading.plan import SAMPLE_BYTES

BY_CODE = {language.code: language for language in languages()}
PLACES = [(code, page) for code, each in BY_CODE.items() for page in each.code_pages]


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("UTF-8", "utf-8"), (" latin1 ", "windows-1252"), ("ISO-8859-9", "windows-1254"),
        ("Shift_JIS", "cp932"), ("x-sjis", "cp932"), ("GBK", "gb18030"), ("no-such", None),
    ],
)  # fmt: skip
def test_labels_are_those_of_the_web(label, codec):
    assert canonical_encoding(label) == codec


@pytest.mark.parametrize(
    ("mark", "encoding", "size"),
    [("utf-8-sig", "utf-8", 0), ("utf-16", "utf-16le", 2), ("utf-32", "utf-32le", 4)],
)
def test_a_byte_order_mark_is_certain(mark, encoding, size):
    choice = choose_encoding("name\nZoë\n".encode(mark), None, complete=True)
    assert (choice.encoding, choice.mark_bytes, choice.guessed) == (encoding, size, False)


def test_a_mark_that_contradicts_the_named_encoding_is_an_error():
    with pytest.raises(MalformedInputError) as caught:
        choose_encoding("name\n".encode("utf-16"), "windows-1250", complete=True)
    assert caught.value.code == "wrong_encoding"


def test_a_named_encoding_is_not_doubted():
    data = "name\nЖёлтый\n".encode("windows-1251")
    assert choose_encoding(data, "windows-1252", complete=True).encoding == "windows-1252"


@pytest.mark.parametrize(("code", "page"), PLACES)
@pytest.mark.parametrize("headers", Headers)
def test_a_list_of_thirty_people_is_read_as_it_was_written(code, page, headers):
    text = BY_CODE[code].list_of(30, headers, random.Random(f"{code} {page} {headers}"))
    assert outcome(text, page) in {Outcome.RIGHT, None}


@pytest.mark.parametrize(("code", "page"), PLACES)
def test_a_list_of_three_people_is_hardly_ever_read_wrongly(code, page):
    found = [
        outcome(BY_CODE[code].list_of(3, headers, random.Random(seed)), page)
        for headers in Headers
        for seed in range(4)
    ]
    assert found.count(Outcome.WRONG) <= 2


@pytest.mark.parametrize("code", WESTERN)
def test_western_lists_are_neither_asked_for_nor_read_wrongly(code):
    for seed in range(12):
        for people in (4, 40):
            text = BY_CODE[code].list_of(people, Headers.WITH_CITY, random.Random(seed))
            assert outcome(text, CODE_PAGE_OF_WESTERN) in {Outcome.RIGHT, None}


def test_a_list_of_people_from_many_western_countries_is_read():
    rng = random.Random(7)
    rows = ["Name,Email"]
    for number in range(200):
        language = BY_CODE[rng.choice(WESTERN)]
        rows.append(f"{rng.choice(language.given)} {rng.choice(language.family)},p{number}@x.org")
    assert outcome("\r\n".join(rows), CODE_PAGE_OF_WESTERN) is Outcome.RIGHT


@pytest.mark.parametrize("name", ["Zoë", "Noël", "René", "Jürgen", "Åsa", "João", "Nicolò"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_western_name_at_the_end_is_read(name, end):
    """Its last letter is not half a character of another code page."""
    assert outcome(f"name\n{name}{end}", CODE_PAGE_OF_WESTERN) is Outcome.RIGHT


@pytest.mark.parametrize("text", ["Zoë", "Jürgen", "Café", "Señor", "O\u2019Brien René"])
def test_one_western_word_among_english_ones_is_read(text):
    data = f"Name,Email\nAda,a@x.org\n{text},b@x.org\n"
    assert outcome(data, CODE_PAGE_OF_WESTERN) is Outcome.RIGHT


def test_what_reads_in_several_ways_is_a_question_that_shows_them():
    data = "Name,Email\nJan Kovač,b@x.org\n".encode("windows-1250")
    with pytest.raises(MalformedInputError) as caught:
        choose_encoding(data, None, complete=True)
    assert caught.value.code == "encoding_uncertain"
    proposed = [(each["encoding"], each["sample"]) for each in caught.value.extra["encodings"]]
    assert ("windows-1250", "Kovač") in proposed
    assert ("windows-1252", "Kovaè") in proposed
    assert len({sample for _, sample in proposed}) == len(proposed) <= 5


@given(st.binary(min_size=1, max_size=400))
def test_any_bytes_have_an_encoding_or_are_a_question(data):
    with contextlib.suppress(MalformedInputError):
        assert choose_encoding(data, None, complete=True).encoding


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(0x80, 0x100)) * 512,
        b"\xe9 " * 32_768,
        b"\xe9" * 65_536,
        random.Random(1).randbytes(65_536),
        "".join(f"n{n}\u0161 " for n in range(9000)).encode("windows-1250"),
    ],
    ids=["all bytes", "many words", "one word", "random", "distinct words"],
)
def test_the_decision_takes_a_bounded_time(data):
    begun = process_time()
    with contextlib.suppress(MalformedInputError):
        choose_encoding(data[:SAMPLE_BYTES], None, complete=False)
    assert process_time() - begun < 2

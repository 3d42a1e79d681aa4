"""The encoding of a file: named, marked, or detected.

Names are the labels of the WHATWG (https://encoding.spec.whatwg.org/#names-and-labels), and those
of the code pages of DOS, which Excel still writes. A text without name and mark is UTF-8 if it can
be; else it is in the code page under which the names of its columns are known, else Windows-1252
if its words are possible in that. In any other case the client is asked: a guess would spoil names.
"""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from core.errors import MalformedInputError
from core.formats.encoding import detect_encoding
from core.reading.code_pages import CANDIDATES, Reading, readings
from core.reading.vocabulary import header_languages

UTF_8: Final = "utf-8"
WINDOWS_1252: Final = "windows-1252"

_LABELS: Final = {
    UTF_8: "utf8 utf-8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 us-ascii "
    "ascii",
    "utf-16": "utf16 utf-16",
    "utf-16le": "utf-16le utf16le csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff",
    "utf-16be": "utf-16be utf16be unicodefffe",
    "utf-32": "utf32 utf-32 ucs-4",
    "utf-32le": "utf-32le utf32le",
    "utf-32be": "utf-32be utf32be",
    # Latin-1 means Windows-1252, and Latin-5 and TIS-620 the Windows code pages, as on the web.
    WINDOWS_1252: "windows-1252 cp1252 x-cp1252 ansi iso-8859-1 iso8859-1 iso88591 iso_8859-1 "
    "latin1 latin-1 l1 cp819 ibm819 ansi_x3.4-1968 iso-ir-100",
    "windows-1250": "windows-1250 cp1250 x-cp1250",
    "windows-1251": "windows-1251 cp1251 x-cp1251",
    "windows-1253": "windows-1253 cp1253 x-cp1253",
    "windows-1254": "windows-1254 cp1254 x-cp1254 iso-8859-9 iso8859-9 iso88599 latin5 latin-5 l5",
    "windows-1255": "windows-1255 cp1255 x-cp1255",
    "windows-1256": "windows-1256 cp1256 x-cp1256",
    "windows-1257": "windows-1257 cp1257 x-cp1257",
    "windows-1258": "windows-1258 cp1258 x-cp1258",
    "cp874": "windows-874 cp874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 tis620",
    "iso8859-2": "iso-8859-2 iso8859-2 iso88592 iso_8859-2 latin2 latin-2 l2 "
    "csisolatin2 iso-ir-101",
    "iso8859-3": "iso-8859-3 iso8859-3 iso88593 latin3 latin-3 l3 csisolatin3",
    "iso8859-4": "iso-8859-4 iso8859-4 iso88594 latin4 latin-4 l4 csisolatin4",
    "iso8859-5": "iso-8859-5 iso8859-5 iso88595 cyrillic csisolatincyrillic",
    "iso8859-6": "iso-8859-6 iso8859-6 iso88596 arabic asmo-708 ecma-114",
    "iso8859-7": "iso-8859-7 iso8859-7 iso88597 greek greek8 elot_928 ecma-118 sun_eu_greek",
    "iso8859-8": "iso-8859-8 iso8859-8 iso88598 hebrew visual iso-8859-8-i logical csiso88598i",
    "iso8859-10": "iso-8859-10 iso8859-10 iso885910 latin6 latin-6 l6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "iso-8859-15 iso8859-15 iso885915 latin9 latin-9 l9 csisolatin9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "koi8-r koi8 koi koi8_r cskoi8r",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman mac-roman macroman csmacintosh",
    "mac-cyrillic": "x-mac-cyrillic mac-cyrillic x-mac-ukrainian",
    "cp866": "ibm866 cp866 866 csibm866",
    "cp437": "ibm437 cp437 437 dos",
    "cp850": "ibm850 cp850 850",
    "cp852": "ibm852 cp852 852",
    "cp855": "ibm855 cp855 855",
    "cp857": "ibm857 cp857 857",
    "cp858": "ibm858 ibm00858 cp858 858",
    "cp737": "ibm737 cp737 737",
    "cp775": "ibm775 cp775 775",
    "cp862": "ibm862 cp862 862",
    "gb18030": "gb18030 gbk x-gbk gb2312 gb_2312 gb_2312-80 csgb2312 chinese cp936 windows-936",
    "big5hkscs": "big5-hkscs big5hkscs",
    "cp950": "big5 cn-big5 csbig5 x-x-big5 cp950 windows-950",
    "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji csshiftjis windows-31j cp932 ms932",
    "euc-jp": "euc-jp eucjp x-euc-jp cseucpkdfmtjapanese",
    "iso2022-jp": "iso-2022-jp csiso2022jp",
    "cp949": "euc-kr euckr cseuckr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean "
    "iso-ir-149 windows-949 cp949 uhc",
}
"""Labels by the name that Python's codecs know."""
_BY_LABEL: Final = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_UTF_16: Final = frozenset({"utf-16le", "utf-16be"})
_UTF_32: Final = frozenset({"utf-32le", "utf-32be"})
_UTF_8_FORM: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_FOREIGN: Final = re.compile(rb"[\x80-\xff]")
_HEADER_LINES: Final = 31
_MAX_SAMPLE: Final = 100
_MAX_PROPOSED: Final = 5
_MARGIN: Final = 4.0
"""Logarithm of how much more likely a reading must be than any other one, to be taken."""
_MOST_AGAINST: Final = 1.5
"""How much more likely another reading may be by the text alone."""
_LEAST_PER_BYTE: Final = -5.0
"""A reading that is less likely than this is of no language that is known here."""


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """The encoding of a file, and how it was found."""

    encoding: str
    """The name of a codec of Python."""
    mark_bytes: int = 0
    """Size of a byte order mark that is no part of the text; UTF-8 keeps its own."""
    guessed: bool = False
    """Whether it was neither named nor certain."""
    undecided: bool = False
    """Whether the text was only ASCII so far, so that a later character decides."""
    sample: str = ""
    """Where it was guessed: a text with foreign letters, as it reads."""


def canonical_encoding(label: str) -> str | None:
    """Return the name of the codec that a label means, in any case; None if it is unknown."""
    return _BY_LABEL.get(label.strip().lower())


def choose_encoding(sample: bytes, named: str | None, *, complete: bool) -> EncodingChoice:
    """Return the encoding of a text that begins so; ``named`` is the one that the client names.

    ``complete`` is whether the sample is all of the text. Raises MalformedInputError
    (``wrong_encoding``) if the byte order mark is that of another encoding than the named one, and
    (``encoding_uncertain``) if the encoding can only be guessed, and the guess may be wrong.
    """
    detected, mark_bytes = detect_encoding(sample[:4])
    if named in {"utf-16", "utf-32"}:
        family = _UTF_16 if named == "utf-16" else _UTF_32
        named = detected if detected in family else f"{named}le"
    if named and mark_bytes and detected != named:
        raise MalformedInputError(
            "wrong_encoding",
            f"The file is named as {named}, but its byte order mark is that of {detected}.",
            offset=0,
        )
    encoding = named or detected
    if encoding:
        return EncodingChoice(encoding, 0 if encoding == UTF_8 else mark_bytes)
    if sample.isascii():
        return EncodingChoice(UTF_8, undecided=True)
    return choose_by_text(sample, sample, complete=complete)


def choose_by_text(text: bytes, header: bytes, *, complete: bool) -> EncodingChoice:
    """Return the encoding of a text with other characters than ASCII.

    ``header`` is the beginning of the file. Raises MalformedInputError as ``choose_encoding``.
    """
    if _is_utf_8(text, complete=complete):
        return EncodingChoice(UTF_8)
    lines = b"\n".join(re.split(rb"\r\n?|\n", header, maxsplit=_HEADER_LINES)[:_HEADER_LINES])
    found = readings(text, _header_languages(lines), complete=complete)
    best = found[0]
    others = [each for each in found if each.words != best.words]
    is_clear = all(
        best.score - each.score >= _MARGIN and best.evidence - each.evidence >= -_MOST_AGAINST
        for each in others
    )
    if not is_clear or best.per_byte < _LEAST_PER_BYTE:
        raise _uncertain(found)
    return EncodingChoice(best.encoding, guessed=True, sample=best.sample(_MAX_SAMPLE))


def _is_utf_8(text: bytes, *, complete: bool) -> bool:
    """Return whether a text is UTF-8, or was meant to be: then its damage is an error of its own.

    That is where at least half of its foreign characters have the form of UTF-8, and the first one,
    too: an error in it would otherwise make all of it another encoding.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text, complete)
    except UnicodeDecodeError:
        pass
    else:
        return True
    in_form = sum(len(match) for match in _UTF_8_FORM.findall(text))
    foreign = len(_FOREIGN.findall(text))
    first = _FOREIGN.search(text)
    return (
        first is not None
        and 2 * in_form > foreign
        and _UTF_8_FORM.match(text, first.start()) is not None
    )


def _header_languages(lines: bytes) -> dict[str, Counter[str]]:
    """Return for each code page the languages of the names of columns that are known in it."""
    if lines.isascii():
        return {}
    return {encoding: header_languages(lines.decode(encoding, "ignore")) for encoding in CANDIDATES}


def _uncertain(found: Sequence[Reading]) -> MalformedInputError:
    """Return the error of a text whose encoding cannot be told, with what it would read like."""
    proposed: dict[tuple[str, ...], Reading] = {}
    for each in found:
        proposed.setdefault(each.words, each)
    samples = [
        {"encoding": each.encoding, "sample": each.sample(_MAX_SAMPLE)}
        for each in islice(proposed.values(), _MAX_PROPOSED)
    ]
    listed = "; ".join(f'"{each["sample"][:40]}" in {each["encoding"]}' for each in samples)
    return MalformedInputError(
        "encoding_uncertain",
        f"The file does not say which encoding its foreign letters have. It reads {listed}. Name "
        "the right one, such as ?encoding=windows-1250, or save the file as UTF-8.",
        encodings=samples,
    )

"""Hypothesis strategies for bodies that are hard to split: JSON and CSV, valid and broken."""

import csv
import json
from dataclasses import dataclass
from io import StringIO
from typing import Any

from hypothesis import strategies as st

from tests.support.reference_rules import is_option_like

NASTY = 'ab"\\[]{},:/ \n\t\r\x0b\x0c\x00\x7f\x85é€😀\ufeff\u2028'
"""Characters that could be taken for structure, or that need several bytes."""
BOM = b"\xef\xbb\xbf"
SEPARATORS = [(",", ":"), (", ", ": "), (" ,\r\n", "\t: "), ("\n\n,", ":")]

texts = st.text(NASTY, max_size=12) | st.text(max_size=6)
halves = st.text(st.sampled_from("\ud800\udc00\ud83d\ude00a\\"), max_size=4)
"""Halves of surrogate pairs, which JSON can contain only as escapes."""
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=8,
    )


values = nested(scalars)
contacts = st.fixed_dictionaries({"name": texts, "email": texts}, optional={"more": values})
records = st.lists(nested(scalars | halves) | contacts, max_size=12)


@st.composite
def json_text(draw: st.DrawFn, value: Any) -> bytes:
    """One of the many ways to write a value."""
    written = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 0, 1])),
        separators=draw(st.sampled_from(SEPARATORS)),
    )
    try:
        return written.encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


@dataclass(frozen=True)
class Body:
    """A JSON body and its content."""

    raw: bytes
    array: bytes
    array_at: int
    records: list[Any]
    source: str


sources = st.text(NASTY + "xyz", min_size=1, max_size=8).filter(
    lambda text: text.isprintable() and bool(text.strip())
)
gaps = st.text(" \t\r\n", max_size=3).map(str.encode)
keys = texts.filter(lambda key: key not in {"source", "data"} and not is_option_like(key))
written_source_key = st.sampled_from([b'"source"', rb'"s\u006furce"'])
written_data_key = st.sampled_from([b'"data"', rb'"\u0064ata"'])


@st.composite
def bodies(draw: st.DrawFn, *, records: st.SearchStrategy[list[Any]] = records) -> Body:
    """A valid body: known and unknown members in any order, any white space, maybe a BOM."""
    inside, source = draw(records), draw(sources)
    array = draw(json_text(inside))
    members = [
        (draw(written_source_key), draw(json_text(source))),
        (draw(written_data_key), array),
        *[
            (draw(json_text(key)), draw(json_text(draw(values))))
            for key in draw(st.lists(keys, max_size=3))
        ],
    ]
    between = [draw(gaps) for _ in range(4)]
    around = draw(gaps)
    raw, array_at = draw(st.sampled_from([b"", BOM])) + around + b"{", 0
    for number, (key, value) in enumerate(draw(st.permutations(members))):
        raw += (b"," if number else b"") + between[0] + key + between[1] + b":" + between[2]
        array_at = len(raw) if value is array else array_at
        raw += value + between[3]
    return Body(raw + b"}" + around, array, array_at, json.loads(array), source)


broken_bytes = st.sampled_from(
    [bytes([byte]) for byte in b'[]{},:"\\0x1-.eE+ntfu \n\x00\x0c\xff\xc3\xed\xa0\x80\xf0\x9f']
    + [b"NaN", b"-Infinity", b'"data"', b"\\ud800", b"\\u12", b"1e99", b"0001", b"\xef\xbb\xbf"]
    + [b'"source":', b"null", b'""', b"[[[", b"]]]", "é".encode()]
)


@st.composite
def mutations(draw: st.DrawFn, raw: bytes) -> bytes:
    """The body after some mutations: bytes removed, inserted, or cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 3)))
        raw = raw[:start] + draw(broken_bytes | st.just(b"")) + raw[end:]
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 0 else raw


class ConstantError(ValueError):
    """NaN and Infinity."""


def _refuse(_: str) -> None:
    raise ConstantError


@dataclass(frozen=True)
class Read:
    """What a strict JSON reader finds in a body."""

    value: Any
    keys: list[str]
    """The keys of the outermost object, with repetitions."""


def read_strictly(raw: bytes) -> Read | None:
    """Read a body with the standard library, strictly by RFC 8259; None if it is not JSON."""
    pairs: list[list[tuple[str, Any]]] = []

    def keep(members: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append(members)
        return dict(members)

    try:
        value = json.loads(
            raw.decode().removeprefix("\ufeff"),
            parse_constant=_refuse,
            parse_int=str,
            parse_float=float,
            object_pairs_hook=keep,
        )
    except ValueError:
        return None
    return Read(value, [key for key, _ in pairs[-1]] if isinstance(value, dict) else [])


def csv_rows(text: str, delimiter: str = ",") -> list[list[str]]:
    """Return the rows that are not blank."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    return [row for row in rows if row]


def quote_is_open(text: str) -> bool:
    """Whether a row that is appended to the text would fall into a quoted field."""
    return csv_rows(f"{text}\r\nnext,row")[-1:] != [["next", "row"]]


fields = st.text('ab",\n\r é😀;\t\x00\x0c\x85\u2028', max_size=8)


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    """A usable header, then rows as a spreadsheet writes them, and some malformed text."""
    out = StringIO(newline="")
    writer = csv.writer(
        out,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerow(["Name", "E-Mail", draw(fields)])
    writer.writerows(draw(st.lists(st.lists(fields, min_size=1, max_size=4), max_size=12)))
    careless = draw(st.text('ab",\n\r é', max_size=30))
    return draw(st.sampled_from(["", "\n", "\r\n\n"])) + out.getvalue() + careless


@st.composite
def ndjson_texts(draw: st.DrawFn) -> bytes:
    """JSON lines with blank lines in between, sometimes with a malformed one."""
    lines = [draw(json_text(record)).replace(b"\n", b" ") for record in draw(records)]
    blanks = st.sampled_from([b"", b"", b"", b" ", b"\t\r"])
    careless = st.sampled_from([b"{", b"{} {}", b"NaN", b"\x0b", b"{},", b"1 "])
    raw = draw(st.sampled_from([b"", b"", BOM]))
    for line in lines:
        for blank in draw(st.lists(blanks, max_size=2)):
            raw += blank + b"\n"
        raw += draw(gaps).replace(b"\n", b"") + line + draw(st.sampled_from([b"\n", b"\r\n"]))
    if draw(st.integers(0, 9)) == 0:
        raw += draw(careless)
    return raw

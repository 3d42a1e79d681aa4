"""What hostile and clumsy clients send: each with the answer it must get, and what workers make of
what is legal all the same.
"""

import functools
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from service.intake.decompression import zstd
from tests.support import forms
from tests.support.contacts import MIB
from tests.support.forms import BOUNDARY, CSV_FILE, JSON_FILE, form
from tests.support.traces import SOURCE

JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
BY_ADDRESS = f"/import?source={SOURCE.replace(' ', '+')}"
GIB = 1024 * MIB
TAKEN = (202, "")
SHORT = (422, "records_too_short")
UNKNOWN = (422, "unknown_option")
ADA = b'{"name":"Ada"}'


@dataclass(frozen=True)
class Hostile:
    """One request."""

    name: str
    body: Callable[[], Iterable[bytes]]
    answer: tuple[int, str] = TAKEN
    kind: str = JSON
    path: str = "/import"
    head: bytes = b""
    """Further lines of the head."""
    length: int | None = None
    """What is declared; without it the body comes in chunks."""
    outcome: dict[str, int] = field(default_factory=dict)
    """How many contacts, and rejections by code, of what is taken."""
    slow: bool = False


def repeated(unit: bytes, size: int, head: bytes = b"", tail: bytes = b"") -> Iterator[bytes]:
    """So many bytes of the same, made as they are sent."""
    block = unit * max(1, MIB // len(unit))
    yield head
    for _ in range(-(-size // len(block))):
        yield block
    yield tail


def tiny_keys(count: int, head: bytes) -> Iterator[bytes]:
    yield head
    for start in range(0, count, 50_000):
        yield b"".join(b'"%x":1,' % key for key in range(start, start + 50_000))


def whole(body: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: [body]


def data(records: bytes) -> bytes:
    return json.dumps({"source": SOURCE}).encode()[:-1] + b',"data":[' + records


def around(members: bytes) -> bytes:
    return data(b"],")[:-1] + b"," + members


def in_json() -> Iterator[Hostile]:
    deep, malformed = (400, "nested_too_deeply"), (400, "malformed_json")
    yield Hostile("100,000 levels in a record", whole(data(b"[" * 100_000)), deep)
    yield Hostile("100,000 objects in a record", whole(data(b'{"a":' * 100_000)), deep)
    yield Hostile("100,000 levels beside the data", whole(around(b'"x":' + b"[" * 100_000)), deep)
    yield Hostile("NUL in JSON", whole(data(b'{"name":"a\0"}]}')), malformed)
    yield Hostile(
        "half a character in JSON", whole(data(b'"\xed\xa0\x80"]}')), (400, "invalid_utf8")
    )
    for code in ("latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        text = (data(b"").decode() + '{"name":"Zoë"}]}').encode(code)
        yield Hostile(f"JSON in {code}", whole(text), outcome={"imported": 1})
    digits = around(b'"x":' + b"1" * 1_000_000 + b"}")
    yield Hostile("a million digits beside the data", whole(digits), (400, "number_too_long"))
    keys = b"".join(b'"%08x":1,' % key for key in range(80_000))
    yield Hostile("80,000 keys and a dry run", whole(around(keys + b'"dryRun":1}')), UNKNOWN)
    yield Hostile("a stalled body", whole(data(b"")), (408, "client_too_slow"), length=1000)


def legal_json() -> Iterator[Hostile]:
    for unit in (b"1,", b"[],", b"{},", b'"",'):
        records = ADA + b"," + unit * (2 * MIB // len(unit)) + b"1"
        yield Hostile(f"2 MiB of {unit.decode()}", whole(data(records + b"]}")), SHORT)
    domain = "a%d@\u00e9.\u00e9.\u00e9.com"
    people = [b'{"name":"Ada","email":"%b"}' % (domain % n).encode() for n in range(20_000)]
    yield Hostile(
        "20,000 international addresses",
        whole(data(b",".join(people) + b"]}")),
        outcome={"imported": 20_000},
    )
    yield legal("400 levels in a record", b"[" * 400 + b"]" * 400 + b"," + ADA, not_an_object=1)
    yield legal("900 levels in a record", b'{"name":"a","x":' + b"[" * 900 + b"]" * 900 + b"}")
    yield legal("NUL in a name", b'{"name":"a\\u0000b"},' + ADA, unstorable_text=1)
    yield legal("half a character in a name", b'{"name":"\\ud800"},' + ADA, unstorable_text=1)
    yield legal("a number of a million digits", b"1" * 1_000_000 + b"," + ADA, not_an_object=1)
    number = b'{"name":"a","x":-' + b"1" * 1_000_000 + b"}"
    yield legal("a million digits in a record", number)
    number = b'{"name":' + b"1" * 1_000_000 + b"},"
    yield legal("a name of a million digits", number + ADA, name_not_text=1)
    yield legal(
        "a name of a megabyte", b'{"name":"' + b"x" * 1_000_000 + b'"},' + ADA, name_too_long=1
    )
    empties = b'{"name":"a","x":[' + b"[]," * 340_000 + b"1]}"
    yield legal("340,000 empty arrays in a record", empties)
    keys = b'{"name":"a"' + b"".join(b',"%x":1' % key for key in range(90_000)) + b"}"
    yield legal("90,000 keys in a record", keys)
    body = data(ADA + b"]}")
    yield Hostile(
        "chunks of one byte",
        lambda: [body[at : at + 1] for at in range(len(body))],
        outcome={"imported": 1},
    )


def legal(name: str, records: bytes, **rejected: int) -> Hostile:
    """Records of which one is a contact."""
    return Hostile(name, whole(data(records + b"]}")), outcome={"imported": 1, **rejected})


def in_csv() -> Iterator[Hostile]:
    def csv(name: str, body: bytes, status: int, code: str) -> Hostile:
        return Hostile(name, whole(body), (status, code), CSV, BY_ADDRESS)

    def taken(name: str, body: bytes, imported: int, **rejected: int) -> Hostile:
        outcome = {"imported": imported, **rejected}
        return Hostile(name, whole(body), TAKEN, CSV, BY_ADDRESS, outcome=outcome)

    yield csv("a million columns", b"name," * 1_000_000, 413, "record_too_large")
    yield csv(
        "a million nameless columns", b"," * 1_000_000 + b"name\n", 422, "csv_header_unusable"
    )
    yield csv("an unclosed quote", b'name\nAda\n"Bob\n' + b"Eve\n" * 1000, 400, "malformed_csv")
    yield csv("an unclosed quote, long", b'name\n"' + b"a\n" * MIB, 413, "record_too_large")
    yield csv(
        "an unclosed quote of line ends", b'name\n"' + b"\n" * 2 * MIB, 413, "record_too_large"
    )
    yield taken("Latin-1 CSV", "name\nZoë\n".encode("latin-1"), 1)
    mixed = "name\nZoë\n".encode("latin-1") + "Zoë\n".encode()
    yield csv("Latin-1 and UTF-8 in one CSV", mixed, 422, "encoding_uncertain")
    yield csv("half a character in CSV", b"name\n\xed\xa0\x80\n", 400, "invalid_utf8")
    for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield taken(f"CSV in {code}", "name\nZoë\n".encode(code), 1)
    yield taken(
        "a row of 500,000 fields", b"name\n" + b"a," * 500_000 + b"\nAda\n", 1, wrong_field_count=1
    )
    yield csv("a million rows of a letter", b"name,email\n" + b"a\n" * MIB, *SHORT)
    blank = b"name\nAda\n" + b"\n" * 2 * MIB
    yield taken("two million blank rows", blank, 1)
    yield taken("stray quotes", b'name,email\nA"d"a,\n"B"o"b,\nE"ve,\n', 3)
    yield taken("mixed line ends", b"name,email\r\nAda,\nBob,\rEve,\r\n\n\r\r\nTim,", 4)
    ragged = b"name,email\nAda\nBob,,\nEve,\n,,,,\nIvy,,x\n"
    yield taken("ragged rows", ragged, 3, wrong_field_count=1)
    yield taken("NUL in CSV", b"name,email\na\0b,\nAda,\n", 1, unstorable_text=1)
    field = b'name,x\nAda,"' + b"\n" * 1_000_000 + b'"\n'
    yield taken("a field of a million line ends", field, 1)


def in_lines() -> Iterator[Hostile]:
    def lines(name: str, body: bytes, status: int, code: str) -> Hostile:
        return Hostile(name, whole(body), (status, code), NDJSON, BY_ADDRESS)

    def taken(name: str, body: bytes, **outcome: int) -> Hostile:
        return Hostile(name, whole(body), TAKEN, NDJSON, BY_ADDRESS, outcome=outcome)

    yield lines("a million levels in a line", b"[" * 1_000_000 + b"\n", 400, "nested_too_deeply")
    yield lines("a line without an end", b"1" * 2 * MIB, 413, "record_too_large")
    yield lines("two million blank lines", b"\n" * 2 * MIB, 422, "data_missing")
    yield taken("blank lines around one", b"\n" * MIB + ADA + b"\r\n \n" * 400_000, imported=1)
    yield taken("300,000 texts", ADA + b'\n"12"' * 300_000, imported=1, not_an_object=1000)
    yield lines("a million numbers", ADA + b"\n1" * MIB, 422, "records_too_short")
    yield lines("a million texts", b'"12"\n' * MIB, 422, "data_not_objects")
    number = b'{"name":' + b"1" * 1_000_000 + b"}\n"
    yield taken("a line of a million digits", number + ADA, imported=1, name_not_text=1)


def compressed() -> Iterator[Hostile]:
    def packed(name: str, body: bytes, encoding: str, status: int, code: str) -> Hostile:
        head = b"Content-Encoding: " + encoding.encode() + b"\r\n"
        return Hostile(name, whole(body), (status, code), CSV, BY_ADDRESS, head)

    text = b"name\n" + b"a\n" * 16 * MIB
    too_high, malformed = (413, "compression_ratio_too_high"), (400, "malformed_compression")
    yield packed("a bomb in gzip", gzip.compress(text, 1), "gzip", *too_high)
    yield packed("a bomb in zstd", zstd.compress(text), "zstd", *too_high)
    yield packed("100,000 empty members", gzip.compress(b"") * 100_000, "gzip", *malformed)
    yield packed("200,000 empty frames", zstd.compress(b"") * 200_000, "zstd", *malformed)
    window = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=window)
    wide = packer.compress(ADA, zstd.ZstdCompressor.FLUSH_FRAME)
    unfinished = zstd.ZstdCompressor(options=window).compress(ADA, zstd.ZstdCompressor.FLUSH_BLOCK)
    yield packed("a window of 128 MiB", unfinished, "zstd", 415, "unsupported_encoding")
    yield packed("zstd cut off", wide[:-1], "zstd", *malformed)
    named = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 4 * MIB
    yield packed("gzip with a name of 4 MiB", named, "gzip", *malformed)


def in_forms() -> Iterator[Hostile]:
    malformed, too_much = (400, "malformed_multipart"), (413, "envelope_too_large")

    def fields(name: str, *fields: bytes, answer: tuple[int, str], **outcome: int) -> Hostile:
        return Hostile(name, whole(form(list(fields))[0]), answer, FORM, outcome=outcome)

    source, line = forms.field("source", SOURCE.encode()), b"--" + BOUNDARY.encode() + b"\r\n"
    yield fields("a form without a file", source, answer=(422, "file_missing"))
    yield fields("a form with two files", source, CSV_FILE, JSON_FILE, answer=malformed)
    yield fields("a file before the source", CSV_FILE, source, answer=TAKEN, email_invalid=1)
    yield fields("a field of a megabyte", forms.field("map", b"x" * MIB), source, answer=too_much)
    yield fields("a million fields", *[forms.field("map", b"")] * 100_000, answer=too_much)
    yield fields(
        "a misspelt dry run", forms.field("dryrun", b"true"), source, CSV_FILE, answer=UNKNOWN
    )
    latin = forms.field("file", "name\nZoë\n".encode("latin-1"), "a.csv")
    yield fields("a file in Latin-1", source, latin, answer=TAKEN, imported=1)
    wide = forms.field("file", "name\nZoë\n".encode("utf-16"), "a.csv")
    yield fields("a file in UTF-16", source, wide, answer=TAKEN, imported=1)
    unending = line + source + line + CSV_FILE
    yield Hostile("a boundary that never comes", whole(unending), malformed, FORM)
    for what, unit in {"lines": b"x\r\n", "empty lines": b"\n"}.items():
        before = functools.partial(repeated, unit, 2 * MIB)
        yield Hostile(f"a first boundary that never comes, {what}", before, too_much, FORM)
    for where in ("filename", "name"):
        head = b'Content-Disposition: form-data; name="file"; ' + where.encode() + b'="'
        endless = functools.partial(repeated, b"x", 2 * MIB, line + head)
        yield Hostile(f"an endless {where}", endless, malformed, FORM)
    many = line + b"X-A: b\r\n" * 100_000
    yield Hostile("a field of 100,000 headers", whole(many), malformed, FORM)


def in_heads() -> Iterator[Hostile]:
    too_large = (431, "head_too_large")
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    yield Hostile("10,000 headers", whole(b""), too_large, head=many)
    yield Hostile("a header of a megabyte", whole(b""), too_large, head=b"X: " + b"y" * MIB)
    yield Hostile("a query of a megabyte", whole(b""), too_large, path="/import?" + "x" * MIB)
    yield Hostile(
        "two lengths",
        whole(b""),
        (400, "malformed_request"),
        head=b"Content-Length: 9\r\n",
        length=10,
    )
    smuggled = b"Transfer-Encoding: chunked\r\n"
    yield Hostile(
        "a length and chunks", whole(b""), (400, "malformed_request"), head=smuggled, length=10
    )


def huge() -> Iterator[Hostile]:
    """What must really be that large: for `make chaos` only."""
    record, beside = (413, "record_too_large"), (413, "envelope_too_large")

    def endless(
        name: str, unit: bytes, head: bytes, answer: tuple[int, str], kind: str = JSON
    ) -> Hostile:
        path = BY_ADDRESS if kind == CSV else "/import"
        return Hostile(name, lambda: repeated(unit, 2 * GIB, head), answer, kind, path, slow=True)

    line = b"--" + BOUNDARY.encode() + b"\r\nContent-Disposition: form-data; "
    yield endless("2 GB: a string in a record", b"x", data(b'{"name":"'), record)
    yield endless("2 GB: a key in a record", b"x", data(b'{"'), record)
    yield endless("2 GB: a string of escapes", b"\\u00e9", data(b'{"name":"'), record)
    yield endless("2 GB: a string of braces", b"}", data(b'{"name":"'), record)
    yield endless("2 GB: a string beside the data", b"x", around(b'"x":"'), beside)
    yield endless("2 GB: digits", b"1", data(b""), record)
    yield endless("2 GB: a quoted CSV field", b"x", b'name\n"', record, CSV)
    yield endless("2 GB: line ends in a CSV field", b"\n", b'name\n"', record, CSV)
    yield endless("2 GB: a CSV field", b"x", b"name\n", record, CSV)
    yield endless("2 GB: a field of a form", b"x", line + b'name="map"\r\n\r\n', beside, FORM)
    yield endless(
        "2 GB: a filename", b"x", line + b'filename="', (400, "malformed_multipart"), FORM
    )
    file = line + b'name="file"; filename="a.csv"\r\n\r\nname\n"'
    yield endless("2 GB: a CSV field of a form", b"x", file, record, FORM)
    yield endless("10 million objects in a record", b'{"a":{}},', data(b'{"a":['), record)
    yield endless("10 million objects beside the data", b"{},", around(b'"x":['), beside)
    keys = 10_000_000
    yield Hostile(
        "10 million keys in a record", lambda: tiny_keys(keys, data(b"{")), record, slow=True
    )
    yield Hostile(
        "10 million keys beside the data", lambda: tiny_keys(keys, around(b"")), beside, slow=True
    )
    fields = line + b'name="map"\r\n\r\n\r\n'
    yield endless("a million fields of a form", fields, b"", beside, FORM)


ALL = [
    *in_json(),
    *legal_json(),
    *in_csv(),
    *in_lines(),
    *compressed(),
    *in_forms(),
    *in_heads(),
    *huge(),
]

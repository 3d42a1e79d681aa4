"""Requests as clumsy and hostile clients make them: of every form, whole and mutated."""

from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

from tests.chaos.fuzz_seeds import ARRAYS, CSVS, ENVELOPES, LINES, TOKENS
from tests.support import bodies
from tests.support.forms import BOUNDARY, field, form
from tests.support.reference import ARRAY, CSV, ENVELOPE, NDJSON, Kind
from tests.support.splits import cuts

MAX_BODY = 64 * 1024
RECORDS = [
    {"name": "Ada", "email": "ada@example.com"},
    {"name": "Žoë", "email": "zoe@EXÄMPLE.org", "note": ["}{", {"n": 1.5e300}]},
    {"email": "no address"},
    {"name": "\ud800"},
    {"name": "a\0b"},
    {"name": "x" * 1001},
]
PLAIN_CSV = "text/csv; charset=utf-8"
"""The reference detects nothing, so delimiter and encoding are given."""
JSON_TYPES = """\
application/json; charset=utf-8
APPLICATION/JSON
application/json;charset=ascii
application/json; charset=
application/json; charset=ÿþ
application/json; boundary=x
application/json, text/csv
application/jsonx"""
OTHER_TYPES = f"""\
text/csv
text/csv; header=present
text/csv; charset="UTF-8"
text/csv; charset=utf-16
application/x-ndjson
text/plain
;
/
multipart/form-data
multipart/form-data; boundary=
multipart/form-data; boundary=é
multipart/form-data; boundary={"b" * 71}
multipart/form-data; boundary="{BOUNDARY}"; charset=utf-8
multipart/mixed; boundary={BOUNDARY}
application/x-www-form-urlencoded"""
TYPES = ["", "x" * 5000, *JSON_TYPES.splitlines(), *OTHER_TYPES.splitlines()]
ENCODINGS = ["identity", "Identity", "", "gzip", "deflate", "br", "zstd", "gzip, gzip", "ÿ"]
EXPECTATIONS = ["100-continue", "100-Continue", "200-ok", "", "100-continue, 100-continue"]
SOURCES = ["", "a&source=b", "%00", "%ed%a0%80", "%E2%80%A8", "x" * 300, "s#source", "%zz"]
PATHS = [
    *("/", "/import", "/import/", "/import//", "/Import", "/import;source=s", "/%69mport?source=s"),
    *(f"/import?source={source}" for source in SOURCES),
    *("/import?dryrun=true", "/import?source=s&x", "/import?=", "/import?map=a:name&delimiter=;"),
]


@dataclass(frozen=True)
class Request:
    """One request, byte by byte."""

    path: str
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]
    chunked: bool
    kind: Kind
    """The kind of the body, or of the file in the form, before any mutation."""
    content: bytes | None
    """The body, or the file in the form; None if unknown, because the form was mutated."""
    regular: bool
    """Whether only the content can be wrong."""
    missing_bytes: int = 0
    """Bytes that Content-Length announces and that never arrive."""
    waits: bool = True
    """Whether the client waits for the answer."""

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def head(self) -> bytes:
        length = str(len(self.body) + self.missing_bytes)
        framing = ("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", length)
        lines = [
            f"{name}: {value}" for name, value in (("Host", "localhost"), *self.headers, framing)
        ]
        text = "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, "", ""])
        return text.encode("latin-1")

    def wire_pieces(self) -> list[bytes]:
        """Return the pieces of the body, in chunks if it is chunked."""
        if not self.chunked:
            return list(self.pieces)
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.pieces if piece]
        return chunks if self.missing_bytes else [*chunks, b"0\r\n\r\n"]


def rarely(often: object, seldom: st.SearchStrategy) -> st.SearchStrategy:
    return st.integers(0, 7).flatmap(lambda number: seldom if number == 7 else st.just(often))


@st.composite
def mutated(draw: st.DrawFn, raw: bytes) -> bytes:
    """The bytes after some mutations: flipped, removed, doubled, inserted, cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 30)))
        inside = raw[start:end]
        instead = draw(
            st.sampled_from([b"", inside * 2, inside[::-1], bytes(byte ^ 0x20 for byte in inside)])
            | st.sampled_from(TOKENS)
            | st.sampled_from([b"x" * 1100, b"9" * 4400])
            | rarely(b"", st.just(b" " * MAX_BODY))
        )
        raw = raw[:start] + instead + raw[end:]
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 9 else raw


def maybe_mutated(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return whole.flatmap(lambda raw: st.just(raw) | mutated(raw))


records = st.lists(st.sampled_from(RECORDS) | bodies.contacts | bodies.values, max_size=40)
envelopes = maybe_mutated(
    bodies.bodies(records=records).map(lambda body: body.raw) | st.sampled_from(ENVELOPES)
)
arrays = maybe_mutated(records.flatmap(bodies.json_text) | st.sampled_from(ARRAYS))
files = maybe_mutated(bodies.csv_texts().map(str.encode) | st.sampled_from(CSVS))
lines = maybe_mutated(bodies.ndjson_texts() | st.sampled_from(LINES))
extra_fields = st.sampled_from(
    [field("source", b"s"), field("x", b"y" * 99), field("file", b"[]", "b.json"), b"", b"no head",
     field("x", b"", extra=b"X: " + b"y" * 9000), field("source", b"\xff"), field("", b""),
     field("dryrun", b"true"), field("dryRun", b"false"), field("_charset_", b"latin-1"),
     field("map", b"a:name")]
)  # fmt: skip


FILES = [
    (ARRAY, "application/json", arrays),
    (CSV, PLAIN_CSV, files),
    (NDJSON, "application/jsonl", lines),
]


@st.composite
def json_requests(draw: st.DrawFn) -> Request:
    raw = draw(envelopes)
    return _request(draw, "/import", "application/json", raw, ENVELOPE, content=raw)


@st.composite
def csv_requests(draw: st.DrawFn) -> Request:
    raw, source = draw(files), draw(bodies.sources)
    path = f"/import?source={quote(source)}&delimiter=,"
    return _request(draw, path, PLAIN_CSV, raw, CSV, content=raw)


@st.composite
def ndjson_requests(draw: st.DrawFn) -> Request:
    raw, source = draw(lines), draw(bodies.sources)
    path = f"/import?source={quote(source)}"
    return _request(draw, path, "application/x-ndjson", raw, NDJSON, content=raw)


@st.composite
def form_requests(draw: st.DrawFn) -> Request:
    kind, file_type, contents = draw(st.sampled_from(FILES))
    content = draw(contents)
    fields = [field("source", b"s"), field("file", content, "a", file_type)]
    more = draw(rarely([], st.lists(extra_fields, min_size=1, max_size=2)))
    raw, content_type = form(draw(st.permutations(fields + more)))
    path = "/import?delimiter=," if kind is CSV else "/import"
    broken = draw(rarely(raw, mutated(raw)))
    known = broken == raw and not more
    return _request(draw, path, content_type, broken, kind, content=content if known else None)


def _request(
    draw: st.DrawFn, path: str, content_type: str, raw: bytes, kind: Kind, content: bytes | None
) -> Request:
    odd_path = draw(rarely(path, st.sampled_from(PATHS)))
    odd_type = draw(rarely(content_type, st.sampled_from(TYPES)))
    encoding = draw(rarely(None, st.sampled_from(ENCODINGS)))
    # For a path without a route, aiohttp itself answers an invalid Expect, in plain text.
    known = odd_path.partition("?")[0] == "/import"
    expected = draw(rarely(None, st.sampled_from(EXPECTATIONS))) if known else None
    missing_bytes = draw(rarely(0, st.integers(1, 9)))
    headers = [("Content-Type", odd_type), ("Content-Encoding", encoding), ("Expect", expected)]
    odd = (odd_path, odd_type, encoding, expected, missing_bytes) != (
        path,
        content_type,
        None,
        None,
        0,
    )
    return Request(
        odd_path,
        tuple((name, value) for name, value in headers if value is not None),
        tuple(draw(cuts(raw))) if len(raw) < 3000 else (raw,),
        draw(st.booleans()),
        kind,
        content if odd_type == content_type else None,
        regular=content is not None and not odd and len(raw) <= MAX_BODY,
        missing_bytes=missing_bytes,
        waits=not missing_bytes or draw(st.integers(0, 7)) == 0,
    )


requests = json_requests() | csv_requests() | ndjson_requests() | form_requests()

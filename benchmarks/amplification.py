"""``python -m benchmarks.amplification``: CPU seconds that a megabyte of hostile input costs.

Each body goes through the service's splitter and through a worker's pipeline, in this process, from
memory to nowhere. ``of contacts`` is how many times as much that is as for a body of the same size
with ordinary contacts in JSON. Decompression is not part of it: a body that was sent compressed
counts as what it expands to.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.contacts import Kind as ContactKind
from benchmarks.contacts import Profile, body
from benchmarks.splitters import PIECE, default_limits
from core.errors import MalformedInputError
from core.ids import contact_id_prefix, new_import_id
from core.reading.sniffing import Kind
from core.records.classify import RejectedRecord
from core.rejection_objects import Rejection
from core.states import ImportState
from service.intake.body import Sample
from service.intake.options import ImportOptions
from service.intake.reading import decide_reading
from service.intake.request import ImportRequest
from service.splitting.part_cutter import Split
from tasks.importing.models import (
    Attempt,
    Batch,
    PartCounts,
    PartEnd,
    PartWork,
    RejectionObject,
)
from tasks.importing.part_pipeline import PartPipeline
from tasks.writing.rejections import PartRejections

MB: Final = 1_000_000
ORDINARY: Final = "contacts, JSON"


@dataclass(frozen=True)
class Input:
    """A body of any size, all of which is the same."""

    name: str
    kind: Kind
    unit: bytes
    """What is repeated."""
    head: bytes = b""
    tail: bytes = b""

    def body(self, size: int) -> bytes:
        """Return a body of about so many bytes."""
        return self.head + self.unit * max(1, size // len(self.unit)) + self.tail


@dataclass(frozen=True)
class Cost:
    """CPU seconds for each megabyte of one input."""

    name: str
    service: float
    worker: float
    outcome: str
    """What became of it: the code of a problem, or the number of records."""


_ADA: Final = b'{"name":"Ada Lovelace","email":"ada@example.com"},'
_JSON: Final = Kind.JSON_ENVELOPE
_DATA: Final = b'{"source":"s","data":['


def _in_data(name: str, unit: bytes, last: bytes = b"1") -> Input:
    """Return elements of the array ``data``, each with its comma, after one contact."""
    return Input(name, _JSON, unit, _DATA + _ADA, last + b"]}")


def _lines(name: str, unit: bytes) -> Input:
    return Input(name, Kind.NDJSON, unit, _ADA.removesuffix(b",") + b"\n")


def _csv(name: str, unit: bytes) -> Input:
    return Input(name, Kind.CSV, unit, b"name,email\nAda Lovelace,ada@example.com\n")


def _address(address: str) -> bytes:
    return b'{"name":"Ada","email":"%b"},' % address.encode()


INPUTS: Final = (
    _in_data("1,", b"1,"),
    _in_data("[],", b"[],", b"[]"),
    _in_data("{},", b"{},", b"{}"),
    _in_data('"",', b'"",', b'""'),
    _in_data("null,", b"null,", b"null"),
    _in_data("true and blanks", b"true ,\n"),
    _in_data("blanks in data", b"    \n", b'{"name":"Ada"}'),
    _in_data("numbers of msgspec's limit", b"1" * 400 + b","),
    _in_data("lone surrogates", b'{"name":"\\ud800","email":"a@x.org"},', b"{}"),
    _in_data("huge integers in objects", b'{"name":"A","n":%b},' % (b"9" * 500), b"{}"),
    _in_data("name that is a number", b'{"name":1},', b"{}"),
    _in_data("name that is a list", b'{"name":%b%b},' % (b"[" * 6, b"]" * 6), b"{}"),
    _in_data("nested objects", b'{"name":{"name":{"name":{"a":{}}}}},', b"{}"),
    _in_data("nesting deep", b'{"a":' * 500 + b"1" + b"}" * 500 + b",", b"{}"),
    _in_data(
        "keys in profusion",
        b'{"name":"A",%b},' % b",".join(b'"%d":1' % n for n in range(99)),
        b"{}",
    ),
    _in_data("international addresses", _address("a1@é.é.é.é.com"), b"{}"),
    _in_data("international local parts", _address("éa1@example.com"), b"{}"),
    _in_data("decorated addresses", _address("Ada <a@b.org>, B <b@c.org>"), b"{}"),
    _in_data("many addresses", _address(", ".join(f"a{n}@é.org" for n in range(50))), b"{}"),
    _in_data("bad addresses", _address("ada.example.com"), b"{}"),
    _in_data("names of zero width", '{"name":"\u200bA"},'.encode(), b"{}"),
    _in_data("mojibake", '{"name":"MÃ¼ller"},'.encode(), b"{}"),
    _in_data("question marks", b'{"name":"M?ller"},', b"{}"),
    _in_data("quoted names", b'{"name":"\\"Ada\\""},', b"{}"),
    _lines("lines of 1", b"1\n"),
    _lines("lines of []", b"[]\n"),
    _lines("lines of {}", b"{}\n"),
    _lines("blank lines, NDJSON", b"\n"),
    _lines("blanks, NDJSON", b" \n"),
    _csv("rows of one letter", b"a\n"),
    _csv("rows of one comma", b",\n"),
    _csv("rows of quotes", b'""\n'),
    _csv("blank lines, CSV", b"\n"),
    _csv("blank lines with CR, CSV", b"\r\n"),
    _csv("blank rows", b" , \n"),
    _csv("too many cells", b"a,b,c,d,e,f,g,h\n"),
    _csv("commas in profusion", b"," * 5000 + b"\n"),
    _csv("text after quotes", b'"a"b,"c"d\n'),
    _csv("an open quote in each row", b'a"b,c"d\n'),
    _csv("repeated headers", b"name,email\n"),
    _csv("footers", b"Total,\n"),
    _csv("bad addresses, CSV", b"a,b\n"),
    _csv("international addresses, CSV", "a,a1@é.é.é.é.com\n".encode()),
    _csv("lines in cells", b'"a\nb",c@x.org\n'),
    _csv("lines in profusion in cells", b'"%b",c@x.org\n' % (b"a,b\n" * 2000)),
    Input("rows of CR", Kind.CSV, b"a,b@x.org\r", b"name,email\r"),
    Input("1 in text", Kind.JSON_SEQUENCE, b'{"name":"A",\n"email":"b@x.org"}\n'),
    Input("{} in text", Kind.JSON_SEQUENCE, b"{\n}\n", _ADA.removesuffix(b",") + b"\n{\n}\n"),
)


class _Nowhere:
    """Writer and bucket of a part that keep nothing."""

    batch_records = 5000

    def write(self, batch: Batch) -> list[RejectedRecord]:  # noqa: ARG002
        return []

    def contacts_among(self, records: list[int]) -> set[int]:  # noqa: ARG002
        raise AssertionError("no part is run twice")

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Keep nothing."""

    def add_rejection_object(self, stored: RejectionObject) -> None:
        """Keep nothing."""

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd:  # noqa: ARG002
        return self.finish(counts)

    def finish(self, counts: PartCounts) -> PartEnd:  # noqa: ARG002
        return PartEnd(True, ImportState.COMPLETED, True, None)

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Keep nothing."""

    def names_in(self, folder: str, *, prefix: str = "") -> list[str]:  # noqa: ARG002
        raise AssertionError("no part is run twice")

    def remove(self, names: Sequence[str]) -> None:  # noqa: ARG002
        raise AssertionError("no part is run twice")


def ordinary(size: int) -> bytes:
    """Return about so many bytes of ordinary contacts in JSON."""
    rows = max(1, size // 60)
    return "".join(body(ContactKind.JSON, Profile.PLAIN, rows, 1)).encode()


def measure(name: str, kind: Kind, content: bytes) -> Cost:
    """Split a body, and import its parts."""
    stored: list[bytes] = []
    begun = time.process_time()
    try:
        split = _split(kind, content, stored.append)
        outcome = f"{split.records} records"
    except MalformedInputError as error:
        split, outcome = None, error.code
    service = time.process_time() - begun
    begun = time.process_time()
    if split:
        _import(b"".join(stored), split)
    worker = time.process_time() - begun
    megabytes = len(content) / MB
    return Cost(name, service / megabytes, worker / megabytes, outcome)


def measure_input(each: Input, size: int) -> Cost:
    """Measure one of INPUTS with a body of about so many bytes."""
    return measure(each.name, each.kind, each.body(size))


def measure_ordinary(size: int) -> Cost:
    """Measure ordinary contacts."""
    return measure(ORDINARY, _JSON, ordinary(size))


def _split(kind: Kind, content: bytes, store: Callable[[bytes], None]) -> Split:
    named = None if kind is Kind.JSON_ENVELOPE else "benchmark"
    request = ImportRequest(kind, ImportOptions(named))
    splitter = decide_reading(request, Sample.of(content)).splitter(default_limits(len(content)))
    for piece in _pieces(content):
        for data in splitter.feed(piece):
            store(data)
    for data in splitter.close():
        store(data)
    return splitter.split()


@contextmanager
def _collecting_as_workers_do() -> Iterator[None]:
    """Look for cycles as rarely as a worker process does (``tasks.worker``)."""
    usual = gc.get_threshold()
    gc.set_threshold(5_000)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@_collecting_as_workers_do()
def _import(stored: bytes, split: Split) -> None:
    for part in split.parts:
        import_id = new_import_id()
        work = PartWork(
            Attempt(import_id, part.part),
            "s",
            split.format,
            split.plan,
            "o",
            len(stored),
            part,
            contact_id_prefix(import_id),
        )
        nowhere = _Nowhere()
        pipeline = PartPipeline(work, nowhere, PartRejections(work, nowhere, nowhere))  # type: ignore[arg-type]  # the storage client's methods that rejections need
        pipeline.process(_pieces(stored[part.byte_start : part.byte_end]))
        pipeline.write_last()


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def main() -> None:
    """Measure all inputs, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.amplification", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1, help="size of each body (default: 1)")
    parser.add_argument("--only", default="", help="inputs with this text in their names")
    arguments = parser.parse_args()
    size = round(arguments.megabytes * MB)
    measure_ordinary(MB)  # imports and caches
    base = measure_ordinary(max(size, 4 * MB))
    print("| input | service, s/MB | of contacts | worker, s/MB | of contacts | outcome |")
    print("| --- | --- | --- | --- | --- | --- |")
    costs = [base]
    costs += [measure_input(each, size) for each in INPUTS if arguments.only in each.name]
    for cost in costs:
        gc.collect()
        service, worker = cost.service / base.service, cost.worker / base.worker
        print(
            f"| `{cost.name}` | {cost.service:.3f} | {service:.1f} | {cost.worker:.3f} |"
            f" {worker:.1f} | {cost.outcome} |"
        )


if __name__ == "__main__":
    main()

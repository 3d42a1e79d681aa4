"""Compares what the splitters make of a body with what the reference makes of it.

The reference itself is in reference_records.py and reference_rules.py, which share no code with the
importer. Here are the kinds of bodies, each with the splitter and the reader for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from core.states import Format
from service.splitting.base import Splitter
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.splitting.ndjson import NdjsonSplitter
from tests.support.reference_records import (
    Content,
    first_invalid_byte,
    read_array,
    read_csv,
    read_envelope,
    read_ndjson,
)
from tests.support.splits import Outcome, RejectedBody, csv_splitter, json_splitter

_YAJL_CANNOT = {
    "number_too_long": re.compile(rb"[0-9]{4301}|[eE][+-]?[0-9]{18}"),
    "malformed_json": re.compile(rb"\\u[dD][89a-fA-F]"),  # half a surrogate pair
}
"""Valid JSON beside the records that is rejected because yajl cannot read it, by problem code."""


@dataclass(frozen=True)
class Kind:
    """A kind of body: the splitter for it, and the reader that says what is in it."""

    format: Format
    make: Callable[[int, int], Splitter]
    """Takes the bytes of a part and the limit for a record."""
    read: Callable[[bytes], Content | None]
    """Returns None for a body that must be rejected."""


ENVELOPE = Kind(Format.JSON, partial(json_splitter, EnvelopeSplitter), read_envelope)
ARRAY = Kind(Format.JSON, partial(json_splitter, JsonArraySplitter), read_array)
NDJSON = Kind(Format.NDJSON, partial(json_splitter, NdjsonSplitter), read_ndjson)
CSV = Kind(Format.CSV, csv_splitter, read_csv)


def judge(raw: bytes, outcome: Outcome | RejectedBody, content: Content | None, limit: int) -> None:
    """Assert that a body was accepted or rejected rightly; ``limit`` is that of a record."""
    if isinstance(outcome, RejectedBody):
        judge_problem(raw, outcome, content, limit)
        return
    assert content is not None, "this must be rejected"
    split = outcome.split
    assert outcome.stored == content.stored
    assert outcome.source == content.source
    assert split.bytes == len(content.stored)
    assert split.records == len(content.records)
    assert all(size <= limit for size in content.sizes), "a record is too large"


def judge_problem(raw: bytes, problem: RejectedBody, content: Content | None, limit: int) -> None:
    """Assert that a body was rejected for a reason, and that its position is right."""
    # The offset is that in UTF-8: a character of another encoding may have three bytes there.
    longest = len(raw) if content is not None or problem.code == "invalid_utf8" else 3 * len(raw)
    assert problem.offset is None or 0 <= problem.offset <= longest
    assert problem.record is None or problem.record >= 1
    if problem.code == "invalid_utf8":
        assert problem.offset == first_invalid_byte(raw)
    if content is None:
        return
    cannot = _YAJL_CANNOT.get(problem.code)
    if problem.code == "record_too_large":
        assert max(content.sizes) > limit
    elif problem.code not in content.may_be:
        rejected = f"{problem} for a body that must be accepted: {raw[:1000]!r}"
        assert cannot is not None, rejected
        assert cannot.search(content.around), rejected

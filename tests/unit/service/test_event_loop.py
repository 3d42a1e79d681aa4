"""Splitters yield often, whatever the body, so that the event loop can run other tasks."""

import pytest

from service.intake.body import PIECE_BYTES
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.splitting.json_sequence import JsonSequenceSplitter
from tests.support.splits import json_splitter

PARTS, RECORD = 2**20, 2**20
MAX_UNITS = 4200
"""Most small values, such as numbers or brackets, that one step may take: in C it is quick."""


@pytest.mark.parametrize(
    ("splitter", "head", "unit"),
    [
        (JsonArraySplitter, b"[", b"1,"),
        (JsonArraySplitter, b"[", b'"\\ud800",'),
        (EnvelopeSplitter, b'{"source":"s","data":[', b"1,"),
        (EnvelopeSplitter, b'{"x":[', b"[],"),
        (JsonSequenceSplitter, b"{}", b",{}"),
    ],
)
def test_feed_yields_in_small_steps(splitter, head, unit):
    units = (PIECE_BYTES - len(head)) // len(unit)
    instance = json_splitter(splitter, PARTS, RECORD)

    steps = list(instance.feed(head + unit * units))

    assert len(steps) > units // MAX_UNITS
    assert max(len(step) for step in steps) <= MAX_UNITS * len(unit)

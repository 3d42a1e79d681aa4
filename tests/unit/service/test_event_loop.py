"""However a body is made, its splitting lets the event loop go on between small steps."""

import pytest

from service.intake.body import PIECE_BYTES
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter

PARTS, RECORD = 2**20, 2**20
MOST = 1500
"""Small things, such as numbers or brackets, that one step may go through."""


@pytest.mark.parametrize(
    ("splitter", "head", "unit"),
    [
        (JsonArraySplitter, b"[", b"1,"),
        (JsonArraySplitter, b"[", b'"\\ud800",'),
        (EnvelopeSplitter, b'{"source":"s","data":[', b"1,"),
        (EnvelopeSplitter, b'{"x":[', b"[],"),
    ],
)
def test_a_piece_is_taken_in_small_steps(splitter, head, unit):
    units = (PIECE_BYTES - len(head)) // len(unit)
    taking = splitter(PARTS, RECORD)

    steps = list(taking.feed(head + unit * units))

    assert len(steps) > units // MOST
    assert max(len(step) for step in steps) <= MOST * len(unit)

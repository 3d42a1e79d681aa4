"""Coverage-guided fuzzing of the splitters, and of the workers' code on what the splitters accept.

``python -m tests.chaos.fuzz_splitters <libFuzzer's options> <folder of the corpus>`` exits with 0
if nothing was found. Otherwise libFuzzer prints the input and writes it to a file, which is the
only argument needed to run it again. An input is a body, followed by six bytes that choose how it
is sent.
"""

import sys

import atheris

with atheris.instrument_imports(
    include=[
        "core.formats",
        "service.splitting",
        "core.records",
    ]
):
    from service.problems import PROBLEM_TYPES
    from tests.support.import_oracle import assert_outcomes
    from tests.support.part_runs import as_one_part, run_parts
    from tests.support.reference import ARRAY, CSV, ENVELOPE, NDJSON, judge
    from tests.support.splits import BIG, RejectedBody, parts_hold, pieces_of, run

KINDS = (ENVELOPE, ARRAY, CSV, NDJSON)
LIMITS = (BIG, 200, 40, 16)
"""Bytes of a record."""
CHOICES = 6
BYTEWISE = 600
"""Longer bodies are not sent byte by byte, which would take too long."""


def pieces_of_sizes(body: bytes, sizes: bytes) -> list[bytes]:
    """Cut the body into pieces of these sizes plus one, repeated as often as needed."""
    pieces, at, turn = [], 0, 0
    while at < len(body):
        end = at + 1 + sizes[turn % len(sizes)]
        pieces.append(body[at:end])
        at, turn = end, turn + 1
    return pieces


def test_one(data: bytes) -> None:
    """Raise if a body is accepted, split or imported wrongly."""
    if len(data) < CHOICES:
        return
    body, choices = data[:-CHOICES], data[-CHOICES:]
    kind, limit = KINDS[choices[0] % len(KINDS)], LIMITS[choices[1] % len(LIMITS)]
    part_bytes, *sizes = choices[2:]

    outcome = run(kind.make(part_bytes + 1, limit), [body])
    pieces = pieces_of_sizes(body, bytes(sizes))
    assert run(kind.make(part_bytes + 1, limit), pieces) == outcome
    if len(body) <= BYTEWISE:
        assert run(kind.make(part_bytes + 1, limit), pieces_of(body, 1)) == outcome
    content = kind.read(body)
    # Rows whose quotes are not RFC 4180's are rejected one by one; the reference cannot read them.
    is_irregular = content is None and kind is CSV and not isinstance(outcome, RejectedBody)
    if not is_irregular:
        judge(body, outcome, content, limit)
    if isinstance(outcome, RejectedBody):
        assert outcome.code in PROBLEM_TYPES
        return
    parts_hold(outcome.split, part_bytes + 1)
    several, one = (
        run_parts(outcome.stored, outcome.split, parts, piece=1 + sizes[0])
        for parts in (outcome.split.parts, as_one_part(outcome.split))
    )
    assert several.outcomes == one.outcomes
    if content is not None:
        assert_outcomes(several.outcomes, several.texts, content)
        assert_outcomes(one.outcomes, one.texts, content)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()

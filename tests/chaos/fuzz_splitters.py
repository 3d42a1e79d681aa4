"""Coverage-guided fuzzing of the splitters, and of the workers on what these take.

``python -m tests.chaos.fuzz_splitters <libFuzzer's options> <folder of the corpus>`` ends with 0 if
nothing was found; else libFuzzer shows the input and keeps it in a file, which is the only argument
needed to see it again. An input is a body and, behind it, six bytes that say how it is sent.
"""

import sys

import atheris

with atheris.instrument_imports(
    include=[
        "core.formats",
        "service.splitting",
        "tasks.importing.parsing",
        "tasks.importing.validation",
    ]
):
    from service.problems import PROBLEM_TYPES
    from tests.support.import_oracle import as_one_part, carry_all, judge_books
    from tests.support.reference import ARRAY, CSV, ENVELOPE, NDJSON, judge
    from tests.support.splits import BIG, RejectedRecord, parts_hold, pieces_of, run

FORMS = (ENVELOPE, ARRAY, CSV, NDJSON)
BOUNDS = (BIG, 200, 40, 16)
CHOICES = 6
BYTEWISE = 600
"""Longer bodies are not sent byte by byte: that would take too long."""


def sent_in(body: bytes, sizes: bytes) -> list[bytes]:
    """The body in pieces of these sizes, again and again."""
    pieces, at, turn = [], 0, 0
    while at < len(body):
        end = at + 1 + sizes[turn % len(sizes)]
        pieces.append(body[at:end])
        at, turn = end, turn + 1
    return pieces


def test_one(data: bytes) -> None:
    """Raises if a body is not taken, split and carried as it should be."""
    if len(data) < CHOICES:
        return
    body, choices = data[:-CHOICES], data[-CHOICES:]
    form, bound = FORMS[choices[0] % len(FORMS)], BOUNDS[choices[1] % len(BOUNDS)]
    part_bytes, *sizes = choices[2:]

    outcome = run(form.make(part_bytes + 1, bound), [body])
    assert run(form.make(part_bytes + 1, bound), sent_in(body, bytes(sizes))) == outcome
    if len(body) <= BYTEWISE:
        assert run(form.make(part_bytes + 1, bound), pieces_of(body, 1)) == outcome
    content = form.read(body)
    judge(body, outcome, content, bound)
    if isinstance(outcome, RejectedRecord):
        assert outcome.code in PROBLEM_TYPES
        return
    assert content is not None
    parts_hold(outcome.split, part_bytes + 1)
    for parts in (outcome.split.parts, as_one_part(outcome.split)):
        books = carry_all(outcome.stored, outcome.split, parts, piece=1 + sizes[0])
        judge_books(books, content)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()

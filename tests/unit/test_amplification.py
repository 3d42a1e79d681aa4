"""CPU time that hostile input costs, in the service and in a worker, beside ordinary contacts.

In this process ordinary contacts cost a quarter of what they cost with HTTP and the database around
them, hence bounds that look higher than the ten times of ``benchmarks.amplification``.
"""

import pytest

from benchmarks.amplification import INPUTS, Cost, Input, measure_input, measure_ordinary
from core.emails import normalised_email
from tests.support.contacts import MIB

SERVICE_BOUND, WORKER_BOUND = 60, 120
"""Times the CPU of ordinary contacts; before these bounds inputs cost up to 400 and 1,900 times."""
SIZE = MIB // 2
"""Bytes of each body; what is done with the first 64 KiB to decide how to read it is in it."""
TRIES = 6
"""Times that an input is measured at most: another process may take the caches of a processor."""


@pytest.fixture(scope="module")
def ordinary():
    measure_ordinary(SIZE)  # what is made once in a process
    costs = [measure_ordinary(4 * MIB) for _ in range(3)]
    return max(cost.service for cost in costs), max(cost.worker for cost in costs)


@pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.name)
def test_no_input_costs_much_more_than_contacts(each: Input, ordinary):
    service, worker = ordinary
    costs: list[Cost] = []
    while len(costs) < TRIES:
        costs.append(measure_input(each, SIZE))
        least = min(cost.service for cost in costs), min(cost.worker for cost in costs)
        if least[0] < SERVICE_BOUND * service and least[1] < WORKER_BOUND * worker:
            return
    pytest.fail(f"{least} s/MB, beside {ordinary} for contacts")


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("1,", "records_too_short"),
        ("lines of []", "records_too_short"),
        ("rows of one letter", "records_too_short"),
        ("null,", "262146 records"),
    ],
)
def test_what_cannot_be_contacts_is_refused(name, outcome):
    [each] = [each for each in INPUTS if each.name == name]
    size = 5 * (262_144 if name == "null," else MIB // 5)
    assert measure_input(each, size).outcome == outcome


def test_the_domain_of_many_addresses_is_checked_once(monkeypatch):
    checked = []

    def check(email, **options):
        checked.append(email)
        raise AssertionError(email)

    assert normalised_email("a@é.example.com") == "a@é.example.com"
    monkeypatch.setattr("core.emails.validate_email", check)
    assert normalised_email("b.c@é.example.com") == "b.c@é.example.com"
    assert checked == []

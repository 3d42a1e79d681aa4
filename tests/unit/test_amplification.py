"""CPU time that hostile input costs, in the service and in a worker, beside ordinary contacts.

In this process ordinary contacts cost a quarter of what they cost with HTTP and the database around
them, hence bounds that look higher than the ten times of ``benchmarks.amplification``.
"""

import pytest

from benchmarks.amplification import INPUTS, Input, measure_input, measure_ordinary
from core.emails import normalised_email
from tests.support.contacts import MIB

SERVICE_BOUND, WORKER_BOUND = 60, 120
"""Times the CPU of ordinary contacts; before these bounds inputs cost up to 400 and 1,900 times."""
SIZE = MIB // 4


@pytest.fixture(scope="module")
def ordinary():
    measure_ordinary(SIZE)  # what is made once in a process
    costs = [measure_ordinary(4 * MIB) for _ in range(3)]
    return max(cost.service for cost in costs), max(cost.worker for cost in costs)


@pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.name)
def test_no_input_costs_much_more_than_contacts(each: Input, ordinary):
    service, worker = ordinary
    costs = [measure_input(each, SIZE) for _ in range(2)]
    assert min(cost.service for cost in costs) < SERVICE_BOUND * service
    assert min(cost.worker for cost in costs) < WORKER_BOUND * worker


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

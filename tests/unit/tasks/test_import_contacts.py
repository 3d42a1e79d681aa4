import pytest

from config.errors import Permanent, Transient
from tasks.errors import PutOff
from tasks.import_contacts import ImportContacts
from tests.unit.tasks.fakes import IMPORT, FakeLedger


def tell(ledger, **more):
    done_here = []

    def import_part(import_id, part, *, ended):
        done_here.append((import_id, part, *ended))

    ImportContacts(ledger, import_part)(IMPORT, **more)
    return done_here


def test_an_unknown_import_is_no_work():
    ledger = FakeLedger(started=None)
    assert tell(ledger) == []
    assert ledger.calls == [("start_import", IMPORT)]


def test_an_import_of_nothing_is_no_work():
    ledger = FakeLedger(started=())
    assert tell(ledger) == []
    assert ledger.calls == [("start_import", IMPORT)]


def test_a_single_part_is_done_in_the_same_message():
    ledger = FakeLedger(started=(1,))
    assert tell(ledger) == [(IMPORT, 1)]
    assert ledger.calls == [("start_import", IMPORT)]
    assert tell(ledger, ended=("an attempt",)) == [(IMPORT, 1, "an attempt")]


def test_several_parts_are_queued():
    ledger = FakeLedger(started=(1, 2, 5))
    assert tell(ledger) == []
    assert ledger.calls[1:] == [("queue_parts", IMPORT, (1, 2, 5))]


@pytest.mark.parametrize("call", ["start_import", "queue_parts"])
@pytest.mark.parametrize(
    ("error", "seconds"),
    [(Transient("database", "busy", retry_after=9), 9), (Permanent("database", "no"), None)],
)
def test_without_the_ledger_the_message_comes_again(call, error, seconds):
    with pytest.raises(PutOff) as put_off:
        tell(FakeLedger(started=(1, 2), error=error, failing={call}))
    assert put_off.value.seconds == seconds

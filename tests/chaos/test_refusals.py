"""The database refuses rows, or takes too long; Storage and the gateway refuse us."""

import contextlib
import time
from collections.abc import Iterator

import psutil
import pytest

from service.intake.buffers import CHUNK_BYTES
from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.moments import MOMENTS, a_moment, each
from tests.chaos.rules import CHECK, TRIGGER, rule_on_contacts
from tests.chaos.stack import Lab, Sent
from tests.support.faults import ANY, APPEND, CONTACTS, FOR_EVER, PROGRESS, ForgeKey, Hold

REFUSED = "refused_by_database"

needs_limits = pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits another process")


@pytest.mark.writers
@pytest.mark.parametrize("how", ["check", "trigger"])
@pytest.mark.fault("rows that only the database refuses")
def test_a_few_rows_are_refused(chaos: Chaos, how: str, run: int) -> None:
    lab = chaos.lab
    data = make_data(chaos.rng, records=2000)
    other = make_data(chaos.rng, records=500)
    valid = sorted(set(range(1, 2001)) - data.rejected.keys())
    few = {valid[0], valid[-1], *chaos.rng.sample(valid, 5)}
    statement = CHECK if how == "check" else TRIGGER
    numbers = ", ".join(map(str, sorted(few)))

    with rule_on_contacts(
        lab, statement, data, numbers=numbers, deed="raise exception 'not this one'"
    ):
        sent = [lab.send(data), lab.send(other)]
        chaos.audit.settle(
            sent,
            over_at=time.monotonic(),
            refused={data.source: dict.fromkeys(few, REFUSED)},
        )


@pytest.mark.slow
@pytest.mark.fault("statement timeouts")
def test_batches_that_take_too_long_become_smaller(chaos: Chaos, run: int) -> None:
    lab = chaos.lab
    data = make_data(chaos.rng, records=1200)
    first = chaos.rng.randint(1, 1000)
    numbers = ", ".join(map(str, range(first, first + 150)))
    lab.query("alter role authenticator set statement_timeout = '800ms'")
    try:
        with rule_on_contacts(lab, TRIGGER, data, numbers=numbers, deed="perform pg_sleep(0.02)"):
            lab.kill_postgrest()  # the setting is read by new connections only
            lab.await_ready()
            sent = lab.send(data)
            chaos.audit.settle([sent], over_at=time.monotonic())
            assert lab.gateway.count(CONTACTS) > 1200 / 100 + 2, "no batch was halved"
    finally:
        lab.query("alter role authenticator set statement_timeout = '8s'")
        lab.kill_postgrest()
        lab.await_ready()


@pytest.mark.parametrize("moment", each(MOMENTS, fast=["middle"]))
@pytest.mark.fault("the key revoked for a while")
def test_the_key_is_revoked(chaos: Chaos, moment: str, run: int) -> None:
    lab = chaos.lab
    data = make_data(chaos.rng, records=3000)
    hold = a_moment(chaos, moment, [data], lose=True)
    sent = lab.send(data)
    hold.wait()

    lab.gateway.spoil(ForgeKey(ANY, times=FOR_EVER))
    hold.release()
    assert_not_ready(lab, {"storage": "unavailable", "database": "unavailable"})
    refused = lab.send(make_data(chaos.rng, records=100))
    assert_told_clearly(lab, refused)
    lab.gateway.heal()
    over = time.monotonic()

    lab.await_ready()
    again = lab.send(refused.data)
    assert again.status == 202
    chaos.audit.settle([sent, again], over_at=over)


@pytest.mark.fault("the bucket gone for a while")
def test_the_bucket_is_gone(chaos: Chaos, run: int) -> None:
    lab = chaos.lab
    # Only an empty bucket can be removed, so what others tests have left must go.
    lab.query("truncate imports, contacts cascade")
    lab.storage("POST", "/bucket/imports/empty")
    lab.storage("DELETE", "/bucket/imports")

    assert_not_ready(lab, {"storage": "unavailable", "database": "ok"})
    small = lab.send(make_data(chaos.rng, records=100))
    large = lab.send(make_data(chaos.rng, records=500, pad=40_000))
    for refused in (small, large):
        assert_told_clearly(lab, refused)
    lab.storage("POST", "/bucket", json={"id": "imports", "name": "imports", "public": False})
    over = time.monotonic()

    lab.await_ready()
    again = [lab.send(small.data), lab.send(large.data)]
    assert [one.status for one in again] == [202, 202]
    chaos.audit.settle(again, over_at=over)


@contextlib.contextmanager
def full_disk(lab: Lab, room: int) -> Iterator[None]:
    """The process that serves Storage can write no file beyond so many bytes."""
    storage = psutil.Process(lab.env.pid)
    soft, hard = storage.rlimit(psutil.RLIMIT_FSIZE)
    storage.rlimit(psutil.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        storage.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))


FULL = {
    "start": (0, 0),
    "middle": (1, CHUNK_BYTES + 2_000_000),
    "last": (2, 2 * CHUNK_BYTES + 200_000),
}
"""Chunks that are there before the disk is full, and how much room a file has then."""


@needs_limits
@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault("a full disk in Storage")
def test_storages_disk_is_full(chaos: Chaos, moment: str, run: int) -> None:
    lab = chaos.lab
    running = lab.send(make_data(chaos.rng, records=3000))
    skip, room = FULL[moment]
    hold = Hold(APPEND, skip=skip)
    lab.gateway.spoil(hold)
    uploading = lab.sending(make_data(chaos.rng, records=700, pad=28_000))
    hold.wait()

    with full_disk(lab, room):
        hold.release()
        large = uploading.result()
        assert_told_clearly(lab, large)
    with full_disk(lab, 0):
        small = lab.send(make_data(chaos.rng, records=100))
        assert_told_clearly(lab, small)
        assert_not_ready(lab, {"storage": "unavailable", "database": "ok"})
        assert not lab.half_stored()
    over = time.monotonic()

    lab.await_ready()
    again = [lab.send(large.data), lab.send(small.data)]
    assert [one.status for one in again] == [202, 202]
    chaos.audit.settle([running, *again], over_at=over)


@needs_limits
@pytest.mark.slow
@pytest.mark.fault("a full disk in Storage")
def test_a_disk_that_is_full_for_a_moment_is_not_noticed(chaos: Chaos, run: int) -> None:
    lab = chaos.lab
    skip, room = FULL["middle"]
    hold = Hold(APPEND, skip=skip)
    lab.gateway.spoil(hold)
    uploading = lab.sending(make_data(chaos.rng, records=700, pad=28_000))
    hold.wait()

    with full_disk(lab, room):
        hold.release()
        lab.gateway.await_more(PROGRESS, than=0, seconds=30)
    over = time.monotonic()

    sent = uploading.result()
    assert sent.status == 202, sent.text
    chaos.audit.settle([sent], over_at=over)


def assert_not_ready(lab: Lab, checks: dict[str, str]) -> None:
    answer = lab.ready()
    assert answer is not None
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["checks"] == checks


def assert_told_clearly(lab: Lab, refused: Sent) -> None:
    assert refused.status == 503
    assert '"storage_unavailable"' in refused.text
    assert lab.env["SUPABASE_SERVICE_ROLE_KEY"] not in refused.text

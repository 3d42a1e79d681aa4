"""The database rejects rows or is too slow; Storage rejects requests."""

import contextlib
import time
from collections.abc import Iterator

import psutil
import pytest

from service.intake.buffers import CHUNK_BYTES
from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import MOMENTS, hold_at, parameters
from tests.chaos.stack import ImporterStack, Sent
from tests.chaos.table_rules import CHECK, TRIGGER, rule_on_contacts
from tests.support.faults import ANY, APPEND, CONTACTS, FOR_EVER, PROGRESS, ForgeKey, Hold

REJECTED = "refused_by_database"

needs_limits = pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits another process")


@pytest.mark.writers
@pytest.mark.parametrize("how", ["check", "trigger"])
@pytest.mark.fault("rows rejected by the database")
def test_rows_rejected_by_the_database(chaos: Chaos, how: str, run: int) -> None:
    stack = chaos.stack
    data = make_data(chaos.rng, records=2000)
    other = make_data(chaos.rng, records=500)
    valid = sorted(set(range(1, 2001)) - data.rejected.keys())
    few = {valid[0], valid[-1], *chaos.rng.sample(valid, 5)}
    statement = CHECK if how == "check" else TRIGGER
    numbers = ", ".join(map(str, sorted(few)))

    with rule_on_contacts(
        stack, statement, data, numbers=numbers, action="raise exception 'not this one'"
    ):
        sent = [stack.send(data), stack.send(other)]
        chaos.audit.settle(
            sent,
            over_at=time.monotonic(),
            rejected={data.source: dict.fromkeys(few, REJECTED)},
        )


@pytest.mark.slow
@pytest.mark.fault("statement timeouts")
def test_statement_timeouts_halve_the_batch(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    data = make_data(chaos.rng, records=1200)
    first = chaos.rng.randint(1, 1000)
    numbers = ", ".join(map(str, range(first, first + 150)))
    stack.query("alter role authenticator set statement_timeout = '800ms'")
    try:
        with rule_on_contacts(
            stack, TRIGGER, data, numbers=numbers, action="perform pg_sleep(0.02)"
        ):
            stack.kill_postgrest()  # the setting is read by new connections only
            stack.await_ready()
            sent = stack.send(data)
            chaos.audit.settle([sent], over_at=time.monotonic())
            assert stack.proxy.count(CONTACTS) > 1200 / 100 + 2, "no batch was halved"
    finally:
        stack.query("alter role authenticator set statement_timeout = '8s'")
        stack.kill_postgrest()
        stack.await_ready()


@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
@pytest.mark.fault("the key revoked for a while")
def test_api_key_revoked_for_some_time(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    data = make_data(chaos.rng, records=3000)
    hold = hold_at(chaos, moment, [data], lose=True)
    sent = stack.send(data)
    hold.wait()

    stack.proxy.inject(ForgeKey(ANY, times=FOR_EVER))
    hold.release()
    assert_not_ready(stack, {"storage": "unavailable", "database": "unavailable"})
    rejected = stack.send(make_data(chaos.rng, records=100))
    assert_refused(stack, rejected)
    stack.proxy.clear_faults()
    over = time.monotonic()

    stack.await_ready()
    again = stack.send(rejected.data)
    assert again.status == 202
    chaos.audit.settle([sent, again], over_at=over)


@pytest.mark.fault("the bucket gone for a while")
def test_bucket_missing_for_some_time(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    # Only an empty bucket can be removed, so everything that other tests have left is removed.
    stack.query("truncate imports, contacts cascade")
    stack.storage("POST", "/bucket/imports/empty")
    stack.storage("DELETE", "/bucket/imports")

    assert_not_ready(stack, {"storage": "unavailable", "database": "ok"})
    small = stack.send(make_data(chaos.rng, records=100))
    large = stack.send(make_data(chaos.rng, records=500, pad=40_000))
    for rejected in (small, large):
        assert_refused(stack, rejected)
    stack.storage("POST", "/bucket", json={"id": "imports", "name": "imports", "public": False})
    over = time.monotonic()

    stack.await_ready()
    again = [stack.send(small.data), stack.send(large.data)]
    assert [each.status for each in again] == [202, 202]
    chaos.audit.settle(again, over_at=over)


@contextlib.contextmanager
def limited_disk(stack: ImporterStack, room: int) -> Iterator[None]:
    """Limit the size of the files that the process of Storage can write, in bytes."""
    storage = psutil.Process(stack.env.pid)
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
"""Chunks that are uploaded before the disk is full, and the limit for a file then."""


@needs_limits
@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault("a full disk in Storage")
def test_storage_disk_full(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    running = stack.send(make_data(chaos.rng, records=3000))
    skip, room = FULL[moment]
    hold = Hold(APPEND, skip=skip)
    stack.proxy.inject(hold)
    uploading = stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))
    hold.wait()

    with limited_disk(stack, room):
        hold.release()
        large = uploading.result()
        assert_unavailable(stack, large)
    with limited_disk(stack, 0):
        small = stack.send(make_data(chaos.rng, records=100))
        assert_unavailable(stack, small)
        assert_not_ready(stack, {"storage": "unavailable", "database": "ok"})
        assert not stack.half_stored()
    over = time.monotonic()

    stack.await_ready()
    again = [stack.send(large.data), stack.send(small.data)]
    assert [each.status for each in again] == [202, 202]
    chaos.audit.settle([running, *again], over_at=over)


@needs_limits
@pytest.mark.slow
@pytest.mark.fault("a full disk in Storage")
def test_storage_disk_full_for_a_moment(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    skip, room = FULL["middle"]
    hold = Hold(APPEND, skip=skip)
    stack.proxy.inject(hold)
    uploading = stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))
    hold.wait()

    with limited_disk(stack, room):
        hold.release()
        stack.proxy.await_more(PROGRESS, than=0, seconds=30)
    over = time.monotonic()

    sent = uploading.result()
    assert sent.status == 202, sent.text
    chaos.audit.settle([sent], over_at=over)


def assert_not_ready(stack: ImporterStack, checks: dict[str, str]) -> None:
    answer = stack.ready()
    assert answer is not None
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["checks"] == checks


def assert_unavailable(stack: ImporterStack, rejected: Sent) -> None:
    assert_answered(stack, rejected, 503, "storage_unavailable")


def assert_refused(stack: ImporterStack, rejected: Sent) -> None:
    """A person must act: sending it again does not help before that."""
    assert_answered(stack, rejected, 500, "storage_refused")


def assert_answered(stack: ImporterStack, rejected: Sent, status: int, code: str) -> None:
    assert (rejected.status, f'"{code}"' in rejected.text) == (status, True), rejected.text
    assert stack.env["SUPABASE_SERVICE_ROLE_KEY"] not in rejected.text

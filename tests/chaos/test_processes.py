"""Workers and the service are killed, lost, and stopped."""

import contextlib
import time

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import Data, make_data
from tests.chaos.fault_points import MOMENTS, hold_at, parameters
from tests.chaos.stack import Sent, process_at
from tests.chaos.supervised_process import eventually, kill
from tests.support.faults import APPEND, CONTACTS, CREATE_IMPORT, START_PART, Hold

RESUMED = 15.0
"""Seconds until work continues after a restart."""
NOTICED = 60.0
"""Seconds until work continues without one, because others take over."""


def assert_resumed(chaos: Chaos, before: int) -> None:
    def goes_on() -> bool:
        # The worker processes of a killed master may finish everything before they stop.
        [(open_imports,)] = chaos.stack.query(
            "select count(*) from imports where state in ('queued', 'importing')"
        )
        return chaos.stack.proxy.count(START_PART) > before or open_imports == 0

    eventually(goes_on, "work is resumed", RESUMED)


@pytest.mark.writers
@pytest.mark.fault("kill -9 of a worker process")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
def test_worker_process_killed(chaos: Chaos, moment: str, run: int) -> None:
    data = make_data(chaos.rng, records=4000, ending=chaos.rng.choice(["json", "csv"]))
    hold = hold_at(chaos, moment, [data])
    sent = chaos.stack.send(data)
    hold.wait()

    kill(chaos.stack.requesting_process(hold).pid)
    over, starts = time.monotonic(), chaos.stack.proxy.count(START_PART)
    hold.release()

    if moment != "last":
        assert_resumed(chaos, starts)
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.writers
@pytest.mark.fault("kill -9 of the worker master")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["start"]))
def test_worker_master_killed(chaos: Chaos, moment: str, run: int) -> None:
    data = make_data(chaos.rng, records=4000)
    hold = hold_at(chaos, moment, [data])
    sent = chaos.stack.send(data)
    hold.wait()

    chaos.stack.workers.kill()
    over, starts = time.monotonic(), chaos.stack.proxy.count(START_PART)
    hold.release()

    if moment != "last":
        assert_resumed(chaos, starts)
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.writers
@pytest.mark.fault("kill -9 of all workers, ten imports")
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("start", marks=pytest.mark.slow),
        "middle",
        pytest.param("last", marks=pytest.mark.slow),
    ],
)
def test_all_workers_killed_during_ten_imports(chaos: Chaos, moment: str, run: int) -> None:
    data = [make_data(chaos.rng, records=1500) for _ in range(10)]
    hold = hold_at(chaos, moment, data)
    sending = [chaos.stack.send_in_background(each) for each in data]
    hold.wait()

    for pid in chaos.stack.workers.pids():
        kill(pid)
    over, starts = time.monotonic(), chaos.stack.proxy.count(START_PART)
    hold.release()

    if moment != "last":
        assert_resumed(chaos, starts)
    chaos.audit.settle([future.result() for future in sending], over_at=over)


@pytest.mark.writers
@pytest.mark.fault("a worker machine vanishes")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
def test_worker_machine_killed_without_restart(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    other = stack.machine("other")
    other.start()
    with contextlib.ExitStack() as exit_stack:
        exit_stack.callback(other.stop)
        data = [make_data(chaos.rng, records=3000) for _ in range(2)]
        hold = hold_at(chaos, moment, data, lose=True)
        sent = [stack.send(each) for each in data]
        hold.wait()

        victim = other if process_at(other, hold.peer) else stack.workers
        victim.vanish()
        over = time.monotonic()
        hold.release()

        chaos.audit.settle(sent, over_at=over, within=NOTICED)
        if victim is stack.workers:
            stack.workers.start()


def kill_service_at(chaos: Chaos, hold: Hold, data: Data) -> tuple[Sent, float]:
    """Kill the service at a point of an upload; returns the client's result and the time."""
    stack = chaos.stack
    stack.proxy.inject(hold)
    uploading = stack.send_in_background(data)
    hold.wait()
    stack.service.kill()
    over = time.monotonic()
    hold.release()
    stack.await_ready()
    sent = uploading.result()
    assert sent.status == 0
    return sent, over


@pytest.mark.fault("kill -9 of the service mid-upload")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
def test_service_killed_during_an_upload(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    skip, after = {"start": (0, False), "middle": (1, True), "last": (2, False)}[moment]
    others = [stack.send(make_data(chaos.rng, records=500)) for _ in range(2)]

    sent, over = kill_service_at(
        chaos,
        Hold(APPEND, skip=skip, after=after, lose=True),
        make_data(chaos.rng, records=700, pad=28_000),
    )

    again = stack.send(sent.data)
    assert again.status == 202
    chaos.audit.settle([*others, again], over_at=over, sweep=True)


@pytest.mark.fault("kill -9 of the service before it queues")
def test_service_killed_between_upload_and_create_import(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    sent, over = kill_service_at(
        chaos, Hold(CREATE_IMPORT, lose=True), make_data(chaos.rng, records=500)
    )

    assert stack.query("select id from imports where source = %s", sent.data.source) == []
    verdict = chaos.audit.settle(
        [sent, stack.send(make_data(chaos.rng, records=500))], over_at=over, sweep=True
    )
    assert verdict.swept == 1


@pytest.mark.fault("kill -9 of the service before it answers")
def test_service_killed_between_create_import_and_answer(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    sent, over = kill_service_at(
        chaos, Hold(CREATE_IMPORT, after=True), make_data(chaos.rng, records=500)
    )

    [(recorded,)] = stack.query("select id from imports where source = %s", sent.data.source)
    # The client cannot know it, but the recorded import is completed.
    chaos.audit.settle([Sent(sent.data, 202, f"import-{recorded}")], over_at=over)


@pytest.mark.writers
@pytest.mark.fault("SIGTERM to the workers")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
def test_workers_get_sigterm(chaos: Chaos, moment: str, run: int) -> None:
    data = [make_data(chaos.rng, records=2500) for _ in range(2)]
    hold = hold_at(chaos, moment, data, lose=False)
    sent = [chaos.stack.send(each) for each in data]
    hold.wait()

    code = chaos.stack.workers.terminate(hold.release)
    over = time.monotonic()

    assert code == 0
    chaos.audit.settle(sent, over_at=over)


@pytest.mark.fault("SIGTERM to the service mid-upload")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
def test_service_gets_sigterm_during_an_upload(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    hold = Hold(APPEND, skip=MOMENTS.index(moment), after=chaos.rng.random() < 0.5)
    stack.proxy.inject(hold)
    uploading = stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))
    hold.wait()

    code = stack.service.terminate(hold.release)
    over = time.monotonic()
    stack.await_ready()

    assert code == 0
    sent = uploading.result()
    assert sent.status == 202, "a running upload is finished within the grace"
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("a part that kills its worker")
def test_a_part_that_kills_its_worker_fails(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    deadly = make_data(chaos.rng, records=100, mark="deadly")
    others = [make_data(chaos.rng, records=2500) for _ in range(3)]
    hold = Hold(CONTACTS, containing=b"deadly", lose=True)
    stack.proxy.inject(hold)
    sent = [stack.send(each) for each in [deadly, *others]]
    for _ in range(5):
        hold.wait()
        kill(stack.requesting_process(hold).pid)
        hold.release()
        hold = Hold(CONTACTS, containing=b"deadly", lose=True)
        stack.proxy.inject(hold)
    over = time.monotonic()

    chaos.audit.settle(sent, over_at=over, failed=frozenset({deadly.source}))
    [(shown,)] = stack.query("select get_import(%s::uuid)", sent[0].import_id)
    assert shown["failure"]["code"] == "attempts_exhausted"
    assert not hold.reached.is_set(), "a sixth attempt was made"

"""Postgres, PostgREST and Storage die, restart, stutter, and lose their answers."""

import itertools
import signal
import time

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import MOMENTS, hold_at, parameters
from tests.chaos.stack import Sent
from tests.chaos.supervised_process import eventually
from tests.support.faults import (
    APPEND,
    CONTACTS,
    COUNTS,
    CREATE_IMPORT,
    CREATE_UPLOAD,
    END_PART,
    FOR_EVER,
    PUT,
    QUEUE_PARTS,
    READ,
    REJECTIONS,
    START_IMPORT,
    START_PART,
    Answer,
    CutAnswer,
    CutRequest,
    Delay,
    Fault,
    Hold,
    LoseAnswer,
    Requests,
)


def under_way(chaos: Chaos, moment: str) -> tuple[list[Sent], Hold]:
    """Two imports that run, and one of their requests that is held."""
    data = [make_data(chaos.rng, records=2500) for _ in range(2)]
    hold = hold_at(chaos, moment, data)
    sent = [chaos.stack.send(each) for each in data]
    hold.wait()
    return sent, hold


@pytest.mark.writers
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
@pytest.mark.parametrize("how", parameters([signal.SIGKILL, signal.SIGINT], fast=[signal.SIGKILL]))
@pytest.mark.fault("Postgres restarted")
def test_postgres_restarted(chaos: Chaos, how: signal.Signals, moment: str, run: int) -> None:
    stack = chaos.stack
    sent, hold = under_way(chaos, moment)
    uploading = stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))
    more = [stack.send_in_background(make_data(chaos.rng, records=300)) for _ in range(3)]

    stack.kill_postgres(how)
    over = time.monotonic()
    hold.release()
    stack.await_ready()

    answers = [future.result() for future in [uploading, *more]]
    assert {answer.status for answer in answers} <= {202, 503}
    chaos.audit.settle([*sent, *answers], over_at=over, sweep=True)


@pytest.mark.writers
@pytest.mark.parametrize(
    ("seconds", "moment"), [(3, "start"), (3, "middle"), (3, "last"), (30, "middle")]
)
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("Postgres unavailable for a while")
def test_postgres_down_for_some_time(chaos: Chaos, seconds: int, moment: str, run: int) -> None:
    stack = chaos.stack
    sent, hold = under_way(chaos, moment)

    with stack.without_postgres():
        hold.release()
        uploads = [
            stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))
            for _ in range(2)
        ]
        time.sleep(seconds)  # the fault itself
    over = time.monotonic()
    stack.await_ready()

    answers = [future.result() for future in uploads]
    assert {answer.status for answer in answers} <= {202, 503}
    chaos.audit.settle([*sent, *answers], over_at=over, within=90, sweep=True)


@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["middle"]))
@pytest.mark.fault("PostgREST killed")
def test_postgrest_killed(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    sent, hold = under_way(chaos, moment)
    uploading = stack.send_in_background(make_data(chaos.rng, records=700, pad=28_000))

    stack.kill_postgrest()
    over = time.monotonic()
    hold.release()
    stack.await_ready()

    answer = uploading.result()
    assert answer.status in {202, 503}
    chaos.audit.settle([*sent, answer], over_at=over, sweep=True)


@pytest.mark.writers
@pytest.mark.parametrize(
    ("how", "moment"),
    parameters(itertools.product(["cut", "refused", "stalled"], MOMENTS), fast=[("cut", "middle")]),
)
@pytest.mark.fault("the queue's connections broken")
def test_connections_to_the_queue_broken(chaos: Chaos, how: str, moment: str, run: int) -> None:
    stack = chaos.stack
    sent, hold = under_way(chaos, moment)

    if how == "cut":
        stack.tcp_proxy.cut()
    elif how == "refused":
        stack.tcp_proxy.refuse()
    else:
        stack.tcp_proxy.stall()
    hold.release()
    sent += [stack.send(make_data(chaos.rng, records=1500)) for _ in range(3)]
    stack.tcp_proxy.clear_faults()
    over = time.monotonic()

    chaos.audit.settle(sent, over_at=over)


def storage_faults(chaos: Chaos, fault: str, requests: Requests, *, skip: int) -> Fault:
    at = chaos.rng.randint(1, 200_000)
    waiting = {"Retry-After": "1"}
    rules: dict[str, Fault] = {
        "500": Answer(requests, skip=skip, times=2, status=500),
        "503": Answer(requests, skip=skip, times=3, status=503),
        "404": Answer(requests, skip=skip, times=2, status=404),
        "429": Answer(requests, skip=skip, times=2, status=429, headers=waiting),
        "cut request": CutRequest(requests, skip=skip, times=2, after=at),
        "cut answer": CutAnswer(requests, skip=skip, times=2, after=at),
        "swallowed": LoseAnswer(requests, skip=skip, times=2),
        "slow": Delay(requests, skip=skip, times=3, seconds=1),
    }
    return rules[fault]


@pytest.mark.parametrize(
    ("moment", "fault"),
    parameters(
        itertools.product(
            ["begin", "middle", "last", "small"],
            ["500", "503", "404", "429", "cut request", "swallowed", "slow"],
        ),
        fast=[("begin", "503"), ("middle", "cut request"), ("last", "swallowed"), ("small", "429")],
    ),
)
@pytest.mark.fault("Storage faults on upload")
def test_storage_faults_during_an_upload(chaos: Chaos, moment: str, fault: str, run: int) -> None:
    stack = chaos.stack
    requests = {"begin": CREATE_UPLOAD, "small": PUT}.get(moment, APPEND)
    skip = {"middle": 1, "last": 2}.get(moment, 0)
    rule = storage_faults(chaos, fault, requests, skip=skip)
    stack.proxy.inject(rule)
    size = (300, 700) if moment == "small" else (500, 40_000)

    sent = stack.send(make_data(chaos.rng, records=size[0], pad=size[1]))
    over = time.monotonic()

    assert sent.status == 202, sent.text
    assert rule.hits > 0
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.writers
@pytest.mark.parametrize(
    "fault",
    parameters(
        ["500", "503", "404", "429", "cut answer", "swallowed", "slow"],
        fast=["503", "404", "cut answer"],
    ),
)
@pytest.mark.fault("Storage faults on reading")
def test_storage_faults_during_a_read(chaos: Chaos, fault: str, run: int) -> None:
    rules = [storage_faults(chaos, fault, READ, skip=at) for at in (0, 2, 5)]
    chaos.stack.proxy.inject(*rules)

    sent = chaos.stack.send(make_data(chaos.rng, records=4000))
    over = time.monotonic()

    chaos.audit.settle([sent], over_at=over)
    assert rules[0].hits > 0


@pytest.mark.parametrize("status", [503, 507])
@pytest.mark.parametrize("requests", [PUT, CREATE_UPLOAD, APPEND], ids=["put", "begin", "patch"])
@pytest.mark.slow
@pytest.mark.fault("Storage unavailable, or its disk full, for too long")
def test_storage_unavailable_for_too_long(
    chaos: Chaos, status: int, requests: Requests, run: int
) -> None:
    stack = chaos.stack
    stack.proxy.inject(Answer(requests, times=FOR_EVER, status=status))
    size = (300, 700) if requests is PUT else (500, 40_000)

    rejected = stack.send(make_data(chaos.rng, records=size[0], pad=size[1]))
    stack.proxy.clear_faults()
    over = time.monotonic()

    assert rejected.status == 503
    assert '"storage_unavailable"' in rejected.text
    again = stack.send(rejected.data)
    assert again.status == 202
    chaos.audit.settle([again], over_at=over)


LOSABLE = {
    "create_import": CREATE_IMPORT,
    "start_import": START_IMPORT,
    "queue_parts": QUEUE_PARTS,
    "start_part": START_PART,
    "finish_part": END_PART,
    "contacts": CONTACTS,
    "rejections": REJECTIONS,
}


@pytest.mark.parametrize(
    "name", parameters(LOSABLE, fast=["create_import", "queue_parts", "finish_part", "contacts"])
)
@pytest.mark.fault("answers lost")
def test_answers_of_database_functions_lost(chaos: Chaos, name: str, run: int) -> None:
    rare = name in {"create_import", "start_import", "queue_parts"}
    rule = LoseAnswer(
        LOSABLE[name],
        skip=0 if rare else chaos.rng.randint(0, 6),
        times=2,
        containing=COUNTS if name == "finish_part" else b"",
    )
    chaos.stack.proxy.inject(rule)

    sent = chaos.stack.send(make_data(chaos.rng, records=3500))
    over = time.monotonic()

    assert sent.status == 202
    chaos.audit.settle([sent], over_at=over)
    assert rule.hits == 2


@pytest.mark.fault("create_import's answers all lost")
def test_an_import_that_started_is_not_rolled_back(chaos: Chaos, run: int) -> None:
    """All answers of create_import are lost, but a worker has started the import."""
    stack = chaos.stack
    stack.proxy.inject(LoseAnswer(CREATE_IMPORT, times=FOR_EVER))

    sent = stack.send(make_data(chaos.rng, records=2500))
    over = time.monotonic()

    assert sent.status == 202
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.fault("create_import's answers all lost")
def test_an_import_that_did_not_start_is_rolled_back(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    stack.workers.stop()
    stack.proxy.inject(LoseAnswer(CREATE_IMPORT, times=FOR_EVER))

    sent = stack.send(make_data(chaos.rng, records=300))
    over = time.monotonic()
    stack.workers.start()

    assert sent.status == 503
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.slow
@pytest.mark.fault("create_import's answer lost, then Postgres unavailable")
def test_rollback_is_made_up_for_when_postgres_is_back(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    stack.workers.stop()
    rejected = lose_the_answer_and_postgres(chaos, Hold(CREATE_IMPORT, after=True, lose=True))
    over = time.monotonic()

    assert len(stack.objects() - chaos.audit.before) == 1
    eventually(lambda: not stack.objects() - chaos.audit.before, "the import is rolled back")
    stack.workers.start()
    stack.await_ready()
    again = stack.send(rejected.data)
    assert again.status == 202
    chaos.audit.settle([again], over_at=over)


@pytest.mark.slow
@pytest.mark.fault("create_import's answer lost, then Postgres unavailable")
def test_an_import_that_started_continues_after_a_503(chaos: Chaos, run: int) -> None:
    """It keeps its object: there is a complete import beside the one that is sent again."""
    stack = chaos.stack
    hold = Hold(CREATE_IMPORT, after=True, lose=True)
    rejected = lose_the_answer_and_postgres(chaos, hold, until=START_PART)
    over = time.monotonic()

    [(recorded,)] = stack.query("select id from imports where source = %s", rejected.data.source)
    chaos.audit.settle([Sent(rejected.data, 202, f"import-{recorded}")], over_at=over)


def lose_the_answer_and_postgres(
    chaos: Chaos, hold: Hold, *, until: Requests | None = None
) -> Sent:
    """Send an import whose answer is lost while Postgres is down for longer than the deadline."""
    stack = chaos.stack
    stack.proxy.inject(hold)
    sending = stack.send_in_background(make_data(chaos.rng, records=2500))
    hold.wait()
    if until is not None:
        stack.proxy.await_more(until, than=0, seconds=30)
    with stack.without_postgres():
        eventually(lambda: stack.postmaster() is None, "Postgres is gone")
        hold.release()
        rejected = sending.result()
    assert rejected.status == 503
    assert '"database_unavailable"' in rejected.text
    return rejected


@pytest.mark.writers
@pytest.mark.slow
@pytest.mark.parametrize("chance", [0.05, 0.15])
@pytest.mark.timeout(300)
@pytest.mark.fault("a bit of everything")
def test_many_faults_at_random(chaos: Chaos, chance: float, run: int) -> None:
    stack, rng = chaos.stack, chaos.rng

    def rules(requests: Requests) -> list[Fault]:
        common = {"requests": requests, "times": 10, "chance": chance, "rng": rng}
        return [
            LoseAnswer(**common),
            Answer(**common, status=rng.choice([500, 502, 503])),
            CutAnswer(**common, after=20),
            CutRequest(**common, after=500),
            Delay(**common, seconds=0.2),
        ]

    kinds = [*LOSABLE.values(), READ, PUT, CREATE_UPLOAD, APPEND]
    stack.proxy.inject(*(rule for kind in kinds for rule in rules(kind)))
    sizes = [(3000, 700), (400, 40_000), (3000, 700), (10, 700), (1000, 700)]
    sending = [
        stack.send_in_background(make_data(rng, records=count, pad=pad)) for count, pad in sizes
    ]
    sent = [future.result() for future in sending]
    over = time.monotonic()

    assert {request.status for request in sent} <= {202, 503}
    chaos.audit.settle(sent, over_at=over, within=200, sweep=True)

"""Workers are killed while an import is cancelled, and while one is undone."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import hold_at, parameters
from tests.chaos.stack import ImporterStack, Sent
from tests.chaos.supervised_process import eventually, kill
from tests.chaos.tables import Verdict
from tests.support.faults import FINISH_UNDO, REMOVE, UNDO_SOME, Hold

UNDOING: dict[str, Callable[[], Hold]] = {
    "first": lambda: Hold(UNDO_SOME),
    "middle": lambda: Hold(UNDO_SOME, skip=5, after=True),
    "object": lambda: Hold(REMOVE),
    "object gone": lambda: Hold(REMOVE, after=True),
    "last": lambda: Hold(FINISH_UNDO),
    "over": lambda: Hold(FINISH_UNDO, after=True),
}


def request_job(stack: ImporterStack, method: str, sent: Sent, path: str = "") -> dict[str, Any]:
    answer = httpx.request(method, f"{stack.url}/import/{sent.job}{path}", timeout=30)
    shown: dict[str, Any] = answer.raise_for_status().json()
    assert shown["records"] == shown["imported"] + shown["rejected"] + shown["notProcessed"]
    return shown


def await_state(stack: ImporterStack, sent: Sent, state: str) -> dict[str, Any]:
    eventually(lambda: request_job(stack, "GET", sent)["state"] == state, f"it is {state}")
    return request_job(stack, "GET", sent)


def in_tables(stack: ImporterStack, sent: Sent) -> tuple[set[tuple[str, str]], int, int]:
    """Return the contacts of an import, their number of rows, and its number of rejections."""
    rows = stack.query("select name, email from contacts where source = %s", sent.data.source)
    [(rejections,)] = stack.query(
        "select count(*) from import_rejections where import_id = %s", sent.import_id
    )
    return {(name, email) for name, email in rows}, len(rows), rejections


def count_in(verdict: Verdict, sent: Sent, **more: int) -> Verdict:
    """Add an import that the audit cannot check, because it is not completed."""
    together = {name: getattr(verdict, name) + count for name, count in more.items()}
    sizes = {"imports": verdict.imports + 1, "sent": verdict.sent + sent.data.records}
    return replace(verdict, **sizes, **together)


@pytest.mark.writers
@pytest.mark.parametrize("moment", parameters(["start", "middle"], fast=["middle"]))
@pytest.mark.fault("kill -9 of a worker while an import is cancelled")
def test_worker_killed_while_an_import_is_cancelled(chaos: Chaos, moment: str, run: int) -> None:
    stack, data = chaos.stack, [make_data(chaos.rng, records=count) for count in (1000, 5000)]
    hold = hold_at(chaos, moment, data)
    other, sent = (stack.send(each) for each in data)
    hold.wait()

    request_job(stack, "POST", sent, "/cancel")
    kill(stack.requesting_process(hold).pid)
    over = time.monotonic()
    hold.release()

    shown = await_state(stack, sent, "cancelled")
    verdict = chaos.audit.settle([other], over_at=over)
    contacts, rows, rejections = in_tables(stack, sent)
    lost, doubled = shown["imported"] - len(contacts), rows - len(contacts)
    counts = {"contacts": rows, "rejections": rejections, "lost": lost, "doubled": doubled}
    chaos.audit.verdict = count_in(verdict, sent, **counts)
    assert (lost, doubled) == (0, 0)
    assert contacts <= sent.data.contacts
    assert shown["rejected"] == rejections
    assert shown["notProcessed"] > 0


@pytest.mark.writers
@pytest.mark.parametrize("moment", parameters(UNDOING, fast=["middle"]))
@pytest.mark.fault("kill -9 of a worker while an import is undone")
def test_worker_killed_while_an_import_is_undone(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    other, sent = (stack.send(make_data(chaos.rng, records=count)) for count in (1000, 4000))
    chaos.audit.settle([other, sent], over_at=time.monotonic())
    hold = UNDOING[moment]()
    stack.proxy.inject(hold)

    request_job(stack, "DELETE", sent)
    hold.wait()
    kill(stack.requesting_process(hold).pid)
    over = time.monotonic()
    hold.release()

    shown = await_state(stack, sent, "undone")
    verdict = chaos.audit.settle([other], over_at=over)
    _, rows, rejections = in_tables(stack, sent)
    chaos.audit.verdict = count_in(verdict, sent, left=rows + rejections)
    assert (rows, rejections, shown["notProcessed"]) == (0, 0, sent.data.records)
    assert f"{sent.job}.json" not in stack.objects()

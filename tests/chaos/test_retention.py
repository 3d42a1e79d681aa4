"""A sweep is killed while it removes what has expired: the next one removes the rest."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from local.processes import PROJECT
from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import parameters
from tests.support.faults import REMOVE, Hold, rpc

REMOVING: dict[str, Callable[[], Hold]] = {
    "expired": lambda: Hold(REMOVE),
    "removed": lambda: Hold(REMOVE, after=True),
    "recorded": lambda: Hold(rpc("objects_removed"), after=True),
}


@pytest.mark.parametrize("moment", parameters(REMOVING, fast=["removed"]))
@pytest.mark.fault("kill -9 of a sweep that removes what has expired")
def test_sweep_killed_while_it_removes_what_has_expired(
    chaos: Chaos, moment: str, run: int
) -> None:
    stack = chaos.stack
    kept, expired = (stack.send(make_data(chaos.rng, records=count)) for count in (300, 1000))
    chaos.audit.settle([kept, expired], over_at=time.monotonic())
    hold = REMOVING[moment]()
    stack.proxy.inject(hold)
    stack.query(
        "update imports set keep = '1 minute', finished_at = finished_at - interval '1 hour' "
        "where id = %s",
        expired.import_id,
    )

    command = [sys.executable, "-m", "tasks", "--sweep"]
    sweep = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, **stack.settings})
    hold.wait()
    sweep.kill()
    sweep.wait()
    hold.release()
    assert stack.sweep()

    rows = stack.query(
        "select object_removed_at is not null, rejections_removed_at is not null, "
        "(select count(*) from import_rejections r where r.import_id = i.id) "
        "from imports i where id = %s",
        expired.import_id,
    )
    assert rows == [(True, True, 0)]
    left = {name for name in stack.objects() if name.startswith((expired.job, kept.job))}
    assert left == {name for name in left if name.startswith(kept.job)} != set()
    [(contacts,)] = stack.query(
        "select count(*) from contacts where source = %s", expired.data.source
    )
    assert contacts == len(expired.data.contacts)

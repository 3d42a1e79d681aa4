"""A part that kills its worker each time is given up after some attempts; the others go on."""

import signal
import subprocess
import sys
import time
from uuid import UUID

import httpx

from local.processes import PROJECT
from tests.acceptance.conftest import ENDED, Importer

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(500)]
DEADLY = "kill-the-worker"
WORKER = f"""
import os, signal, sys
from tasks.carrying import Carrier
from tasks.once import run_once

carry = Carrier.carry

def deadly(self, pieces):
    held = list(pieces)
    if b"{DEADLY}" in b"".join(held):
        os.kill(os.getpid(), signal.SIGKILL)
    return carry(self, iter(held))

Carrier.carry = deadly
sys.exit(run_once(8))
"""


def test_a_part_that_was_begun_five_times_is_failed_and_the_others_imported(
    importer: Importer,
) -> None:
    job = importer.post(CONTACTS, source="begun-five-times")
    importer.query(
        "update import_parts set attempts = 5, state = 'importing' "
        "where import_id = %s and part = 2",
        job.removeprefix("import-"),
    )

    done = importer.run("tasks", "--once")

    assert done.returncode == 1, done.stderr
    _is_failed_but_for_the_others(importer, job, "begun-five-times", 2)
    assert "part given up" in done.stderr
    assert "import closed" in done.stderr


def test_an_attempt_of_which_the_answer_was_lost_counts_once(importer: Importer) -> None:
    job = importer.post(CONTACTS, source="asked-again")
    attempt = {"p_import": job.removeprefix("import-"), "p_part": 2, "p_max_attempts": 5}
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    for number in (0, 0, 0, 1):
        answer = httpx.post(
            f"{importer.env['SUPABASE_URL']}/rest/v1/rpc/start_part",
            json={**attempt, "p_alone": number == 1, "p_attempt": str(UUID(int=number))},
            headers=headers,
        )
        assert answer.json()["source"] == "asked-again"

    assert importer.query(
        "select attempts from import_parts where import_id = %s and part = 2",
        attempt["p_import"],
    ) == [(2,)]
    assert importer.run("tasks", "--once").returncode == 0


def test_a_part_that_kills_its_worker_takes_no_other_part_along(importer: Importer) -> None:
    """The worker is killed as soon as it reads the deadly record, and started again each time."""
    contacts = [*CONTACTS[:200], {"name": DEADLY}, *CONTACTS[200:]]
    job = importer.post(contacts, source="deadly")
    starts = _work_until_ended(importer, job)

    assert starts == 6
    ((deadly,),) = importer.query(
        "select part from import_parts where import_id = %s "
        "and 201 between first_record and first_record + records - 1",
        job.removeprefix("import-"),
    )
    _is_failed_but_for_the_others(importer, job, "deadly", deadly)


def _is_failed_but_for_the_others(importer: Importer, job: str, source: str, part: int) -> None:
    shown = importer.shown(job)
    parts = shown["parts"]
    assert (shown["state"], parts["failed"], parts["done"]) == ("failed", 1, parts["total"] - 1)
    assert shown["failure"]["code"] == "attempts_exhausted"
    assert shown["failure"]["part"] == part
    ((lacking,),) = importer.query(
        "select records from import_parts where import_id = %s and part = %s",
        job.removeprefix("import-"),
        part,
    )
    assert shown["imported"] == shown["records"] - lacking
    sql = "select count(*), count(distinct id) from contacts where source = %s"
    assert importer.query(sql, source) == [(shown["imported"],) * 2]


def _work_until_ended(importer: Importer, job: str) -> int:
    """Run workers, one after the other, until the import has ended; returns how many it took."""
    starts, deadline = 0, time.monotonic() + 100
    while importer.shown(job)["state"] not in ENDED:
        starts += 1
        worker = subprocess.run(
            [sys.executable, "-c", WORKER],
            cwd=PROJECT,
            env=importer.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert worker.returncode in {-signal.SIGKILL, 1}, worker.stderr
        assert time.monotonic() < deadline, importer.shown(job)
    return starts

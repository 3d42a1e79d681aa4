"""Storage whose file backend reads the whole object before each answer, as a self-hosted one does.

Each answer takes longer than Storage may be unavailable: nothing may be given up for that.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from embedded.launch import running
from local.processes import PROJECT, service

RECORDS = 7_500
SECONDS_PER_GB = 100.0
DEADLINE = "2.5"


def body() -> bytes:
    note = "n" * 4000
    people = (
        {"name": f"Person {number}", "email": f"p{number}@example.org", "note": note}
        for number in range(RECORDS)
    )
    return b"[%b]" % b",".join(json.dumps(each).encode() for each in people)


def test_a_large_import_is_done_however_long_storage_takes_for_each_answer(tmp_path: Path):
    content = body()
    assert len(content) / 1e9 * SECONDS_PER_GB > float(DEADLINE)
    with running(tmp_path / "supabase", seconds_per_gb=SECONDS_PER_GB) as supabase:
        environment = {**supabase, "UPSTREAM_DEADLINE": DEADLINE}
        with service(environment, tmp_path / "service.log") as (url, _):
            answer = httpx.post(
                f"{url}/import?source=slow",
                content=content,
                headers={"Content-Type": "application/json"},
                timeout=120,
            )
            assert answer.status_code == 202, answer.text
            subprocess.run(
                [sys.executable, "-m", "tasks", "--once"],
                cwd=PROJECT,
                env={**os.environ, **environment},
                check=True,
                capture_output=True,
                timeout=300,
            )
            shown = httpx.get(url + answer.headers["Location"]).json()
    assert (shown["state"], shown["imported"]) == ("completed", RECORDS)

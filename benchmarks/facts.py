"""The facts that the figures depend on: the machine, its load, the versions."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.lab import Lab
from benchmarks.usage import CORES
from local.processes import PROJECT


def facts(lab: Lab) -> dict[str, str]:
    """Return the facts for the head of a report, by name."""
    options = lab.options
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    where = (
        "embedded stack"
        if lab.server.pid
        else "one elsewhere, whose processes are not seen, nor judged"
    )
    return {
        "date": datetime.now(UTC).isoformat(" ", "minutes"),
        "commit": _commit(),
        "machine": f"{CORES} cores ({_processor()}), {psutil.virtual_memory().total >> 30} GiB",
        "load before": load,
        "system": platform.platform(),
        "Python": platform.python_version(),
        "Supabase": where,
        "Postgres": lab.server.postgres,
        "contacts": f"{options.rows:,}, {options.profile}, seed {options.seed}",
        "rounds": f"{options.rounds}, after one to warm up",
    }


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 (whichever git there is)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()

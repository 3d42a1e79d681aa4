"""Rules for the metrics that a process serves, as text."""

import re
import shutil
import subprocess
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

PREFIX = "contacts_importer_"
OF_EACH_PROCESS = ("process_", "python_")
"""How the names begin that every Python process has."""
LABELS = {
    "actor", "code", "data", "format", "kind", "le", "method", "outcome", "python", "queue",
    "route", "state", "status", "transition", "upstream", "version",
}  # fmt: skip
OF_PYTHON = {"generation", "implementation", "major", "minor", "patchlevel"}
SAID = re.compile(r"^# (HELP|TYPE) (\S+) (.+)$", re.MULTILINE)


def faults(text: str) -> Iterator[str]:
    """Yield what is wrong with the metrics, by Prometheus' conventions and by ours."""
    said = {(what, name): value for what, name, value in SAID.findall(text)}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if ("HELP", name) not in said or ("TYPE", name) not in said:
            yield f"{name} has no HELP or TYPE"
        if family.type not in {"counter", "gauge", "histogram"}:
            yield f"{name} is {family.type}"
        if not name.startswith((PREFIX, *OF_EACH_PROCESS)):
            yield f"{name} has another prefix"
        if family.type != "counter" and name.endswith("_total"):
            yield f"{name} is no counter"
        if re.search(r"_(created|milliseconds|ms|kb|mb|minutes|hours)(_|$)", name):
            yield f"{name} is a time of creation, or has another unit than a base unit"
        allowed = LABELS if name.startswith(PREFIX) else LABELS | OF_PYTHON
        labels = {label for sample in family.samples for label in sample.labels}
        if not labels <= allowed:
            yield f"{name} has other labels: {labels - allowed}"
    yield from _found_by_promtool(text)


def names(text: str) -> set[str]:
    """Return the names of our metrics."""
    return {name for _, name, _ in SAID.findall(text) if name.startswith(PREFIX)}


def _found_by_promtool(text: str) -> Iterator[str]:
    promtool = shutil.which("promtool")
    if promtool is None:
        return
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or done.stdout or done.stderr:
        yield f"promtool: {done.stdout}{done.stderr}"

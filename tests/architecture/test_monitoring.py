"""deploy/monitoring names metrics that exist, and docs/operate/alerts.md has each alert."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from config.settings import HealthSettings, Settings
from core.queue_messages import QUEUES
from service.problem_types import PROBLEM_TYPES
from service.upstream_metrics import _OPEN_STATES
from tasks.maintenance.sweep import SweepKind
from tasks.webhooks.notify import WebhookOutcome
from tests.support.markdown import PROJECT, Document
from tests.support.metrics_format import PREFIX
from tests.support.registered_metrics import service_metrics, worker_metrics

MONITORING = PROJECT / "deploy" / "monitoring"
RUNBOOKS = "docs/operate/alerts.md"
HISTOGRAM_PARTS = re.compile(r"_(bucket|count|sum)$")
OURS = re.compile(rf"\b{PREFIX[:-1]}[a-z0-9_:]*\b")
SELECTOR = re.compile(r"([a-z_:0-9]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!=|=)\s*"([^"]*)"')
FIRING = re.compile(r"watched\.firing\(([^)]*)\)")
VALUES = {
    "code": set(PROBLEM_TYPES),
    "kind": set(SweepKind),
    "outcome": {"done", "failed", "cancelled", "postponed", "retried", *WebhookOutcome},
    "queue": set(QUEUES),
    "state": {*_OPEN_STATES, "waiting", "running", "delayed"},
    "upstream": {"storage", "database"},
}
"""By label, all values that it can have."""
METRICS = service_metrics() | worker_metrics()


def rules(kind: str) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
    found = [rule for group in groups for rule in group["rules"] if kind in rule]
    return {rule[kind]: rule for rule in found}


ALERTS, RECORDS = rules("alert"), rules("record")
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SCRAPED = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["scrape_configs"]
JOBS = {job["job_name"]: job["static_configs"][0]["targets"] for job in SCRAPED}


def expressions() -> Iterator[str]:
    for rule in (*ALERTS.values(), *RECORDS.values()):
        yield rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"]


def base(name: str) -> str:
    """The name of a metric, whose samples may have the endings of a histogram."""
    shorter = HISTOGRAM_PARTS.sub("", name)
    return shorter if METRICS.get(shorter, ("", []))[0] == "histogram" else name


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_each_metric_exists_with_its_labels(expression):
    for name in OURS.findall(expression):
        assert ":" in name or base(name) in METRICS, name
        assert ":" not in name or name in RECORDS, name
    for name, matchers in SELECTOR.findall(expression):
        for label, _, value in MATCHER.findall(matchers):
            if ":" not in name and name.startswith(PREFIX):
                assert label in METRICS[base(name)][1], (name, label)
            if label in VALUES:
                assert any(re.fullmatch(value, known) for known in VALUES[label]), value
            if label == "job" and "(" not in value:
                assert value in JOBS


def test_nearly_each_metric_is_on_the_dashboard():
    shown = {base(name) for panel in PANELS for name in OURS.findall(str(panel["targets"]))}
    assert {name.removeprefix(PREFIX) for name in METRICS.keys() - shown} == {
        "message_duration_seconds",  # shown by part and by import
        "rows_skipped_total",
        "sweep_last_start_timestamp_seconds",  # only alerts need it
    }


def test_panels_have_places_and_descriptions():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    assert all(panel["description"] and panel["targets"] for panel in PANELS)


def test_each_alert_has_a_runbook_and_each_runbook_an_alert():
    page = Document.read(RUNBOOKS)
    sections = re.split(r"^## ", page.text, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == list(ALERTS)
    for section in sections:
        assert all(f"**{step}" in section for step in ("Look:", "Do:", "Escalate")), section
    for name, alert in ALERTS.items():
        path, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert (path, anchor) == (RUNBOOKS, name.lower())
        assert anchor in page.anchors()


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_it_is(name):
    assert name.startswith("ContactsImporter")
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    assert ALERTS[name]["annotations"].keys() == {"summary", "description", "runbook"}


def test_each_alert_is_tested_to_fire():
    tests = yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
    firing = {
        case["alertname"]
        for test in tests
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    for test in tests:
        for case in test.get("promql_expr_test", ()):
            if case["exp_samples"]:
                firing |= set(re.findall(r'alertname="(\w+)"', case["expr"]))
    assert firing == ALERTS.keys()


def test_each_alert_is_fired_by_a_real_fault():
    text = (PROJECT / "tests" / "chaos" / "test_alerts.py").read_text()
    fired = set().union(*(re.findall(r'"(\w+)"', call) for call in re.findall(FIRING, text)))
    assert {f"ContactsImporter{name}" for name in fired} == ALERTS.keys()


def test_the_example_scrapes_the_default_ports():
    ports = {
        "contacts-importer-web": Settings.model_fields["port"].default,
        "contacts-importer-worker": HealthSettings.model_fields["dramatiq_prom_port"].default,
    }
    assert {name: [f"127.0.0.1:{port}"] for name, port in ports.items()} == JOBS


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yaml"),
        ("check", "rules", "rules.yaml"),
        ("test", "rules", "rules_test.yaml"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_promtool_finds_nothing(arguments):
    done = subprocess.run(
        ["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

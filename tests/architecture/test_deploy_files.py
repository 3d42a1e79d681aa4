"""compose.yaml, deploy/systemd and deploy/kubernetes say what the importer's code says."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from config.settings import HealthSettings, Settings
from core.queue_messages import QUEUES
from core.version import VERSION
from deploy import __main__ as command
from local.processes import PROJECT
from service.api.operations import GET_HEALTH, GET_METRICS, GET_READINESS

SETTINGS = {name.upper() for name in Settings.model_fields}
DRAMATIQS = {name for name in HealthSettings.model_fields if name.startswith("dramatiq_")}
PYTHONS = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
NEEDED = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
WEB_PORT = Settings.model_fields["port"].default
WORKER_PORT = HealthSettings.model_fields["dramatiq_prom_port"].default
UNITS = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
KUBERNETES = PROJECT / "deploy" / "kubernetes"
MOST_EXPOSED = 3.0
LONGEST_STOP = Settings.model_fields["shutdown_grace"].default + 10
"""Seconds that the service may take to stop; the workers need less."""


def known(names: "set[str]") -> bool:
    return names <= SETTINGS | DRAMATIQS | PYTHONS


def is_command(arguments: list[str]) -> bool:
    return command._parser().parse_args(arguments).command == arguments[0]


def compose() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]


SERVICES = compose()


@pytest.mark.parametrize("name", SERVICES)
def test_compose_runs_commands_with_known_settings(name):
    service = SERVICES[name]
    assert is_command(service["command"])
    assert service["command"][0] == name
    assert known(set(service.get("environment", {})))
    assert service["env_file"] == [{"path": ".env", "required": False}]


@pytest.mark.parametrize("name", SERVICES)
def test_compose_takes_what_is_not_needed_from_containers(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert seconds(service["stop_grace_period"]) > LONGEST_STOP


def test_compose_publishes_the_service_on_this_machine_only():
    published = {name: service.get("ports") for name, service in SERVICES.items()}
    assert published == {
        "migrate": None,
        "web": [f"127.0.0.1:8000:{SERVICES['web']['environment']['PORT']}"],
        "worker": None,
    }


def test_compose_starts_nothing_before_the_migrations():
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"}
        }


def test_compose_asks_for_health_with_commands_that_exist():
    _, program, *arguments = SERVICES["worker"]["healthcheck"]["test"]
    assert program == "contacts-importer"
    assert is_command(arguments)


TRIAL = PROJECT / "deploy" / "trial"
TRIAL_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((TRIAL / "compose.yaml").read_text())[
    "services"
]
_VARIABLE = re.compile(r"\$\{(\w+)")


@pytest.fixture(scope="module")
def trial_settings() -> dict[str, str]:
    """What ``make-env`` prints."""
    shown = subprocess.run(
        ["sh", TRIAL / "make-env"], capture_output=True, text=True, timeout=60, check=True
    )
    return dict(line.split("=", 1) for line in shown.stdout.splitlines())


def test_the_trial_gives_the_importer_what_it_needs():
    for name in SERVICES:
        assert set(TRIAL_SERVICES[name]["environment"]) == NEEDED


def test_the_trial_publishes_nothing_of_supabase():
    assert all("ports" not in service for service in TRIAL_SERVICES.values())


def test_the_trial_names_services_and_files_that_exist():
    text = (TRIAL / "compose.yaml").read_text() + (TRIAL / "gateway.conf").read_text()
    hosts = set(re.findall(r"(?:://|@)([a-z]+):\d+", text))
    assert hosts <= set(TRIAL_SERVICES)
    for service in TRIAL_SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (PROJECT / source).is_file()
        assert set(service.get("depends_on", {})) <= set(TRIAL_SERVICES)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_the_trial_has_new_passwords_and_keys_that_are_signed(trial_settings):
    used = set(_VARIABLE.findall((TRIAL / "compose.yaml").read_text()))
    assert used == set(trial_settings)
    for name, role in (("ANON_KEY", "anon"), ("SERVICE_ROLE_KEY", "service_role")):
        claims = jwt.decode(trial_settings[name], trial_settings["JWT_SECRET"], ["HS256"])
        assert claims["role"] == role


def seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)s", text)
    assert match is not None
    return int(match[1])


def unit(path: Path) -> dict[str, list[str]]:
    """Values of a unit's directives; some occur several times."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_there_is_a_unit_for_each_process():
    names = {path.stem for path in UNITS}
    assert names == {f"contacts-importer-{name}" for name in ("web", "worker", "migrate")}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_run_commands_with_known_settings(path):
    found = unit(path)
    (line,) = found["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program == "/opt/contacts-importer/contacts-importer"
    assert is_command(arguments)
    assert path.stem == f"contacts-importer-{arguments[0]}"
    assert known({value.partition("=")[0] for value in found["Environment"]})
    assert found["EnvironmentFile"] == ["/etc/contacts-importer/env"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_units_restart_processes_except_with_wrong_settings(name):
    found = unit(PROJECT / "deploy" / "systemd" / f"contacts-importer-{name}.service")
    assert found["Restart"] == ["always"]
    assert found["RestartPreventExitStatus"] == ["2"]
    assert int(found["TimeoutStopSec"][0]) > LONGEST_STOP


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_are_valid_and_little_exposed(path, tmp_path):
    installed = tmp_path / path.name
    text = path.read_text().replace("/opt/contacts-importer", str(PROJECT))
    installed.write_text(text)
    checked = analyze("verify", str(installed))
    assert path.name not in checked.stdout + checked.stderr

    looked = analyze("security", "--offline=true", "--no-pager", str(installed))

    level = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", looked.stdout)
    assert level is not None, looked.stderr
    assert float(level[1]) < MOST_EXPOSED


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def manifests() -> Iterator[dict[str, Any]]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


MANIFESTS = {(one["kind"], one["metadata"]["name"]): one for one in manifests()}
WORKLOADS = [one for one in MANIFESTS.values() if one["kind"] in {"Deployment", "Job"}]
each_workload = pytest.mark.parametrize(
    "workload", WORKLOADS, ids=[one["metadata"]["name"] for one in WORKLOADS]
)


def container(workload: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return found


def kustomization() -> dict[str, Any]:
    return yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())


def test_each_manifest_is_listed():
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])
    assert {kind for kind, _ in MANIFESTS} == {
        *("Deployment", "Job", "Service", "PodDisruptionBudget", "ScaledObject")
    }


@each_workload
def test_workloads_run_commands_of_the_image(workload):
    found = container(workload)
    assert is_command(found["args"])
    assert "command" not in found
    assert workload["metadata"]["name"] == f"contacts-importer-{found['args'][0]}"
    assert found["image"] == kustomization()["images"][0]["name"]


@each_workload
def test_workloads_are_confined(workload):
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(workload)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


@each_workload
def test_secrets_are_references(workload):
    sources = container(workload)["envFrom"]
    assert {"secretRef": {"name": "contacts-importer"}} in sources
    (config,) = kustomization()["configMapGenerator"]
    assert {"configMapRef": {"name": config["name"]}} in sources
    named = {literal.partition("=")[0] for literal in config["literals"]}
    assert known(named)
    assert not named & NEEDED
    assert "env" not in container(workload)


@pytest.mark.parametrize(("name", "port"), [("web", WEB_PORT), ("worker", WORKER_PORT)])
def test_probes_ask_for_what_there_is(name, port):
    found = container(MANIFESTS["Deployment", f"contacts-importer-{name}"])
    (offered,) = found["ports"]
    probes = [value for key, value in found.items() if key.endswith("Probe")]
    paths = {operation.path for operation in (GET_HEALTH, GET_READINESS, GET_METRICS)}
    assert offered["containerPort"] == port
    assert len(probes) >= 2
    assert all(probe["httpGet"]["port"] == offered["name"] for probe in probes)
    assert {probe["httpGet"]["path"] for probe in probes} <= paths


@pytest.mark.parametrize("name", ["web", "worker"])
def test_pods_may_take_as_long_to_stop_as_they_need(name):
    pod = MANIFESTS["Deployment", f"contacts-importer-{name}"]["spec"]["template"]["spec"]
    pause = pod["containers"][0].get(
        "lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}}
    )
    _, paused = pause["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > LONGEST_STOP + int(paused)


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "Service"])
def test_selectors_select_pods(kind):
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in WORKLOADS]
    for (found, _), manifest in MANIFESTS.items():
        if found == kind:
            selector = manifest["spec"]["selector"]
            assert selector.get("matchLabels", selector) in labels


def test_scaling_counts_messages_of_all_queues():
    scaled = MANIFESTS["ScaledObject", "contacts-importer-worker"]["spec"]
    (trigger,) = scaled["triggers"]
    queues = re.search(r"queue_name in \((.*?)\)", trigger["metadata"]["query"])
    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in MANIFESTS
    assert scaled["minReplicaCount"] >= 1
    assert trigger["metadata"]["connectionFromEnv"] in NEEDED
    assert queues is not None
    assert queues[1] == ", ".join(f"'{queue}'" for queue in QUEUES)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
def test_kustomize_renders_all():
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert len(rendered) == len(MANIFESTS) + 1
    images = {container(one)["image"] for one in rendered if one["kind"] in {"Deployment", "Job"}}
    assert images == {f"contacts-importer:{VERSION}"}


def test_versions_agree():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert kustomization()["images"][0]["newTag"] == VERSION
    assert f"ARG VERSION={VERSION}\n" in (PROJECT / "Dockerfile").read_text()
    newest = re.search(r"^## \[(.*)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION

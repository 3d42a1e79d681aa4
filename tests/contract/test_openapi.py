"""The OpenAPI document: valid, useful for client generators, and true of each answer.

Schemathesis makes requests from the document, valid and invalid ones, the same in each run.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from core.job_view import Job
from service.api.openapi.document import openapi_document
from service.api.schemas import Accepted, ImportsPage, RejectionsPage
from service.problems import Problem
from tests.support.service import PROJECT, Service
from tests.support.traces import SOURCE, Traces

REDOCLY = PROJECT / "node_modules" / ".bin" / "redocly"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")
SCHEMA = schemathesis.openapi.from_dict(openapi_document())


@schemathesis.serializer("application/x-ndjson")
def lines(_: object, value: object) -> bytes:
    """Any value as text, which may not be NDJSON."""
    return str(value).encode("utf-8", "replace")


@schemathesis.check
def problem_code_conformance(
    _: schemathesis.CheckContext, answer: schemathesis.Response, case: schemathesis.Case
) -> None:
    """The code of a problem is among those that the document gives as examples."""
    operation = openapi_document()["paths"][case.path].get(case.method.lower())
    if operation and answer.headers["content-type"][0] == "application/problem+json":
        documented = operation["responses"][str(answer.status_code)]["content"]
        assert answer.json()["code"] in documented["application/problem+json"]["examples"]


CONFORMANCE = [
    problem_code_conformance,
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]


def test_the_document_is_openapi_3_1(client: httpx.Client) -> None:
    served = client.get("/openapi.json")
    assert served.json() == openapi_document()
    schemathesis.openapi.from_dict(served.json()).validate()


@pytest.mark.parametrize("bad", [{"openapi": "3.1.0"}, {**openapi_document(), "paths": []}])
def test_an_invalid_document_would_be_noticed(bad: dict[str, object]) -> None:
    with pytest.raises(Exception, match="valid"):
        schemathesis.openapi.from_dict(bad).validate()


def test_redocly_finds_no_error_and_no_warning(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(openapi_document()))
    found = subprocess.run(
        [REDOCLY, "lint", "--format=json", "openapi.json"],
        cwd=tmp_path,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(found.stdout)
    assert report["problems"] == []
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_a_generated_client_reads_422_as_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: httpx.Client
) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(openapi_document()))
    # The generator knows few content types. These two are sent as they are.
    overrides = dict.fromkeys(("text/csv", "application/x-ndjson"), "application/octet-stream")
    (tmp_path / "config.json").write_text(
        json.dumps({"content_type_overrides": overrides, "post_hooks": []})
    )
    command = [GENERATOR, "generate", "--meta=none", "--fail-on-warning", "--output-path=generated"]
    subprocess.run(
        [*command, "--path=openapi.json", "--config=config.json"], cwd=tmp_path, check=True
    )
    monkeypatch.syspath_prepend(tmp_path)
    generated = importlib.import_module("generated")
    list_imports = importlib.import_module("generated.api.imports.list_imports")
    with generated.Client(base_url=str(client.base_url)) as theirs:
        answer = list_imports.sync_detailed(client=theirs, limit=0)
        page = list_imports.sync(client=theirs, limit=1)
    assert answer.status_code == 422
    assert (answer.parsed.code, answer.parsed.param) == ("limit_invalid", "limit")
    assert isinstance(page.imports, list)


@SCHEMA.parametrize()
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case, service: Service) -> None:
    case.call_and_validate(base_url=service.url, checks=CONFORMANCE)


CSV = b"Name;Mail;Age\nAda;ada@example.com;7\n"
STEPS = [
    ("GET", "/import/{jobId}", ""),
    ("GET", "/import", f"?limit=1&state=queued&source={SOURCE}"),
    ("GET", "/import/{jobId}/rejections", "?format=json"),
    ("GET", "/import/{jobId}/rejections", "?format=csv"),
    ("POST", "/import/{jobId}/retry", ""),
    ("POST", "/import/{jobId}/cancel", ""),
    ("DELETE", "/import/{jobId}", ""),
    ("POST", "/import/{jobId}/cancel", ""),
]


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_an_import_s_life_is_as_documented(
    client: httpx.Client, traces: Traces, prefix: str
) -> None:
    headers = {"Content-Type": "text/csv", "Idempotency-Key": f'"openapi{prefix}"'}
    for replayed in (None, "true"):
        accepted = client.post(f"{prefix}/import?source={SOURCE}", content=CSV, headers=headers)
        SCHEMA["/v1/import"]["POST"].validate_response(accepted)
        assert accepted.headers.get("Idempotent-Replayed") == replayed
        address = f"{prefix}/import/{accepted.json()['jobId']}"
        assert accepted.headers["Location"] == accepted.json()["url"] == address
    statuses = []
    for method, path, query in STEPS:
        answer = client.request(method, prefix + path.format(**accepted.json()) + query)
        SCHEMA[f"/v1{path}"][method].validate_response(answer)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 200, 200, 409, 202, 202, 409]


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_the_link_to_the_next_page_begins_as_the_request(
    client: httpx.Client, traces: Traces, prefix: str
) -> None:
    for _ in range(2):
        client.post("/import", json={"source": SOURCE, "data": [{"name": "Ada"}]})
    page = client.get(f"{prefix}/import?source={SOURCE}&limit=1")
    assert page.links["next"]["url"].startswith(f"{prefix}/import?")
    assert len(client.get(page.links["next"]["url"]).json()["imports"]) == 1


@pytest.mark.parametrize("path", ["/v2/import", "/v1", "/v1/", "/v1/v1/import", "/v1/healthz"])
def test_other_versions_are_not_found(client: httpx.Client, path: str) -> None:
    assert client.post(path, json={}).json()["code"] == "not_found"


def strictly(answer: httpx.Response, kind: type[msgspec.Struct]) -> Any:
    """The answer as an instance of its type, which encoded again gives the same answer."""
    value = msgspec.json.decode(answer.content, type=kind)
    assert msgspec.to_builtins(value) == answer.json()
    return value


def test_answers_are_instances_of_the_documented_types(
    client: httpx.Client, traces: Traces
) -> None:
    headers = {"Content-Type": "text/csv"}
    answer = client.post(f"/import?source={SOURCE}", content=CSV, headers=headers)
    accepted = strictly(answer, Accepted)
    job = strictly(client.get(accepted.url), Job)
    assert job.job_id == accepted.job_id
    assert job.detected.header == ["Name", "Mail", "Age"]
    strictly(client.get("/import?limit=1"), ImportsPage)
    strictly(client.get(f"{accepted.url}/rejections"), RejectionsPage)
    problem = strictly(client.post(f"{accepted.url}/retry"), Problem)
    assert (problem.code, problem.state) == ("not_failed", "queued")


def test_the_type_of_a_problem_is_the_address_of_a_page(client: httpx.Client) -> None:
    problem = client.get("/import?limt=1").json()
    assert (problem["code"], problem["param"]) == ("unknown_option", "limt")
    page = client.get(problem["type"])
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Unknown option" in page.text
    assert client.get("/problems/no_such_code").status_code == 404

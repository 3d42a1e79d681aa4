"""Whatever is asked, the answer is one that the OpenAPI document tells of.

Requests that follow the document and requests that do not, made up from it by schemathesis: the
same ones each time.
"""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from service.api.openapi.document import openapi_document
from tests.support.service import Service

SCHEMA = schemathesis.openapi.from_dict(openapi_document())


@schemathesis.serializer("application/x-ndjson")
def lines(_: object, value: object) -> bytes:
    """A text of no lines in particular."""
    return str(value).encode("utf-8", "replace")


CONFORMANCE = [
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
def test_what_is_no_openapi_would_be_found(bad: dict[str, object]) -> None:
    with pytest.raises(Exception, match="valid"):
        schemathesis.openapi.from_dict(bad).validate()


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
    ("GET", "/import", "?limit=1&state=queued&source=openapi"),
    ("GET", "/import/{jobId}/rejections", "?format=json"),
    ("GET", "/import/{jobId}/rejections", "?format=csv"),
    ("POST", "/import/{jobId}/retry", ""),
    ("POST", "/import/{jobId}/cancel", ""),
    ("DELETE", "/import/{jobId}", ""),
    ("POST", "/import/{jobId}/cancel", ""),
]


def test_an_import_s_life_is_as_documented(client: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Idempotency-Key": '"openapi"'}
    for replayed in (None, "true"):
        accepted = client.post("/import?source=openapi", content=CSV, headers=headers)
        SCHEMA["/import"]["POST"].validate_response(accepted)
        assert accepted.headers.get("Idempotent-Replayed") == replayed
    statuses = []
    for method, path, query in STEPS:
        answer = client.request(method, path.format(**accepted.json()) + query)
        SCHEMA[path][method].validate_response(answer)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 200, 200, 409, 202, 202, 409]


def test_nothing_of_an_import_is_undocumented(client: httpx.Client) -> None:
    accepted = client.post(
        "/import?source=openapi", content=CSV, headers={"Content-Type": "text/csv"}
    )
    job = client.get(accepted.headers["Location"]).json()
    documented = openapi_document()["components"]["schemas"]["Job"]["properties"]
    assert set(job) == set(documented) - {"failure"}
    for name in ("parts", "receipt", "detected", "ignored"):
        assert set(job[name]) == set(documented[name]["properties"])

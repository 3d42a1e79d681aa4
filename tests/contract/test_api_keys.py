"""A real service with API keys: who is let in, what is logged, how keys are replaced."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import schemathesis

from config.settings import API_KEY_PREFIX
from service.api.openapi.document import openapi_document
from service.api.operations import OPERATIONS
from service.keys.api_key import ApiKey, make_key
from service.keys.scopes import Scope
from tests.support.raw_http import RawConnection
from tests.support.service import Line, Service, running_service
from tests.support.traces import SOURCE, Traces

SCHEMA = schemathesis.openapi.from_dict(openapi_document(set(Scope)))
BODY = {"source": SOURCE, "data": [{"name": "Ada"}]}
NO_ERASURE = "01890000-0000-7000-8000-000000000000"
NOWHERE = "/import/import-01890000-0000-7000-8000-000000000000"


@dataclass
class Keyed:
    """A service, its file of keys, and all lines that it has logged."""

    service: Service
    path: Path
    lines: list[Line]

    def write(self, *keys: ApiKey, more: str = "") -> None:
        """Replace the file, and wait until the service has seen that."""
        self.path.write_text("".join(f"{key.line}\n" for key in keys) + more)
        self._await("API keys not changed" if more else "API keys changed")

    def _await(self, event: str) -> None:
        def wanted(line: Line) -> bool:
            self.lines.append(line)
            return bool(line["event"] == event)

        self.service.await_line(wanted)

    def ask(self, method: str, path: str, text: str, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        return httpx.request(method, self.service.url + path, headers=headers, **more)  # type: ignore[arg-type]


CRM, CRM_KEY = make_key("crm", [Scope.IMPORT, Scope.READ])
ADMIN, ADMIN_KEY = make_key("admin", [Scope.UNDO, Scope.READ])
MONITOR, MONITOR_KEY = make_key("prometheus", [Scope.METRICS])
KEYS = (CRM_KEY, ADMIN_KEY, MONITOR_KEY)
PROTECTED = [each for each in OPERATIONS if each.scope is not None]


@pytest.fixture(scope="module")
def keyed(
    supabase_env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    traces = Traces(supabase_env)
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("".join(f"{key.line}\n" for key in KEYS))
    with running_service(
        supabase_env, API_KEYS_FILE=str(path), API_KEYS_PROTECT_METRICS="true", LOG_LEVEL="debug"
    ) as service:
        yield Keyed(service, path, [])
    traces.close()


@pytest.fixture
def wire(keyed: Keyed) -> Iterator[RawConnection]:
    wire = RawConnection(keyed.service)
    yield wire
    wire.close()


def test_an_import_shows_who_made_cancelled_and_undid_it(keyed):
    made = keyed.ask("POST", "/import", CRM, json=BODY)
    assert made.status_code == 202
    url = made.json()["url"]
    assert keyed.ask("DELETE", url, CRM).status_code == 403
    assert keyed.ask("POST", f"{url}/cancel", ADMIN).json()["cancelledBy"] == "admin"
    keyed.ask("DELETE", url, ADMIN)
    shown = keyed.ask("GET", url, CRM).json()
    assert [shown[by] for by in ("createdBy", "cancelledBy", "undoneBy")] == [
        "crm", "admin", "admin",
    ]  # fmt: skip
    form = {"files": {"file": ("a.csv", "name\nAda\n")}, "data": {"source": SOURCE}}
    sent = keyed.ask("POST", "/import", CRM, **form)
    assert keyed.ask("GET", sent.json()["url"], ADMIN).json()["createdBy"] == "crm"


def test_a_body_is_not_read_before_the_key_is_checked(wire):
    """Its first bytes are never sent, and yet there is an answer."""
    wire.head(Content_Length="1000000000")
    assert wire.code() == (401, "api_key_missing")


@pytest.mark.parametrize("path", ["/import", "/import/preview"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (401, "api_key_missing")),
        (f"{API_KEY_PREFIX}unknown", (401, "api_key_invalid")),
        (ADMIN, (403, "api_key_scope_missing")),
    ],
    ids=["no key", "unknown", "another scope"],
)
def test_a_body_that_is_not_allowed_is_not_asked_for(wire, path, text, expected):
    key = {"Authorization": f"Bearer {text}"} if text else {}
    wire.head(path, Content_Length="1000000000", Expect="100-continue", **key)
    assert wire.code() == expected


def test_a_body_that_is_allowed_is_asked_for(wire):
    body = json.dumps(BODY)
    key = {"Authorization": f"Bearer {CRM}"}
    wire.head(Content_Length=str(len(body)), Expect="100-continue", **key)
    assert wire.answer()[0] == 100
    wire.send(body.encode())
    assert wire.answer()[0] == 202


def test_what_needs_no_key_is_open(keyed):
    for path in ("/", "/docs", "/openapi.json", "/problems", "/healthz", "/readyz"):
        assert httpx.get(keyed.service.url + path).status_code == 200, path
    assert httpx.get(keyed.service.url + "/metrics").status_code == 401
    assert keyed.ask("GET", "/metrics", MONITOR).status_code == 200


@pytest.mark.parametrize("operation", PROTECTED, ids=lambda operation: operation.id)
def test_rejections_are_as_documented(keyed, operation):
    path = operation.address.format(jobId=NOWHERE.rpartition("/")[2], erasureId=NO_ERASURE)
    other = CRM if operation.scope is Scope.METRICS else MONITOR
    for text, status in (("", 401), (f"{API_KEY_PREFIX}unknown", 401), (other, 403)):
        answer = keyed.ask(operation.method, path, text)
        assert answer.status_code == status
        SCHEMA[operation.address][operation.method].validate_response(answer)


def test_the_document_says_that_keys_are_needed(keyed):
    served = httpx.get(keyed.service.url + "/openapi.json").json()
    assert served == openapi_document(set(Scope))
    assert served["paths"]["/v1/import"]["post"]["security"] == [{"apiKey": ["import"]}]
    free = openapi_document()["paths"]["/v1/import"]["post"]["security"]
    assert free == [{}, {"apiKey": ["import"]}]


def test_keys_are_replaced_without_a_restart_and_a_broken_file_changes_nothing(keyed):
    text, key = make_key("crm", [Scope.READ])

    def statuses() -> list[int]:
        return [keyed.ask("GET", NOWHERE, each).status_code for each in (CRM, text)]

    assert statuses() == [404, 401]
    keyed.write(*KEYS, key)
    assert statuses() == [404, 404]
    keyed.write(ADMIN_KEY, key)
    assert statuses() == [401, 404]
    keyed.write(CRM_KEY, more=f"crm read {CRM}\n")
    assert statuses() == [401, 404]
    keyed.write(*KEYS)
    assert statuses() == [404, 401]


MALFORMED = "GET /import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}{}\r\n\r\n"


def test_no_key_is_in_the_log(keyed):
    """After all tests above, requests that are malformed HTTP, and one with an option unknown."""
    for end in ("\0", "\x1b", "\n x"):
        wire = RawConnection(keyed.service)
        wire.send(MALFORMED.format(CRM, end).encode())
        wire.answer()
        wire.close()
    keyed.ask("GET", f"/import?key={CRM}", CRM)
    text, key = make_key("last", [Scope.READ])
    keyed.write(*KEYS, key)
    logged = json.dumps(keyed.lines)
    assert {line.get("key_name") for line in keyed.lines} >= {"crm", "admin"}
    assert API_KEY_PREFIX not in logged
    assert CRM[len(API_KEY_PREFIX) :] not in logged
    assert text not in logged

"""A Supabase to test against, with a bucket, a service behind a proxy, and database functions."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from tests.contract.repository_calls import Repository
from tests.support.leftovers import count_everything, remove_imports, remove_messages
from tests.support.proxy import Proxy
from tests.support.service import Service, running_service
from tests.support.traces import Traces


@dataclass(frozen=True)
class Storage:
    """A client of the Storage API with the service role's key, and a bucket for the tests."""

    client: httpx.Client
    bucket: str
    url: str
    key: str

    def object(self, name: str) -> str:
        return f"/object/{self.bucket}/{name}"

    def upload(self, name: str, content: bytes, **headers: str) -> httpx.Response:
        return self.client.post(self.object(name), content=content, headers=headers)

    def read(self, name: str) -> bytes:
        return self.client.get(self.object(name)).raise_for_status().content

    def remove_all(self) -> None:
        names = [entry["name"] for entry in self._entries() if entry["id"]]
        if names:
            self.client.request("DELETE", f"/object/{self.bucket}", json={"prefixes": names})

    def _entries(self) -> list[dict[str, str]]:
        query = {"prefix": "", "limit": 1000}
        return self.client.post(f"/object/list/{self.bucket}", json=query).json()


@pytest.fixture(scope="module", autouse=True)
def nothing_left(supabase_env: Mapping[str, str]) -> Iterator[None]:
    """Assert that the tests of each module leave nothing in Supabase, so that they can run again.

    They may remove what other tests have left there. Torn down after all other fixtures of the
    module.
    """
    before = count_everything(supabase_env)
    yield
    after = count_everything(supabase_env)
    assert {name: after[name] for name in after if after[name] > before[name]} == {}


@pytest.fixture(scope="module")
def storage(supabase_env: Mapping[str, str]) -> Iterator[Storage]:
    url = f"{supabase_env['SUPABASE_URL']}/storage/v1"
    key = supabase_env["SUPABASE_SERVICE_ROLE_KEY"]
    bucket = f"contract-{uuid.uuid4().hex}"
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        client.post("/bucket", json={"id": bucket, "name": bucket}).raise_for_status()
        storage = Storage(client, bucket, url, key)
        yield storage
        storage.remove_all()
        client.delete(f"/bucket/{bucket}").raise_for_status()


@pytest.fixture
def name() -> str:
    return f"{uuid.uuid4()}.bin"


@pytest.fixture
def anon_key(supabase_env: Mapping[str, str]) -> str:
    if "SUPABASE_ANON_KEY" not in supabase_env:
        pytest.skip("SUPABASE_ANON_KEY is not known")
    return supabase_env["SUPABASE_ANON_KEY"]


@pytest.fixture(scope="module")
def proxy(supabase_env: Mapping[str, str]) -> Iterator[Proxy]:
    with Proxy(supabase_env["SUPABASE_URL"]).running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def behind_proxy(supabase_env: Mapping[str, str], proxy: Proxy) -> Mapping[str, str]:
    """The environment of Supabase, with the URL of the proxy."""
    return {**supabase_env, "SUPABASE_URL": proxy.url}


@pytest.fixture(scope="module")
def service(behind_proxy: Mapping[str, str]) -> Iterator[Service]:
    """A service whose requests to Supabase all pass the proxy."""
    with running_service(behind_proxy, MAX_BODY_BYTES=str(64 * 2**20)) as service:
        yield service


@pytest.fixture(scope="module")
def traces(supabase_env: Mapping[str, str], service: Service) -> Iterator[Traces]:
    traces = Traces(supabase_env)
    yield traces
    traces.close()


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture
def repository(supabase_env: Mapping[str, str]) -> Iterator[Repository]:
    key = supabase_env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    with httpx.Client(
        base_url=f"{supabase_env['SUPABASE_URL']}/rest/v1", headers=headers, timeout=60
    ) as http:
        repository = Repository(http)
        yield repository
        remove_imports(supabase_env, repository.created)
        remove_messages(supabase_env, repository.messages)

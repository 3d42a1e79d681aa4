"""Requests that Supabase refuses because of how it is set up: they are no outage."""

import contextlib
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.contract.test_import_faults import LARGE, SMALL, post
from tests.support.proxy import Proxy
from tests.support.service import Service, running_service

BOTH = pytest.mark.parametrize("array", [SMALL, LARGE], ids=["standard", "resumable"])
OPEN = {"public": False, "allowed_mime_types": None, "file_size_limit": None}


@contextlib.contextmanager
def bucket_with(env: Mapping[str, str], **settings: object) -> Iterator[None]:
    """The bucket of the imports with other settings, until the end of the block."""
    key = env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    url = f"{env['SUPABASE_URL']}/storage/v1/bucket/imports"
    httpx.put(url, json={**OPEN, **settings}, headers=headers).raise_for_status()
    try:
        yield
    finally:
        httpx.put(url, json=OPEN, headers=headers).raise_for_status()


@BOTH
def test_a_bucket_that_does_not_allow_the_media_type(
    supabase_env, service: Service, client, traces, proxy: Proxy, array
):
    service.forget_lines()
    with traces.unchanged(proxy), bucket_with(supabase_env, allowed_mime_types=["image/png"]):
        answer = post(client, array)
        assert (answer.status_code, answer.json()["code"]) == (500, "storage_refused")
        assert "Retry-After" not in answer.headers
        service.await_line(lambda line: "allowed_mime_types" in line.get("advice", ""))


@BOTH
def test_a_bucket_that_does_not_allow_the_size(supabase_env, client, traces, proxy, array):
    with traces.unchanged(proxy), bucket_with(supabase_env, file_size_limit=5):
        answer = post(client, array)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.fixture
def keyless_client(behind_proxy: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Of a service whose key Supabase does not know."""
    with (
        running_service(behind_proxy, SUPABASE_SERVICE_ROLE_KEY="sb_secret_wrong") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


def test_a_wrong_key(keyless_client):
    answer = post(keyless_client, SMALL)
    assert (answer.status_code, answer.json()["code"]) == (500, "storage_refused")
    answer = keyless_client.get("/import")
    assert (answer.status_code, answer.json()["code"]) == (500, "database_refused")
    assert "sb_secret_wrong" not in answer.text

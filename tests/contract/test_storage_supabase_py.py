"""What supabase-py does with Storage on our behalf."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions


@pytest.fixture
async def client(supabase_env) -> AsyncIterator[AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield AsyncClient(
            supabase_env["SUPABASE_URL"],
            supabase_env["SUPABASE_SERVICE_ROLE_KEY"],
            AsyncClientOptions(httpx_client=http, auto_refresh_token=False),
        )


@pytest.fixture
async def bucket(client) -> AsyncIterator[str]:
    made = f"contract-{uuid.uuid4().hex}"
    await client.storage.create_bucket(made)
    yield made
    files = await client.storage.from_(made).list()
    await client.storage.from_(made).remove([file["name"] for file in files] or ["none"])
    await client.storage.delete_bucket(made)


async def test_buckets_can_be_found(client, bucket):
    assert (await client.storage.get_bucket(bucket)).public is False
    assert bucket in [each.id for each in await client.storage.list_buckets()]


async def test_supabase_py_has_the_status_of_a_missing_bucket(client):
    with pytest.raises(StorageApiError) as caught:
        await client.storage.get_bucket(f"no-{uuid.uuid4().hex}")
    assert str(caught.value.status) == "404"


async def test_an_object_from_upload_to_removal(client, bucket, name):
    objects = client.storage.from_(bucket)
    await objects.upload(name, b"[1, 2]", {"content-type": "application/json"})
    assert await objects.download(name) == b"[1, 2]"
    assert await objects.exists(name)
    assert (await objects.info(name))["size"] == 6
    assert [each["name"] for each in await objects.list()] == [name]
    assert [each["name"] for each in await objects.remove([name])] == [name]
    assert not await objects.exists(name)


async def test_supabase_py_has_the_status_of_a_taken_name(client, bucket, name):
    objects = client.storage.from_(bucket)
    await objects.upload(name, b"1")
    with pytest.raises(StorageApiError) as caught:
        await objects.upload(name, b"2")
    assert str(caught.value.status) == "409"
    await objects.upload(name, b"2", {"upsert": "true"})
    assert await objects.download(name) == b"2"


async def test_copies_and_moves(client, bucket, name):
    objects = client.storage.from_(bucket)
    await objects.upload(name, b"1", {"metadata": {"a": "1"}})
    await objects.copy(name, f"copy-{name}")
    await objects.move(name, f"moved-{name}")
    assert await objects.download(f"copy-{name}") == await objects.download(f"moved-{name}")
    assert (await objects.info(f"copy-{name}"))["metadata"] == {"a": "1"}
    assert not await objects.exists(name)


async def test_signed_urls_are_read_and_uploaded_to(client, bucket, name):
    objects = client.storage.from_(bucket)
    made = await objects.create_signed_upload_url(name)
    await objects.upload_to_signed_url(name, made["token"], b"1", {"content-type": "text/csv"})
    one = await objects.create_signed_url(name, 60, {"download": "a b.csv"})
    [many] = await objects.create_signed_urls([name], 60)
    async with httpx.AsyncClient() as stranger:
        got = await stranger.get(one["signedURL"])
        assert (await stranger.get(many["signedURL"])).content == got.content == b"1"
    assert got.headers["Content-Disposition"].startswith("attachment; filename=a%20b.csv")


async def test_pages_of_a_list(client, bucket, name):
    objects = client.storage.from_(bucket)
    for each in ("a", "b"):
        await objects.upload(f"{each}-{name}", b"1")
    first = await objects.list_v2({"limit": 1})
    second = await objects.list_v2({"limit": 1, "cursor": first.nextCursor})
    assert (first.hasNext, second.hasNext) == (True, False)
    found = [each.name for page in (first, second) for each in page.objects]
    assert found == [f"a-{name}", f"b-{name}"]

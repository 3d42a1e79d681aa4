"""The memory that an import takes, and that it never blocks the event loop."""

from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp
import httpx
import pytest
from blockbuster import blockbuster_ctx

from config.settings import Settings
from service.app import create_app
from tests.support.contacts import MIB, csv_file, envelope, json_array, json_array_pieces
from tests.support.forms import field, form
from tests.support.service import running_service
from tests.support.traces import SOURCE, Traces

ALLOWED = 30 * MIB


def body(size: int) -> Iterator[bytes]:
    """Yield a JSON body that is created as it is sent."""
    head, tail = envelope(b"!").split(b"!")
    block = json_array(MIB)[1:-1]
    yield head + b"["
    for number in range(size // len(block)):
        yield (b"," if number else b"") + block
    yield b"]" + tail


def rows(size: int) -> Iterator[bytes]:
    """Yield a CSV file that is created as it is sent."""
    header, _, block = csv_file(MIB).partition(b"\r\n")
    yield header + b"\r\n"
    for _ in range(size // len(block)):
        yield block


def peak_of(env: Mapping[str, str], path: str, content_type: str, content: Iterator[bytes]) -> int:
    with running_service(env) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        answer = client.post(path, content=content, headers={"Content-Type": content_type})
        assert answer.status_code == 202, answer.text
        return service.peak_bytes()


@pytest.mark.parametrize(
    ("path", "content_type", "make", "size"),
    [
        ("/import", "application/json", body, 200 * MIB),
        (f"/import?source={SOURCE}", "text/csv", rows, 100 * MIB),
    ],
    ids=["json", "csv"],
)
def test_a_large_body_takes_no_more_memory_than_a_small_one(
    supabase_env, traces: Traces, path, content_type, make, size
):
    small = peak_of(supabase_env, path, content_type, make(5 * MIB))
    large = peak_of(supabase_env, path, content_type, make(size))
    assert large - small < ALLOWED


def gap(size: int) -> Iterator[bytes]:
    """Yield JSON that is nearly all white space, which only the limit of the body bounds."""
    head, tail = envelope(b"!").split(b"!")
    yield head + b"[1,"
    for _ in range(size // MIB):
        yield b" " * MIB
    yield b"2]" + tail


def test_space_between_records_takes_no_memory(supabase_env, traces: Traces):
    small = peak_of(supabase_env, "/import", "application/json", gap(5 * MIB))
    large = peak_of(supabase_env, "/import", "application/json", gap(100 * MIB))
    assert large - small < ALLOWED


async def streamed(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 50_000):
        yield content[start : start + 50_000]


def requests() -> Iterator[tuple[str, str, bytes]]:
    array, file = b"".join(json_array_pieces(7 * MIB)), csv_file(7 * MIB)
    yield "/import", "application/json", envelope(b'[{"name":"a"}]')
    yield "/import", "application/json", envelope(array)
    yield f"/import?source={SOURCE}", "text/csv", file
    fields = [field("source", SOURCE.encode()), field("file", file, "a.csv")]
    whole, content_type = form(fields)
    yield "/import", content_type, whole


async def test_the_event_loop_is_never_blocked(supabase_env, aiohttp_client, traces: Traces):
    named = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")
    settings = Settings(**{name.lower(): supabase_env[name] for name in named})
    with blockbuster_ctx():
        client = await aiohttp_client(await create_app(settings))
        for path, content_type, content in requests():
            headers = {"Content-Type": content_type}
            answer = await client.post(path, data=streamed(content), headers=headers)
            assert answer.status == 202, await answer.text()
            await assert_shown(client, answer.headers["Location"])
        assert (await client.get("/readyz")).status == 200
        rejected = await client.post("/import", data=b"{", headers=headers)
        assert rejected.status == 400


async def assert_shown(client: aiohttp.ClientSession, location: str) -> None:
    shown = await client.get(location)
    assert shown.status == 200
    assert (await shown.json())["state"] == "queued"

"""500 clients at once: each is answered, with 202 or 503, and no import is incomplete."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.support.contacts import MIB, envelope, json_array
from tests.support.service import Service, running_service
from tests.support.traces import Traces

CLIENTS = 500
ALLOWED = 120 * MIB
BODY = envelope(json_array(50_000))
HEAD = (
    b"POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
)
FEW_FILES = ("sh", "-c", f'ulimit -S -n 300 && exec "{sys.executable}" -m service')
"""A service whose limit of open files is lower than the number of clients."""


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str]) -> Iterator[Service]:
    with running_service(supabase_env, FEW_FILES) as service:
        yield service


async def send(service: Service, ready: asyncio.Barrier) -> tuple[int, bytes]:
    """Send a request once all clients are connected; returns status and head of the answer."""
    reader, writer = await asyncio.open_connection(*service.address)
    await ready.wait()
    writer.write(HEAD % len(BODY) + b"\r\n" + BODY)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), head.lower()


async def crowd(service: Service) -> list[tuple[int, bytes]]:
    ready = asyncio.Barrier(CLIENTS)
    return await asyncio.gather(*[send(service, ready) for _ in range(CLIENTS)])


def test_each_of_500_clients_is_answered(service, traces: Traces):
    before, idle = traces.everything(), service.peak_bytes()

    answers = asyncio.run(crowd(service))

    counts = Counter(status for status, _ in answers)
    assert counts.keys() <= {202, 503}, counts
    assert counts[202] >= 50
    assert all(b"retry-after: 1" in head for status, head in answers if status == 503)
    assert service.peak_bytes() - idle < ALLOWED
    after = traces.everything()
    assert len(after.imports - before.imports) == counts[202]
    assert len(after.objects - before.objects) == counts[202]
    assert after.messages - before.messages == counts[202]

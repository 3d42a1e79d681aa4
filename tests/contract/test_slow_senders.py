"""Many slow uploads do not keep the others out."""

import time
from collections.abc import Iterator, Mapping

import pytest

from tests.support.contacts import envelope
from tests.support.raw_http import RawConnection
from tests.support.service import Service, running_service

PLACES = 10
SHORT = envelope(b"[]")
DRIPPING = "192.0.2.1"


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str]) -> Iterator[Service]:
    """It trusts the header of this machine, so that a test can be several clients."""
    settings = {"CLIENT_ADDRESS_HEADER": "X-Client", "TRUSTED_PROXIES": "127.0.0.1"}
    with running_service(supabase_env, MAX_UPLOADS=str(PLACES), **settings) as service:
        yield service


def send_honest(service: Service, client: str) -> int:
    """Send an import; returns the status of the answer."""
    honest = RawConnection(service)
    honest.head(Content_Length=str(len(SHORT)), X_Client=client)
    honest.send(SHORT)
    status = honest.answer()[0]
    honest.close()
    return status


def client_in(network: str, number: int) -> str:
    return f"{network}{number}" if network.endswith(".") else network


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize("network", ["198.51.100.", DRIPPING], ids=["other clients", "the same"])
def test_drips_that_take_all_places_leave_honest_clients_theirs(service, network):
    drips = [RawConnection(service) for _ in range(PLACES)]
    for drip in drips:
        drip.head(Content_Length="100000", X_Client=DRIPPING, Expect="100-continue")
        assert drip.answer()[0] == 100
        drip.send(b"{")

    # They count as slow once the service has waited for them for a moment.
    until = time.monotonic() + 30
    while send_honest(service, client_in(network, 0)) != 202:
        assert time.monotonic() < until
    statuses = [send_honest(service, client_in(network, n)) for n in range(2 * PLACES)]
    assert statuses.count(202) >= 2 * PLACES * 9 // 10

    ended = [drip for drip in drips if drip.is_answered()]
    assert ended
    assert {drip.code() for drip in ended} == {(408, "client_too_slow")}
    for drip in drips:
        drip.close()

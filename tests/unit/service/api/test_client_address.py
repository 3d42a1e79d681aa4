"""Whose request it is: the peer, or what trusted proxies say."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.api.client_address import ClientAddresses

HEADER = "X-Forwarded-For"
PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def client(peer: str, *forwarded: str, header: str | None = HEADER) -> str:
    headers = CIMultiDict([(HEADER, value) for value in forwarded])
    request = make_mocked_request("POST", "/import", headers=headers).clone(remote=peer)
    return ClientAddresses(header, PROXIES).client(request)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # nobody trusts this peer
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # the first is invented
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7, 10.2.0.1"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", [], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8:1:2::3]:4711"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(peer, forwarded, expected):
    assert client(peer, *forwarded) == expected


def test_without_a_header_the_peer_is_the_client():
    assert client("10.0.0.1", "198.51.100.7", header=None) == "10.0.0.1"

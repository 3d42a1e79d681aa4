"""The address of the client of a request, also behind proxies."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from aiohttp import web

_SITE_BITS: Final = 64
"""An IPv6 client usually has all addresses of such a network."""


class ClientAddresses:
    """Finds clients; trusts the header of named proxies only."""

    def __init__(self, header: str | None, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        """``header`` is one such as ``X-Forwarded-For``, to which each proxy appends an address."""
        self._header = header
        self._proxies = proxies

    def client(self, request: web.Request) -> str:
        """Return the client's address, or its network for IPv6; empty if it is unknown."""
        address = request.remote or ""
        if self._header is not None and self._is_proxy(address):
            # The proxies have appended from the right, and what is left of them may be invented.
            named = ",".join(request.headers.getall(self._header, [])).split(",")
            for text in reversed([each.strip() for each in named]):
                if _parse(text) is None:
                    break
                address = text
                if not self._is_proxy(text):
                    break
        return _site_of(address)

    def _is_proxy(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in network for network in self._proxies)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, also one with a port or an IPv4 one that is written as IPv6.

    None for any other text.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _site_of(text: str) -> str:
    address = _parse(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _SITE_BITS), strict=False))
    return "" if address is None else str(address)

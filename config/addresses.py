"""Which addresses belong to the public internet, so that a request of ours may go there.

Where an IPv6 address stands for an IPv4 address, that one counts. Of the rest only global unicast
(2000::/3) is public: what Python calls global has multicast and more in it.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are the IPv4 address. (A network's own prefix is in no list.)"""


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be meant by it, and nobody else."""
    address = _embedded(address)
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


def literal(host: str) -> Address | None:
    """The address that a host's name is; None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _embedded(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address

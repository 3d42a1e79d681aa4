"""Addresses that no host on the public internet has, or that machines of a cloud trust.

The IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890, read in 2026), the
multicast ranges, and addresses at which large clouds serve data and keys to their own machines.
They are listed here, because what ``ipaddress`` knows of them depends on the version of Python.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space, RFC 6598; 100.100.100.200 is Alibaba Cloud's
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # Azure's platform
        "169.254.0.0/16",  # link local, RFC 3927; 169.254.169.254 is the metadata of most clouds
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; 192.0.0.192 is Oracle Cloud's
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT, RFC 7450
        "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
        "192.168.0.0/16",  # private use, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and limited broadcast, RFC 1112 and RFC 8190
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""RFC 4291. All other registered addresses, such as fc00::/7 and fe80::/10, are outside."""
_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments with Teredo and ORCHID, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address. (A network's own prefix cannot be known.)"""


def is_public(address: Address) -> bool:
    """Whether an IP address may belong to a single host on the public internet.

    An IPv4 address inside an IPv6 address (mapped, 6to4, NAT64) counts in its place.
    """
    address = _embedded_ipv4(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _IPV6)


def _embedded_ipv4(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address

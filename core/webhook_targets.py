"""Which addresses belong to the public internet, so that a request of ours may go there.

Where an IPv6 address stands for an IPv4 address, that one counts. Of the rest only global unicast
(2000::/3) is public: what Python calls global has multicast and more in it.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

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


WHSEC: Final = "whsec_"
"""What a signing secret begins with (https://www.standardwebhooks.com); base64 follows."""
MAX_URL: Final = 2000
"""Characters."""

# RFC 3986, 2: all that an address can be written with.
_is_written_well: Final = re.compile(r"[A-Za-z]+://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+").fullmatch
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_is_name: Final = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?").fullmatch
# What the system would take for an IPv4 address, such as 127.1 and 0x7f000001 (inet_aton(3)).
_ends_in_number: Final = re.compile(r".*?(?:\A|\.)(?:0x[0-9a-f]*|[0-9]+)\.?").fullmatch
_PORTS: Final = {"http": 80, "https": 443}


class InvalidTargetError(Exception):
    """No request goes to this address; the message tells a client why."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart once and for all: what is checked is what is asked."""

    scheme: str
    host: str
    """A name in ASCII, or the text of an address, without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, *, allow_private: bool) -> Target:
    """Take an address apart; raises InvalidTargetError if nobody is told there.

    ``allow_private`` lets http and private addresses through, for tests and development: http to
    this machine only.
    """
    if len(url) > MAX_URL:
        raise InvalidTargetError(f"It has more than {MAX_URL} characters.")
    if not _is_written_well(url):
        raise _no_address()
    target = _taken_apart(url)
    _check(target, allow_private=allow_private)
    return target


def _taken_apart(url: str) -> Target:
    try:
        parts = urlsplit(url)
        named_port = parts.port
    except ValueError:
        raise _no_address() from None
    if "@" in parts.netloc:
        raise InvalidTargetError("It must have no user name and no password.")
    port = _PORTS.get(parts.scheme) if named_port is None else named_port
    if not port or not parts.hostname or "%" in parts.hostname:
        raise _no_address()
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, port, (parts.path or "/") + query)


def _no_address() -> InvalidTargetError:
    return InvalidTargetError("It is not an address such as https://example.com/hook.")


def _check(target: Target, *, allow_private: bool) -> None:
    address = literal(target.host)
    if address is None and (not _is_name(target.host) or _ends_in_number(target.host)):
        raise InvalidTargetError("Its host is neither a name nor an address in its usual form.")
    local = _is_local_name(target.host) if address is None else address.is_loopback
    if target.scheme != "https" and not (allow_private and local):
        raise InvalidTargetError("It must begin with https://.")
    if not allow_private and (local or (address is not None and not is_public(address))):
        raise InvalidTargetError("It is in a private network.")


def _is_local_name(host: str) -> bool:
    return host.rstrip(".").rpartition(".")[2] == "localhost"

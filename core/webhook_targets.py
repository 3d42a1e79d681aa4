"""Webhook addresses: parsing, and which of them a request may go to.

Requests go to the public internet only, unless private addresses are allowed for development.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from core.errors import InvalidTargetError
from core.special_addresses import Address, is_public

WHSEC_PREFIX: Final = "whsec_"
"""Start of a signing secret (https://www.standardwebhooks.com); base64 follows."""
MAX_URL: Final = 2000
"""Longest address in characters."""

# All characters that a URI can have (RFC 3986, section 2).
_has_valid_characters: Final = re.compile(
    r"[A-Za-z]+://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+"
).fullmatch
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_is_host_name: Final = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?").fullmatch
# The system takes such a name for an IPv4 address: 127.1, 0x7f000001 (inet_aton(3)).
_ends_in_number: Final = re.compile(r".*?(?:\A|\.)(?:0x[0-9a-f]*|[0-9]+)\.?").fullmatch
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed webhook address: the request goes to exactly what was checked."""

    scheme: str
    host: str
    """A host name in ASCII, or an IP address without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """Host and port as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return host if is_default else f"{host}:{self.port}"


def parse_target(url: str, *, allow_private: bool) -> Target:
    """Parse an address; raises InvalidTargetError if no webhook may be sent to it.

    ``allow_private`` also accepts private addresses, and http to this machine, for tests and
    development. What a host name resolves to is not checked here.
    """
    if len(url) > MAX_URL:
        raise InvalidTargetError(f"It has more than {MAX_URL} characters.")
    if not _has_valid_characters(url):
        raise _malformed()
    target = _split(url)
    address = ip_literal(target.host)
    if address is None and (not _is_host_name(target.host) or _ends_in_number(target.host)):
        raise InvalidTargetError("Its host is neither a name nor an IP address in its usual form.")
    is_local = _is_local_name(target.host) if address is None else address.is_loopback
    if target.scheme != "https" and not (allow_private and is_local):
        raise InvalidTargetError("It must begin with https://.")
    if not allow_private and (is_local or (address is not None and not is_public(address))):
        raise InvalidTargetError("It is in a private network.")
    return target


def ip_literal(host: str) -> Address | None:
    """Return the IP address that a URL's host is; None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _split(url: str) -> Target:
    try:
        parts = urlsplit(url)
        explicit_port = parts.port
    except ValueError:
        raise _malformed() from None
    if "@" in parts.netloc:
        raise InvalidTargetError("It must have no user name and no password.")
    port = _DEFAULT_PORTS.get(parts.scheme) if explicit_port is None else explicit_port
    if not port or not parts.hostname or "%" in parts.hostname:
        raise _malformed()
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, port, (parts.path or "/") + query)


def _malformed() -> InvalidTargetError:
    return InvalidTargetError("It is not an address such as https://example.com/hook.")


def _is_local_name(host: str) -> bool:
    return host.rstrip(".").rpartition(".")[2] == "localhost"

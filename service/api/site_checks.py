"""Rejects requests that a web page makes a visitor's browser send.

A service on a private address is reachable for each browser in its network, and so for each page
that is open there: by requests across sites (CSRF), and under a name of its own that it lets lead
here (DNS rebinding).
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from service.problems import ProblemError

_SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
_OWN_SITES: Final = {"same-origin", "none"}
"""The page itself, or a person who typed the address."""
_ANY_HOST_PATHS: Final = {"/healthz", "/readyz", "/metrics"}
"""Asked by address, by probes and Prometheus; they show no data of imports, and change nothing."""


def check_host(request: web.Request, allowed: Collection[str]) -> None:
    """Raise the problem ``host_unknown`` for a name that is not one of the service's own.

    ``allowed`` holds names in lower case without ports; ``.example.com`` also allows the names
    below it, and ``*`` any name.
    """
    if "*" in allowed or request.path in _ANY_HOST_PATHS:
        return
    name = _host_name(request.headers.get("Host", ""))
    parents = (name[at:] for at, character in enumerate(name) if character == ".")
    if name not in allowed and not any(parent in allowed for parent in parents):
        raise ProblemError(
            "host_unknown",
            "This service is not known under the name in the address. Use one that its operator "
            "has listed in ALLOWED_HOSTS.",
        )


def check_site(request: web.Request) -> None:
    """Raise the problem ``cross_site`` if a browser sends a change from another page than ours.

    Browsers tell where a request comes from in Sec-Fetch-Site (W3C, Fetch Metadata); over plain
    http to another host than this machine, and in old ones, in Origin only (RFC 6454). Programs
    that are no browsers send neither.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site in _OWN_SITES
    else:
        origin = request.headers.get("Origin")
        is_own = origin is None or _network_location(origin) == request.headers.get("Host")
    if not is_own:
        raise ProblemError("cross_site", "Send it from here, or not from a web page.")


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port, brackets and a dot at its end."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
    return name.removesuffix(".")


def _network_location(origin: str) -> str:
    """Return host and port of an origin; an empty text for ``null``."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""

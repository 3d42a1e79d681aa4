"""Sends one request to an address that a client has named.

The host's name is resolved once, and only those addresses are connected to, if all of them are
public: a name cannot lead somewhere else a moment later (DNS rebinding). The certificate must be
for the name. Redirects are not followed, no proxy is used, the response's body is not read, and one
deadline covers everything, the name's lookup too, however slowly the other side sends.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from core.special_addresses import Address, is_public
from core.supabase.errors import retry_after_seconds
from core.webhook_targets import Target, ip_literal

DEADLINE: Final = 15.0
"""Seconds from the lookup of the host's name to the response's header."""
_USER_AGENT: Final = "contacts-importer"

Resolve = Callable[[str, int], list[Address]]


class DeliveryError(Exception):
    """There was no response; the message gives the reason, and nothing of the request."""


class PrivateAddressError(DeliveryError):
    """The host's name leads into a private network."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the receiver has answered."""

    status: int
    retry_after: float | None = None
    """Seconds, from the header Retry-After."""


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a name; raises DeliveryError if it is unknown."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"the host is unknown ({type(error).__name__})") from error
    addresses = (ip_literal(str(entry[4][0])) for entry in entries)
    return list(dict.fromkeys(address for address in addresses if address is not None))


class Sender:
    """Sends requests; shared by all threads of a process."""

    def __init__(
        self, *, allow_private: bool, seconds: float = DEADLINE, resolve: Resolve = resolve
    ) -> None:
        """``allow_private`` is for tests and development; ``seconds`` is the deadline."""
        self._allow_private = allow_private
        self._seconds = seconds
        self._resolve = resolve
        self._tls = httpx.create_ssl_context()

    def post(self, target: Target, headers: dict[str, str], body: bytes) -> Response:
        """Send a POST request.

        Raises DeliveryError if there is no response, PrivateAddressError if none was asked for.
        """
        deadline = time.monotonic() + self._seconds
        network = _PinnedNetwork(self._addresses(target), deadline)
        all_headers = {"Host": target.authority, "User-Agent": _USER_AGENT, **headers}
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._tls, network_backend=network, keepalive_expiry=0
                ) as pool,
                pool.stream(
                    "POST", url, headers=list(all_headers.items()), content=body
                ) as response,
            ):
                return Response(
                    response.status, retry_after_seconds(httpx.Headers(response.headers))
                )
        except _FAILURES as error:
            raise DeliveryError(f"there was no response ({type(error).__name__})") from error

    def _addresses(self, target: Target) -> list[Address]:
        address = ip_literal(target.host)
        addresses = [address] if address is not None else self._looked_up(target)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise PrivateAddressError("the host is in a private network")
        return addresses

    def _looked_up(self, target: Target) -> list[Address]:
        """Return the addresses of the name, or give up at the deadline.

        The system's lookup has a time limit of its own, which nobody can shorten: it goes on in a
        thread that nobody waits for.
        """
        lookup: Future[list[Address]] = Future()

        def look_up() -> None:
            try:
                lookup.set_result(self._resolve(target.host, target.port))
            except Exception as error:  # noqa: BLE001 -- raised where the result is awaited
                lookup.set_exception(error)

        threading.Thread(target=look_up, name="webhook lookup", daemon=True).start()
        try:
            return lookup.result(self._seconds)
        except TimeoutError:
            raise DeliveryError("the host's name was not found in time") from None


_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
)


class _PinnedNetwork(httpcore.NetworkBackend):
    """Connects to fixed addresses, whatever the host's name is, until a deadline."""

    def __init__(self, addresses: list[Address], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 -- it is resolved already
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that accepts; raises the last one's error."""
        reason: Exception = httpcore.ConnectError("the host has no address")
        for address in self._addresses:
            try:
                stream = self._sockets.connect_tcp(
                    str(address), port, _seconds_until(self._deadline), None, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                reason = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise reason


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose operations share one deadline, instead of a timeout each."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read until the deadline."""
        return self._stream.read(max_bytes, _seconds_until(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Write until the deadline."""
        self._stream.write(buffer, _seconds_until(self._deadline))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Shake hands until the deadline."""
        left = _seconds_until(self._deadline)
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        """Pass on what httpcore asks for."""
        return self._stream.get_extra_info(info)


def _seconds_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left

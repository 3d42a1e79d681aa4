"""One request to an address that a client has named.

The host's name is looked up once; only public addresses are connected to, and none but those that
were looked at: a name cannot lead to another place a moment later (DNS rebinding). The certificate
must be that of the name. Redirects are not followed, no proxy is asked, the answer's body is not
read, and all of it has a time to end in, however slowly the other side goes.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from core.supabase.errors import retry_after_seconds
from core.webhook_targets import Address, Target, ip_literal, is_public

SECONDS: Final = 15.0
"""For one request, from the connection's begin to the answer's head."""

_AGENT: Final = "contacts-importer"

Resolve = Callable[[str, int], list[Address]]


class DeliveryError(Exception):
    """There was no answer; the message tells why, and has nothing of what was sent."""


class PrivateAddressError(DeliveryError):
    """The name leads into a private network."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    retry_after: float | None = None
    """Seconds, if it named a time."""


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a name, as the system knows them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"the host is not known ({type(error).__name__})") from error
    addresses = (ip_literal(str(entry[4][0])) for entry in found)
    return list(dict.fromkeys(address for address in addresses if address is not None))


class Sender:
    """Usable by all threads at once."""

    def __init__(
        self, *, allow_private: bool, seconds: float = SECONDS, resolve: Resolve = resolve
    ) -> None:
        """``allow_private`` is for tests and development."""
        self._allow_private = allow_private
        self._seconds = seconds
        self._resolve = resolve
        self._tls = httpx.create_ssl_context()

    def post(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        """Raises DeliveryError if there is no answer."""
        network = _Network(self._addresses(target), time.monotonic() + self._seconds)
        named = {"Host": target.authority, "User-Agent": _AGENT, **headers}
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._tls, network_backend=network, keepalive_expiry=0
                ) as pool,
                pool.stream("POST", url, headers=list(named.items()), content=body) as answer,
            ):
                return Answer(answer.status, retry_after_seconds(httpx.Headers(answer.headers)))
        except _FAILURES as error:
            raise DeliveryError(f"no answer came ({type(error).__name__})") from error

    def _addresses(self, target: Target) -> list[Address]:
        known = ip_literal(target.host)
        found = self._resolve(target.host, target.port) if known is None else [known]
        if self._allow_private:
            return found
        if not all(map(is_public, found)):
            raise PrivateAddressError("the host is in a private network")
        return found


_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
)


class _Network(httpcore.NetworkBackend):
    """Connects to certain addresses, whatever the name, and until a certain moment."""

    def __init__(self, addresses: list[Address], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 -- it was looked up before
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See NetworkBackend; the first address that takes the connection."""
        reason: Exception = httpcore.ConnectError("there is no address")
        for address in self._addresses:
            try:
                connected = self._sockets.connect_tcp(
                    str(address), port, _left(self._deadline), None, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                reason = error
            else:
                return _Stream(connected, self._deadline)
        raise reason


class _Stream(httpcore.NetworkStream):
    """A connection of which no step may pass the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """See NetworkStream."""
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """See NetworkStream."""
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """See NetworkStream."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """See NetworkStream."""
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        """See NetworkStream."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return left

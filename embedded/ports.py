"""Loopback ports: the requested one, or else the default one or any that is free."""

import socket

from embedded.errors import StackError


def listen(host: str, *, requested: int | None, default: int) -> socket.socket:
    """Return a listening socket: on ``requested`` (0 is any), or else on ``default`` if free."""
    if requested is not None:
        return _requested(host, requested)
    try:
        return _listening(host, default)
    except OSError:
        return _listening(host, 0)


def free_port(host: str, *, requested: int | None, default: int) -> int:
    """Return a port chosen as in ``listen``, for a program that opens it itself."""
    with listen(host, requested=requested, default=default) as found:
        port: int = found.getsockname()[1]
        return port


def _requested(host: str, port: int) -> socket.socket:
    try:
        return _listening(host, port)
    except OSError as error:
        raise StackError(f"Port {port} of {host} cannot be used: {error.strerror}.") from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(1024)
    except OSError:
        made.close()
        raise
    return made

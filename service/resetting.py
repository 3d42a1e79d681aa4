"""The end of a connection whose answer is incomplete."""

import asyncio
import socket
import struct
from typing import Final, cast

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0: closing the socket sends RST (socket(7))."""


def reset(transport: asyncio.BaseTransport) -> None:
    """Reset a connection, so that no client takes an incomplete answer for a whole one.

    HTTP/1.0 has no other sign than the end of the connection, so a normal close is not enough.
    """
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    cast("asyncio.WriteTransport", transport).abort()

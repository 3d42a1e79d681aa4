"""Two network namespaces that act as two machines, with a virtual cable that can be cut.

Their addresses are loopback addresses, for which the kernel is set to allow routing, so nothing has
to listen on any other address.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AVAILABLE = os.geteuid() == 0 and shutil.which("ip") is not None
WHY_NOT = "network namespaces need root and iproute2"

_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_CABLE = "cable"


@dataclass(frozen=True)
class Machine:
    """One network namespace."""

    namespace: str
    address: str

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Move the current thread there, and all threads and processes that it starts."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(_NAMESPACES / self.namespace, os.O_RDONLY)
        try:
            _enter(there)
            yield
            _enter(before)
        finally:
            os.close(there)
            os.close(before)

    def ip(self, *command: str) -> None:
        _ip("-n", self.namespace, *command)

    def connect(self) -> None:
        """Bring up its interfaces, with its own addresses and no other loopback addresses."""
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "flush", "dev", "lo")
        self.ip("addr", "add", "127.0.0.1/32", "dev", "lo")
        self.ip("addr", "add", f"{self.address}/30", "dev", _CABLE)
        with self.inside():
            Path(f"/proc/sys/net/ipv4/conf/{_CABLE}/route_localnet").write_text("1")
        self.ip("link", "set", _CABLE, "up")


@dataclass(frozen=True)
class Network:
    """Two machines and the cable between them."""

    near: Machine
    far: Machine

    def pull(self) -> None:
        """Drop all packets from now on; neither side gets an error."""
        self.near.ip("link", "set", _CABLE, "down")

    def plug(self) -> None:
        """Let packets pass again."""
        self.near.ip("link", "set", _CABLE, "up")


@contextlib.contextmanager
def two_machines() -> Iterator[Network]:
    """Create both namespaces; raises CalledProcessError where root may not do that."""
    names = [f"chaos-{os.getpid()}-{name}" for name in ("near", "far")]
    near, far = Machine(names[0], "127.77.0.1"), Machine(names[1], "127.77.0.2")
    with contextlib.ExitStack() as stack:
        for machine in (near, far):
            _ip("netns", "add", machine.namespace)
            stack.callback(_ip, "netns", "del", machine.namespace)
        peer = ("peer", "name", _CABLE, "netns", far.namespace)
        _ip("link", "add", _CABLE, "netns", near.namespace, "type", "veth", *peer)
        near.connect()
        far.connect()
        yield Network(near, far)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True, text=True)

"""Measures the CPU seconds of groups of processes, and the peak memory of each process.

CPU seconds include those of children that have ended. The peak is the kernel's high-water mark
(VmHWM in proc(5)), which is reset before a measurement; without /proc, it is what is resident at
the end.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

CORES: Final = psutil.cpu_count() or 1
CLIENT: Final = "client"
OTHERS: Final = "others"
FULL: Final = 0.8
"""Share of the machine's time from which it counts as fully used."""
IDLE: Final = 0.6
"""Share of a group's cores below which it cannot be what limits."""

_RESET_PEAK: Final = "5"

Processes = Callable[[], list[psutil.Process]]


@dataclass(frozen=True)
class Group:
    """Processes whose CPU seconds are added."""

    name: str
    processes: Processes
    cores: int = 1
    """How many cores they can use: one for each process that runs Python."""
    with_ended: bool = True
    """Whether children that have ended count too."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds between two readings."""

    seconds: float
    cpu: Mapping[str, float]
    """CPU seconds by group; ``others`` is what else ran on this machine."""

    def __add__(self, other: "Usage") -> "Usage":
        names = [*self.cpu, *(name for name in other.cpu if name not in self.cpu)]
        cpu = {name: self.cpu.get(name, 0) + other.cpu.get(name, 0) for name in names}
        return Usage(self.seconds + other.seconds, cpu)


@dataclass(frozen=True)
class Reading:
    """CPU seconds at one point in time, by group."""

    at: float
    cpu: Mapping[str, float]
    machine: float

    def until(self, later: "Reading") -> Usage:
        """Return what was used from this reading to another one."""
        cpu = {name: later.cpu[name] - used for name, used in self.cpu.items()}
        others = later.machine - self.machine - sum(cpu.values())
        return Usage(later.at - self.at, {**cpu, OTHERS: max(0.0, others)})


def limits(usage: Usage, cores: Mapping[str, int], machine: int = CORES) -> str:
    """Return the group that is nearest to its limit, or the machine if that is fully used."""
    shares = {name: usage.cpu[name] / usage.seconds / cores[name] for name in cores}
    busy = sum(usage.cpu.values()) / usage.seconds / machine
    name = max(shares, key=lambda name: shares[name])
    text = f"{name} at {shares[name]:.0%} of its {_cores(cores[name])}"
    if shares[name] < IDLE and busy < FULL:
        return f"nothing is busy, all wait: {text}"
    if busy < FULL:
        return text
    most = max(usage.cpu, key=lambda name: usage.cpu[name])
    part = usage.cpu[most] / usage.seconds / machine
    return f"the machine: its {_cores(machine)} are {busy:.0%} busy, {part:.0%} with {most}; {text}"


def _cores(count: int) -> str:
    return "core" if count == 1 else f"{count} cores"


@dataclass(frozen=True)
class Meter:
    """Reads the CPU seconds of groups of processes."""

    groups: tuple[Group, ...]

    def read(self) -> Reading:
        """Return the CPU seconds used so far."""
        cpu = {group.name: _seconds(group) for group in self.groups}
        return Reading(time.monotonic(), cpu, _busy_seconds())

    @property
    def all_cores(self) -> dict[str, int]:
        """Cores that each group can use."""
        return {group.name: group.cores for group in self.groups}

    @property
    def cores(self) -> dict[str, int]:
        """Cores that each group can use, without the client."""
        return {name: cores for name, cores in self.all_cores.items() if name != CLIENT}


def _seconds(group: Group) -> float:
    return sum(_used(process, group) for process in group.processes())


def _used(process: psutil.Process, group: Group) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = times.children_user + times.children_system if group.with_ended else 0.0
    return float(times.user + times.system + ended)


def _busy_seconds() -> float:
    """Return the CPU seconds of the whole machine, without the time that its host took away."""
    times = psutil.cpu_times()._asdict()
    return float(sum(times.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))


def reset_peak(process: psutil.Process) -> None:
    """Reset the peak to what is resident now (proc(5), clear_refs)."""
    mark = Path(f"/proc/{process.pid}/clear_refs")
    if mark.exists():
        mark.write_text(_RESET_PEAK)


def peak_bytes(process: psutil.Process) -> int:
    """Return the peak of resident bytes, 0 if the process has ended."""
    status = Path(f"/proc/{process.pid}/status")
    try:
        lines = status.read_text().splitlines() if status.exists() else []
        found = next((line for line in lines if line.startswith("VmHWM:")), None)
        return int(found.split()[1]) * 1024 if found else int(process.memory_info().rss)
    except (psutil.Error, ProcessLookupError, FileNotFoundError):
        return 0


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    return [process, *process.children(recursive=True)]


def named(root: psutil.Process, name: str) -> psutil.Process:
    """Return the oldest process under ``root`` that has this name."""
    found = [each for each in root.children(recursive=True) if _name_of(each) == name]
    return min(found, key=lambda each: each.create_time())


def _name_of(process: psutil.Process) -> str:
    """Return the name of a process, empty if it has ended."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""

# SPDX-License-Identifier: MIT
"""What commands use, and have used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from . import native


@dataclass(frozen=True, repr=False)
class Usage:
    """What a command used; None where its strength, or this host, does not count something. Times are in seconds, memory in bytes."""

    wall_time: Optional[float]
    user_time: Optional[float]
    system_time: Optional[float]
    memory_peak: Optional[int]
    minor_faults: Optional[int]
    major_faults: Optional[int]
    blocks_in: Optional[int]
    blocks_out: Optional[int]
    voluntary_switches: Optional[int]
    involuntary_switches: Optional[int]
    memory: Optional[int] = None
    swap: Optional[int] = None
    swap_peak: Optional[int] = None
    processes: Optional[int] = None
    processes_peak: Optional[int] = None
    cpu_throttled: Optional[float] = None
    read_bytes: Optional[int] = None
    written_bytes: Optional[int] = None
    oom_kills: Optional[int] = None
    memory_max_events: Optional[int] = None
    processes_max_events: Optional[int] = None
    cpu_pressure: Optional[float] = None
    memory_pressure: Optional[float] = None
    io_pressure: Optional[float] = None
    exits: Optional[int] = None
    exits_port: Optional[int] = None
    exits_memory: Optional[int] = None
    exits_interrupted: Optional[int] = None
    exits_kvm: Optional[int] = None
    exits_halt: Optional[int] = None
    exits_hypercall: Optional[int] = None
    exits_window: Optional[int] = None
    interrupts: Optional[int] = None

    def __repr__(self) -> str:
        known = ((name, value) for name, value in vars(self).items() if value is not None)
        return f"Usage({', '.join(f'{name}={value!r}' for name, value in known)})"


def read_usage(figure: Callable[[int], Optional[int]]) -> Usage:
    """All figures, each asked for by its raw number."""

    def seconds(which: int) -> Optional[float]:
        microseconds = figure(which)
        return None if microseconds is None else microseconds / 1e6

    return Usage(
        wall_time=seconds(native.VISO_USAGE_WALL_US),
        user_time=seconds(native.VISO_USAGE_USER_US),
        system_time=seconds(native.VISO_USAGE_SYSTEM_US),
        memory_peak=figure(native.VISO_USAGE_MEMORY_PEAK),
        minor_faults=figure(native.VISO_USAGE_MINOR_FAULTS),
        major_faults=figure(native.VISO_USAGE_MAJOR_FAULTS),
        blocks_in=figure(native.VISO_USAGE_BLOCKS_IN),
        blocks_out=figure(native.VISO_USAGE_BLOCKS_OUT),
        voluntary_switches=figure(native.VISO_USAGE_VOLUNTARY_SWITCHES),
        involuntary_switches=figure(native.VISO_USAGE_INVOLUNTARY_SWITCHES),
        memory=figure(native.VISO_USAGE_MEMORY),
        swap=figure(native.VISO_USAGE_SWAP),
        swap_peak=figure(native.VISO_USAGE_SWAP_PEAK),
        processes=figure(native.VISO_USAGE_PROCESSES),
        processes_peak=figure(native.VISO_USAGE_PROCESSES_PEAK),
        cpu_throttled=seconds(native.VISO_USAGE_CPU_THROTTLED_US),
        read_bytes=figure(native.VISO_USAGE_READ_BYTES),
        written_bytes=figure(native.VISO_USAGE_WRITTEN_BYTES),
        oom_kills=figure(native.VISO_USAGE_OOM_KILLS),
        memory_max_events=figure(native.VISO_USAGE_MEMORY_MAX_EVENTS),
        processes_max_events=figure(native.VISO_USAGE_PROCESSES_MAX_EVENTS),
        cpu_pressure=seconds(native.VISO_USAGE_CPU_PRESSURE_US),
        memory_pressure=seconds(native.VISO_USAGE_MEMORY_PRESSURE_US),
        io_pressure=seconds(native.VISO_USAGE_IO_PRESSURE_US),
        exits=figure(native.VISO_USAGE_EXITS),
        exits_port=figure(native.VISO_USAGE_EXITS_PORT),
        exits_memory=figure(native.VISO_USAGE_EXITS_MEMORY),
        exits_interrupted=figure(native.VISO_USAGE_EXITS_INTERRUPTED),
        exits_kvm=figure(native.VISO_USAGE_EXITS_KVM),
        exits_halt=figure(native.VISO_USAGE_EXITS_HALT),
        exits_hypercall=figure(native.VISO_USAGE_EXITS_HYPERCALL),
        exits_window=figure(native.VISO_USAGE_EXITS_WINDOW),
        interrupts=figure(native.VISO_USAGE_INTERRUPTS),
    )

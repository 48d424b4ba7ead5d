#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thousand identical containers at once, with a live table of what they use: many.py [COUNT [SECONDS]]"""

import resource
import select
import sys
import time

import virtiso

PROGRAM = "/bin/busybox"
# Some memory, some work, and then a long sleep.
SCRIPT = "head -c 100000 /dev/zero > /tmp/data; i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; exec sleep 600"


def allow_many_files():
    """A process has a fd or two of ours."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def print_line(processes, began):
    """One line, written over the last one on a terminal."""
    # From a sample: to ask thousands takes longer than to start them.
    usages = [process.usage() for process in processes[:: len(processes) // 64 + 1]]
    share = len(processes) / max(1, len(usages))
    memory = sum(usage.memory or 0 for usage in usages) / 1024 * share
    cpu = sum((usage.user_time or 0) + (usage.system_time or 0) for usage in usages) * share
    each = memory / len(processes) if processes else 0
    line = f"{time.monotonic() - began:8.1f} {len(processes):8} {memory / 1024:10.0f} {each:12.1f} {cpu:9.1f}"
    print("\r" + line if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


def start_all(box, count):
    """Starts them, as fast as it goes."""
    processes = []
    began = time.monotonic()
    then = began + 0.5
    print(f"{'seconds':>8} {'running':>8} {'memory MiB':>10} {'KiB for each':>12} {'CPU s':>9}")
    while len(processes) < count:
        processes.append(box.spawn([PROGRAM, "sh", "-c", SCRIPT], stdin=virtiso.DEVNULL))
        if time.monotonic() > then:
            print_line(processes, began)
            then = time.monotonic() + 1
    took = time.monotonic() - began
    print_line(processes, began)
    print(f"\n{count} started in {took:.2f} s, {count / took:.0f} a second")
    return processes


def watch(box, processes, seconds):
    """Looks at them for a while, and says which have ended by themselves."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        ready, _, _ = select.select([box], [], [], 1)
        if ready and (event := box.next_event()) and event.kind == virtiso.EventKind.ENDED:
            print(f"\n{event.process} has ended")
        print_line(processes, began)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3
    allow_many_files()
    # Memory is counted by a control group, which a limit brings; an ordinary user may have none.
    counted = virtiso.Machine().supports("memory_limit")
    # One container for all: each command gets an instance of its own.
    with virtiso.Container(virtiso.Root(programs=[PROGRAM]), memory_max="16M" if counted else None) as box:
        box.fileno()  # from now on it tells
        processes = start_all(box, count)
        watch(box, processes, seconds)
        began = time.monotonic()
    print(f"\nall removed in {time.monotonic() - began:.2f} s")
    for process in processes:
        process.wait()


if __name__ == "__main__":
    try:
        main()
    except virtiso.Error as error:
        sys.exit(f"many.py: {error}")

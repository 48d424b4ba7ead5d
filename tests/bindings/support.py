# SPDX-License-Identifier: MIT
"""What the Python tests share: a root, the strengths that this host has, and what must not be left behind."""

import functools
import gc
import os
import re
import time
import unittest

import tap
import virtiso

SOURCE = os.environ["VIRTISO_SOURCE"]
SANDBOXES = {"container": virtiso.Container, "jail": virtiso.Jail}
BUSYBOX = "/bin/busybox"


@functools.lru_cache(maxsize=None)
def machine():
    return virtiso.Machine()


@functools.lru_cache(maxsize=None)
def root():
    return virtiso.Root(programs=[BUSYBOX], data={"/etc/scenario": "from the root\n"})


def need(*features):
    """Skips the case where the host lacks a feature."""
    for feature in features:
        if not machine().supports(feature):
            raise tap.Missing(f"{feature}: {machine().detail(feature)}")


def any_strength():
    """A strength that this host has, for what is the same in all."""
    for name, sandbox in SANDBOXES.items():
        if machine().supports(name):
            return sandbox
    raise tap.Missing("; ".join(machine().detail(name) for name in SANDBOXES))


def sandbox(**settings):
    """A sandbox of some strength."""
    return any_strength()(root(), **settings)


def shell(script):
    """Arguments that run a script of busybox's shell."""
    return [BUSYBOX, "sh", "-c", script]


def errors_of(done):
    """What a program said on stderr, without what ASan says about the launcher's stack, which it does not know."""
    notes = re.compile(r"(==\d+==WARNING: ASan is ignoring|False positive error|For details see https://github.com/google).*\n")
    return notes.sub("", done.stderr)


def open_fds():
    return set(os.listdir("/proc/self/fd"))


def children():
    """Children of this process, zombies too; the launcher is one from the first start on."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
            found.update(file.read().split())
    return found


class TestCase(unittest.TestCase):
    """A case that must leave no fd and no child behind."""

    def setUp(self):
        # Whatever is made once for each process shall be there before it is counted.
        virtiso._interrupt.get_watcher()
        try:
            with sandbox() as box:
                box.run([BUSYBOX, "true"])
        except tap.Missing:
            pass
        self.before = len(open_fds()), len(children())

    def tearDown(self):
        gc.collect()  # an exception and its frames may hold each other
        deadline = time.monotonic() + 5
        while (len(open_fds()), len(children())) > self.before and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertLessEqual(len(open_fds()), self.before[0], "fds are left")
        self.assertLessEqual(len(children()), self.before[1], "children are left")

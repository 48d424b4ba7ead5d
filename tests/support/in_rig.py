# SPDX-License-Identifier: MIT
"""Runs tests in the rig (tests/rig/rig), one after the other: for tests/run, which counts them as it counts others."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time

RIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "rig", "rig")
# The rig's own marks, around the output of each test.
BEGIN, END = "@@ rig begins", "@@ rig ended with "
# All is emulated, by one processor.
PATIENCE, LONGEST = 8, 600
# Until the first test begins, a download of the kernel included; and how much later than a test's own time limit the machine is given up.
BOOT, GRACE = 600, 60
KILLED = 137  # as timeout(1) and the shell tell SIGKILL


def time_limit(test):
    return min((test["timeout"] or LONGEST) * PATIENCE, LONGEST)


class Boot:
    """One run of the rig: yields what the tests printed, in their order, for as long as it goes on."""

    def __init__(self, tests, options):
        self.tests = tests
        self.options = options
        self.process = None
        self.watch = None
        self.missing = None  # what the rig itself lacks

    def give_up(self):
        os.killpg(self.process.pid, signal.SIGKILL)

    def watch_for(self, seconds):
        if self.watch:
            self.watch.cancel()
        self.watch = threading.Timer(seconds, self.give_up)
        self.watch.start()

    def results(self):
        """(output, exit code or None where the machine ended before the test, seconds) of each test that has begun."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump([dict(test, timeout=time_limit(test)) for test in self.tests], file)
            file.flush()
            # Whoever kills tests/run leaves no machine behind.
            command = ["setpriv", "--pdeathsig=KILL", RIG, *self.options, "--timeout", "86400", "--tests", file.name]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, start_new_session=True)
            self.watch_for(BOOT)
            try:
                yield from self.parts()
            finally:
                self.watch.cancel()
                if self.process.poll() is None:
                    self.give_up()
                self.process.wait()

    def parts(self):
        lines, begin, number = None, 0, 0
        for line in self.process.stdout:
            line = line.decode(errors="replace").rstrip("\r\n")
            if line == BEGIN:
                lines, begin = [], time.monotonic()
                self.watch_for(time_limit(self.tests[number]) + GRACE)
                number += 1
            elif line.startswith(END) and lines is not None:
                yield "\n".join(lines), int(line[len(END):]), time.monotonic() - begin
                lines = None
            elif lines is not None:
                lines.append(line)
            elif line.startswith("# missing: "):
                self.missing = line.removeprefix("# missing: ")
        if lines is not None:
            yield "\n".join(lines), None, time.monotonic() - begin


def run(tests, options):
    """Yields (test, output, exit code or None, how it ended where that was no exit or None, seconds).

    A machine that does not survive a test is started again for those after it. What the rig lacks is told as a skipped case of every
    test.
    """
    while tests:
        boot = Boot(tests, options)
        done = 0
        for output, exit_code, seconds in boot.results():
            ending = None
            if exit_code is None:
                ending = "the rig ended, or was ended since it told nothing any more"
            elif exit_code == KILLED:
                ending = f"timed out after {time_limit(tests[done])} s"
            yield tests[done], output, exit_code, ending, seconds
            done += 1
        if boot.missing:
            for test in tests:
                yield test, f"# missing: {boot.missing}\n1..0", 0, None, 0
            return
        if not done:
            yield tests[0], "", None, "the rig did not start", 0
            done = 1
        tests = tests[done:]

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run submissions that nobody trusts, with limits, and print a verdict for each: judge.py [--tests DIR] SUBMISSION.py...

Each submission is a Python program that reads numbers and prints their sum. Without any, it shows one of each kind.
DIR holds NAME.in and NAME.out for each test.

Verdicts: OK, wrong, time, memory, crash, forbidden call.
"""

import argparse
import pathlib
import sys

import virtiso

TESTS = [("1 2 3\n", "6\n"), ("40 2\n", "42\n"), ("\n", "0\n")]

SHOWN = {
    "sum.py": "print(sum(map(int, input().split())))",
    "greeting.py": "print('hello')",
    "endless.py": "while True: pass",
    "sleeping.py": "import time; time.sleep(100)",
    "greedy.py": "x = 'a' * 10**9",
    "crashing.py": "import os; os.abort()",
    "raising.py": "1 / 0",
    "calling-home.py": "import socket; socket.socket()",
    "forking.py": "import os\nwhile True: os.fork()",
    "talkative.py": "while True: print('x' * 1000)",
}


class Judge:
    """One container for all submissions: each run has an instance of its own, and nothing of it reaches the next."""

    def __init__(self):
        root = virtiso.Root(programs=["/usr/bin/python3"])
        machine = virtiso.Machine()
        limited = machine.supports("memory_limit") and machine.supports("process_limit")
        self.box = virtiso.Container(
            root,
            memory_max="64M" if limited else None,
            processes_max=8 if limited else None,
            hostname="judge",
            # A socket is no way to solve anything: who asks for one is ended.
            rules=[virtiso.Rule("socket", "kill")],
        )

    def run(self, source, data):
        return self.box.run(
            ["/usr/bin/python3", "-I", "-c", source],
            input=data,
            capture_max="64K",
            timeout=5,
            cpu_time=1,
            rlimits={"address_space": "512M", "file_size": "1M", "open_files": 32},
        )

    def verdict(self, source, tests):
        """The verdict on all tests, and the result of the last one that was run."""
        for data, wanted in tests:
            result = self.run(source, data)
            verdict = self.verdict_on(result, wanted)
            if verdict != "OK":
                break
        return verdict, result

    @staticmethod
    def verdict_on(result, wanted):
        reasons = {
            virtiso.Reason.TIMED_OUT: "time",
            virtiso.Reason.CPU_TIME: "time",
            virtiso.Reason.OUT_OF_MEMORY: "memory",
            virtiso.Reason.SECCOMP: "forbidden call",
        }
        if result.reason in reasons:
            return reasons[result.reason]
        if result.returncode != 0:
            return "memory" if "MemoryError" in result.stderr else "crash"
        return "OK" if not result.truncated and result.stdout == wanted else "wrong"


def read_tests(directory):
    inputs = sorted(pathlib.Path(directory).glob("*.in"))
    return [(path.read_text(), path.with_suffix(".out").read_text()) for path in inputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", metavar="DIR", help="NAME.in and NAME.out for each test")
    parser.add_argument("submissions", metavar="SUBMISSION.py", nargs="*")
    options = parser.parse_args()
    tests = read_tests(options.tests) if options.tests else TESTS
    if not tests:
        sys.exit(f"judge.py: no tests in {options.tests}")
    submissions = {name: pathlib.Path(name).read_text() for name in options.submissions} or SHOWN

    judge = Judge()
    with judge.box:
        for name, source in submissions.items():
            verdict, result = judge.verdict(source, tests)
            usage = result.usage
            cpu = (usage.user_time or 0) + (usage.system_time or 0)
            memory = (usage.memory_peak or 0) / 2**20
            print(f"{name:20} {verdict:15} {cpu:6.2f} s CPU {memory:7.1f} MiB   {result.describe()}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (virtiso.Error, OSError) as error:
        sys.exit(f"judge.py: {error}")

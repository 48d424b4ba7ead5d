#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a program of this host in a jail, a container or a guest.

The program named in COMMAND is put into an empty root with all that it needs, and sees nothing else of the host.
"""

import argparse
import sys

import virtiso

EXIT_TIMED_OUT, EXIT_OWN_ERROR, EXIT_SIGNAL_BASE = 124, 125, 128  # as timeout(1) and env(1) have it


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(EXIT_OWN_ERROR, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse_options():
    parser = Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The exit code is that of COMMAND; 128 + N when signal N ended it, 124 when its\n"
        "time was over, 125 when it could not be run.",
    )
    for name, text in (
        ("jail", "in a chroot jail, hardened"),
        ("container", "in a container (the default)"),
        ("guest", "in a virtual machine under KVM (one process, one thread)"),
    ):
        parser.add_argument(f"--{name}", dest="isolation", action="store_const", const=name, help=text)
    parser.set_defaults(isolation="container")
    add = parser.add_argument
    add("--program", metavar="PATH", action="append", default=[], help="put this program into the root too")
    add("--file", metavar="PATH", action="append", default=[], help="put this file into the root too")
    add("--memory", metavar="SIZE", help="limit the memory: bytes, or such as 256M")
    add("--timeout", metavar="SECONDS", type=float, help="end it when so much time has passed, such as 2.5")
    add("--net", choices=["none", "host"], default="none", help="what it can reach by network (none is the default)")
    add("command", metavar="COMMAND", help="the program, a path or a name")
    add("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER)
    return parser.parse_args()


def exit_code(result):
    if result.returncode != 0:
        print(f"run.py: {result.describe()}", file=sys.stderr)
    if result.exit_code is not None:
        return result.exit_code
    if result.reason == virtiso.Reason.TIMED_OUT:
        return EXIT_TIMED_OUT
    return EXIT_SIGNAL_BASE + result.signal if result.signal else EXIT_OWN_ERROR


def main():
    options = parse_options()
    try:
        result = virtiso.run(
            [options.command, *options.arguments],
            isolation=options.isolation,
            programs=options.program,
            files=options.file,
            memory_max=options.memory,
            network=options.net,
            timeout=options.timeout,
            capture_output=False,
        )
    except (virtiso.Error, ValueError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return EXIT_OWN_ERROR
    return exit_code(result)


if __name__ == "__main__":
    sys.exit(main())

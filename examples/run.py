#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a program of this host in a jail, a container or a guest.

The program named in COMMAND is put into an empty root with all that it needs, and sees nothing else of the host.
"""

import argparse
import dataclasses
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
    add("--net", choices=[network.name.lower() for network in virtiso.Network], default="none",
        help="what it can reach by network (none is the default)")  # fmt: skip
    add("--processes", metavar="N", type=int, help="limit the processes and threads")
    add("--user", metavar="UID[:GID]", help="run it as this user")
    add("--env", metavar="NAME=VALUE", action="append", default=[], help="set a variable")
    add("--cwd", metavar="DIR", help="begin in this directory")
    add("--usage", action="store_true", help="say what it used when it has ended")
    of_container = parser.add_argument_group("in a container only")
    add = of_container.add_argument
    add("--bind", metavar="SOURCE[:PATH[:ro]]", action="append", default=[], help="show a file or directory of the host")
    add("--tmpfs", metavar="PATH[:SIZE]", action="append", default=[], help="an empty directory in memory")
    add("--write", metavar="DIR", nargs="?", const="discard", help="let it write everywhere: to memory, or to DIR, which keeps it")
    add("--cpus", metavar="N", type=float, help="limit the CPU time, such as 0.5")
    add("--hostname", metavar="NAME", help="what it sees as the host's name")
    add("--cap", metavar="NAME", action="append", default=[], help="a capability, such as net_raw")
    add("--seccomp", metavar="NAME|FILE", help="default, allow, deny, kill, none, or an OCI profile")
    add("--publish", metavar="HOSTPORT:PORT", action="append", default=[], help="let a port of the host lead to it")
    add("--dns", metavar="ADDRESS", action="append", default=[], help="a name server")
    add("command", metavar="COMMAND", help="the program, a path or a name")
    add("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER)
    return parser.parse_args()


def parts(text):
    """The parts of "a:b:c"; None where one is missing."""
    return (text.split(":") + [None, None])[:3]


def container_options(options):
    """Those that only a container has, as far as they were given."""
    given = {
        "binds": {path or source: virtiso.Bind(source, read_only=mode == "ro") for source, path, mode in map(parts, options.bind)},
        "tmpfs": {path: size or 0 for path, size, _ in map(parts, options.tmpfs)},
        "writable": options.write,
        "cpu_max": options.cpus,
        "hostname": options.hostname,
        "capabilities": options.cap,
        "seccomp": options.seccomp,
        "ports": {int(host_port): int(port) for host_port, port, _ in map(parts, options.publish)},
        "dns": options.dns,
    }
    return {name: value for name, value in given.items() if value}


def user_options(options):
    user, group, _ = parts(options.user) if options.user else (None, None, None)
    return {"user": user and int(user), "group": group and int(group)}


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
            processes_max=options.processes,
            env=dict(variable.split("=", 1) for variable in options.env),
            cwd=options.cwd,
            capture_output=False,
            **user_options(options),
            **container_options(options),
        )
    except (virtiso.Error, ValueError, TypeError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return EXIT_OWN_ERROR
    if options.usage:
        for field in dataclasses.fields(result.usage):
            if (value := getattr(result.usage, field.name)) is not None:
                print(f"run.py: {field.name.replace('_', ' '):24} {value}", file=sys.stderr)
    return exit_code(result)


if __name__ == "__main__":
    sys.exit(main())

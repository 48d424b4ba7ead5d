#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put a jail together, keep it up to date, and run programs in it: viso-jail in Python."""

import argparse
import json
import os
import signal
import sys

import virtiso

EXIT_TIMED_OUT, EXIT_OWN_ERROR, EXIT_SIGNAL_BASE = 124, 125, 128  # as timeout(1) and env(1) have it


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(EXIT_OWN_ERROR, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse_options():
    parser = Parser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for name, text in (
        ("plan", "print what would be in the jail, and why"),
        ("build", "make it"),
        ("update", "bring it to a changed recipe or changed programs"),
        ("verify", "compare it with its record"),
        ("list", "print its record"),
        ("remove", "remove what was built"),
        ("exec", "run a program in it"),
    ):
        command = commands.add_parser(name, help=text)
        if name != "exec":
            command.add_argument("--json", action="store_true", help="print JSON")
        if name in ("plan", "build", "update"):
            for what, of in (
                ("program", "with all that it needs"),
                ("library", "that it loads by itself"),
                ("package", "with all its files"),
                ("file", "of this machine"),
            ):
                command.add_argument(f"--{what}", action="append", default=[], help=f"a {what} {of}")
            command.add_argument("--store", help="share contents with other jails")
        if name != "plan":
            command.add_argument("directory", type=os.path.abspath)
        if name == "exec":
            command.add_argument("--timeout", type=float, help="seconds")
            command.add_argument("--demand", default="none", help="least hardening: privileges, files or scopes")
            command.add_argument("arguments", metavar="COMMAND", nargs=argparse.REMAINDER)
    return parser.parse_args()


def show_progress(done, total, path):
    print(f"\r{100 * done // max(total, 1):3} %  {path!r:.60}\033[K", end="", file=sys.stderr)


def print_entries(entries, as_json):
    if as_json:
        names = virtiso.EntryType, virtiso.EntryState
        rows = [{k: v.name.lower() if isinstance(v, names) else v for k, v in e._asdict().items()} for e in entries]
        print(json.dumps(rows, indent=1))
        return
    for entry in entries:
        print(f"{entry.state.name.lower():8} {entry.type.name.lower():9} {entry.path!a}  ({entry.reason!a})")


def print_count(name, count, options):
    print(json.dumps({name: count, "directory": options.directory}) if options.json else f"{count} {name}")


def make(options):
    """plan, build and update: from a recipe."""
    root = virtiso.Root(
        path=None if options.command == "plan" else options.directory,
        programs=options.program,
        libraries=options.library,
        packages=options.package,
        files=options.file,
        store=options.store,
        progress=show_progress if sys.stderr.isatty() and not options.json else None,
    )
    if options.command == "plan":
        print_entries(root.plan(), options.json)
    elif options.command == "build":
        root.build()
        print_count("entries", len(root.manifest()), options)
    else:
        print_count("changed", root.update(), options)
    return 0


def execute(root, options):
    program = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    with virtiso.Jail(root, demand=options.demand) as jail:
        result = jail.run(program, timeout=options.timeout, capture_output=False)
    if result.returncode != 0:
        print(f"jail.py: {result.describe()}", file=sys.stderr)
    if result.exit_code is not None:
        return result.exit_code
    if result.reason == virtiso.Reason.TIMED_OUT:
        return EXIT_TIMED_OUT
    return EXIT_SIGNAL_BASE + result.signal if result.signal else EXIT_OWN_ERROR


def use(options):
    """verify, list, remove and exec: a jail that is there."""
    root = virtiso.Root(directory=options.directory)
    if options.command == "exec":
        return execute(root, options)
    if options.command == "remove":
        left = root.remove()
        print_count("left", left, options)
        return int(left > 0)
    entries = root.manifest() if options.command == "list" else root.verify().differences
    print_entries(entries, options.json)
    return int(options.command == "verify" and len(entries) > 0)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads may have read enough: list DIR | head
    options = parse_options()
    try:
        return (make if options.command in ("plan", "build", "update") else use)(options)
    except (virtiso.Error, ValueError) as error:
        # A terminal would obey some of what names of files may contain.
        print("jail.py:", "".join(c if c.isprintable() else "?" for c in str(error)), file=sys.stderr)
        return EXIT_OWN_ERROR


if __name__ == "__main__":
    sys.exit(main())

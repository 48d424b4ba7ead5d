#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every man page is rendered without a warning, has its sections and points to pages that exist. Prints TAP."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "PARAMETERS", "RETURN VALUE", "ERRORS", "THREADS", "SEE ALSO", "HISTORY"]
OPTIONAL = {"PARAMETERS", "RETURN VALUE", "ERRORS"}
# Of the system; whether they are installed here does not matter.
FOREIGN = {
    "accept(2)", "capabilities(7)", "longjmp(3)", "setsid(1)", "chroot(2)", "clone(2)", "connect(2)", "copy_file_range(2)", "core(5)", "criu(8)", "devpts(5)",
    "dlclose(3)", "dlopen(3)", "dpkg-query(1)", "elf(5)", "epoll(7)", "eventfd(2)", "execve(2)", "fcntl(2)", "fdatasync(2)", "flock(2)", "fork(2)", "fsync(2)", "gdb(1)", "getrandom(2)",
    "getrusage(2)", "group(5)", "iconv(3)", "ioctl(2)", "ioctl_ficlone(2)", "kvm(4)", "landlock(7)", "ld.so(8)",
    "libarchive(3)", "link(2)", "mkfs.erofs(1)", "mknod(2)", "mount_namespaces(7)", "msync(2)", "mtree(5)", "munmap(2)", "mv(1)", "namespaces(7)",
    "network_namespaces(7)", "newgidmap(1)", "newuidmap(1)", "nft(8)", "open(2)", "open_tree(2)", "passt(1)", "passwd(5)",
    "pasta(1)", "proc_pid_oom_score_adj(5)", "process_vm_readv(2)", "pthread_cond_timedwait(3)", "pty(7)", "read(2)", "resolv.conf(5)", "sched(7)",
    "sched_setaffinity(2)", "sched_setscheduler(2)", "seccomp(2)", "seccomp_unotify(2)", "setdomainname(2)", "setns(2)",
    "setpriority(2)", "setrlimit(2)", "signal(7)", "socketpair(2)", "subuid(5)", "systemd-detect-virt(1)", "syscall(2)", "syscalls(2)", "sysctl(8)", "syslog(3)",
    "tar(5)", "time_namespaces(7)", "timerfd_create(2)", "tmpfs(5)", "umask(2)", "user_namespaces(7)", "vsock(7)", "write(2)",
}


def render(directory, page):
    """As man(1) does it, in half the time."""
    done = subprocess.run(["groff", "-K", "utf8", "-t", "-man", "-ww", "-Tutf8", "-rLL=80n", "-P-cbou", page], cwd=directory,
                          env=dict(os.environ, LC_ALL="C.UTF-8"), encoding="utf-8", capture_output=True)
    return done.stdout, done.stderr + ("" if done.returncode == 0 else f"exit status {done.returncode}")


def problems(directory, page, names):
    text, warnings = render(directory, page)
    found = [f"{page}: {line}" for line in warnings.splitlines()]
    if page.startswith("viso_"):
        sections = re.findall(r"^([A-Z][A-Z ]+)$", text, re.MULTILINE)
        if sections != [s for s in SECTIONS if s in sections] or not set(SECTIONS) - OPTIONAL <= set(sections):
            found.append(f"{page}: sections {sections}")
    whole = re.sub(r"[-\u2010]\n\s+", "-", text)  # a name that was broken at the end of a line
    for reference in set(re.findall(r"\b[a-z][\w.-]*\([1-8]\)", whole)) - FOREIGN:
        if reference.removesuffix("(3)") not in names:
            found.append(f"{page}: {reference} does not exist")
    if re.search(r"`|\\f|@\w", text):
        found.append(f"{page}: markup is left")
    return found


def main():
    directory = Path(sys.argv[1])
    pages = sorted(path.name for path in directory.glob("*.3"))
    for_guests = Path(__file__).parents[2] / "include/virtiso/hypercall.h"  # which has no pages
    names = {page.removesuffix(".3") for page in pages} | set(re.findall(r"\bviso_\w+", for_guests.read_text()))
    full = [page for page in pages if not (directory / page).read_text().startswith(".so ")]
    print(f"1..{len(full) + 1}")
    if not shutil.which("groff"):
        print("# missing: groff")
        for number in range(1, len(full) + 2):
            print(f"ok {number} # SKIP missing: groff")
        return
    failed = 0
    aliases = [page for page in pages if page not in full]
    wrong = [page for page in aliases if not (directory / (directory / page).read_text().split("man3/")[1].strip()).exists()]
    for number, (page, found) in enumerate([("aliases", wrong)] + [(page, problems(directory, page, names)) for page in full], 1):
        failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {page}")
        for line in found:
            print(f"# {line}")
    sys.exit(failed > 0)


main()

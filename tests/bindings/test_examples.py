# SPDX-License-Identifier: MIT
"""The examples in Python and Lua: they run, and run.py and run.lua behave alike."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import support
import tap
from support import BUSYBOX, shell

BUILD = os.environ["VIRTISO_BUILD"]
EXAMPLES = os.path.join(support.SOURCE, "examples")


def command_line(name):
    """How an example is started, or a skipped case."""
    if name.endswith(".py"):
        return [sys.executable, os.path.join(EXAMPLES, name)]
    if name.endswith(".lua"):
        interpreter = shutil.which("lua5.4") or shutil.which("lua")
        if not interpreter or not os.path.exists(os.path.join(BUILD, "bindings/lua/virtiso/native.so")):
            raise tap.Missing("the Lua module (Debian: lua5.4, liblua5.4-dev)")
        return [interpreter, os.path.join(EXAMPLES, name)]
    program = os.path.join(BUILD, "examples", name)
    if not os.path.exists(program):
        raise tap.Missing("the examples in C, which were not built")
    return [program]


def run(name, *arguments):
    lua = os.path.join(BUILD, "bindings/lua")
    environment = {**os.environ, "LUA_PATH": f"{lua}/?.lua", "LUA_CPATH": f"{lua}/?.so"}
    done = subprocess.run(
        [*command_line(name), *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    done.stderr = support.errors_of(done)
    return done


class Boot(unittest.TestCase):
    # Writes "hi" to the serial port, and switches the computer off.
    SECTOR = b"".join(bytes([0xBA, 0xF8, 3, 0xB0, byte, 0xEE]) for byte in b"hi\n") + bytes([0xBA, 0, 6, 0xB0, 0x34, 0xEE, 0xEB, 0xFE])

    def check(self, name):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise tap.Missing("a usable /dev/kvm")
        with tempfile.NamedTemporaryFile() as image:
            image.write(self.SECTOR.ljust(510, b"\0") + b"\x55\xaa")
            image.flush()
            done = run(name, image.name)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("hi\n", f"{name}: exited with code 0\n", 0))
        done = run(name, "/etc/passwd")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be booted", done.stderr)

    def test_boot_in_c(self):
        self.check("boot")

    def test_boot_in_python(self):
        self.check("boot.py")

    def test_boot_in_lua(self):
        self.check("boot.lua")


class Clones(unittest.TestCase):
    # That it does what it says, tests/kernel/test_linux_snapshot.c shows where a kernel boots.
    def test_no_kernel(self):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise tap.Missing("a usable /dev/kvm")
        self.assertEqual(run("clones").returncode, 2)
        done = run("clones", "/etc/passwd", "2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("clones: ", done.stderr)


class Doorbell(unittest.TestCase):
    def check(self, name):
        kernel = os.path.join(BUILD, "examples/guest/bell")
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise tap.Missing("a usable /dev/kvm")
        if not os.path.exists(kernel):
            raise tap.Missing("the examples in C, which were not built")
        done = run(name, kernel)
        expected = "2 + 3 = 5\nHELLO\nbye\napples: 3\ngold: errno 2\n"
        self.assertEqual((done.stdout, done.stderr, done.returncode), (expected, "", 0))

    def test_doorbell_in_c(self):
        self.check("doorbell")

    def test_doorbell_in_python(self):
        self.check("doorbell.py")

    def test_doorbell_in_lua(self):
        self.check("doorbell.lua")


class Hello(unittest.TestCase):
    def check(self, name):
        support.need("container", "memory_limit")
        if not os.path.exists("/usr/bin/python3"):
            raise tap.Missing("/usr/bin/python3")
        done = run(name)
        self.assertEqual((done.stdout, done.stderr), ("42\nexited with code 0\n", ""))

    def test_hello_in_c(self):
        self.check("hello")

    def test_hello_in_python(self):
        self.check("hello.py")

    def test_hello_in_lua(self):
        self.check("hello.lua")


class Run:
    """The same expectations of run in each language."""

    name: str

    def setUp(self):
        command_line(self.name)

    def check(self, arguments, code, stdout, error_part):
        strength = "--" + support.any_strength().__name__.lower()
        done = run(self.name, strength, *arguments)
        self.assertEqual((done.returncode, done.stdout), (code, stdout), done.stderr)
        self.assertIn(error_part, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1 if error_part else 0, done.stderr)

    def test_success(self):
        self.check(["--", "busybox", "echo", "-n", "a  b", "--", "c"], 0, "a  b -- c", "")

    def test_options_end_at_the_command(self):
        self.check([BUSYBOX, "echo", "--timeout", "x", "--help"], 0, "--timeout x --help\n", "")

    def test_exit_code(self):
        self.check(["--", *shell("exit 3")], 3, "", "exited with code 3")

    def test_signal(self):
        self.check(["--", *shell("kill -SEGV $$")], 128 + 11, "", "killed by signal 11")

    def test_timeout(self):
        self.check(["--timeout", "0.3", "--", BUSYBOX, "sleep", "60"], 124, "", "timed out")

    def test_out_of_memory(self):
        support.need("memory_limit")
        awk = 'BEGIN { s = "x"; while (1) s = s s }'
        self.check(["--memory", "32M", "--timeout", "30", "--", BUSYBOX, "awk", awk], 128 + 9, "", "out of memory")

    def test_file_and_program(self):
        command = [BUSYBOX, "head", "-c", "0", "/etc/os-release"]
        self.check(["--file", "/etc/os-release", "--program", BUSYBOX, "--", *command], 0, "", "")

    def test_missing_program(self):
        self.check(["--", "/bin/no-such-program"], 125, "", "/bin/no-such-program")

    def test_wrong_use(self):
        for arguments in (
            [],
            ["--bogus"],
            ["--memory", "much", BUSYBOX],
            ["--timeout", "soon", BUSYBOX],
            ["--timeout"],
            ["--net", "all", BUSYBOX],
            ["--file", "/no/such/file", BUSYBOX],
        ):
            done = run(self.name, *arguments)
            self.assertEqual((done.returncode, done.stdout), (125, ""), arguments)
            self.assertNotIn("raceback", done.stderr)
            self.assertTrue(done.stderr)

    def test_help(self):
        done = run(self.name, "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in "--jail --container --guest --program --file --memory --timeout --net 124 125 128".split():
            self.assertIn(word, done.stdout)


class RunInC(Run, unittest.TestCase):
    name = "viso-run"


class RunInPython(Run, unittest.TestCase):
    name = "run.py"


class RunInLua(Run, unittest.TestCase):
    name = "run.lua"


class Jail:
    """The same expectations of jail in each language, from the first build to the removal."""

    name: str

    def setUp(self):
        command_line(self.name)
        self.scratch = tempfile.TemporaryDirectory()
        self.jail = os.path.join(self.scratch.name, "jail")

    def tearDown(self):
        self.scratch.cleanup()

    def jail_run(self, code, *arguments):
        done = run(self.name, *arguments)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        return done

    def build(self):
        return self.jail_run(0, "build", "--program", BUSYBOX, self.jail)

    def test_plan_makes_nothing(self):
        entries = json.loads(self.jail_run(0, "plan", "--json", "--program", BUSYBOX).stdout)
        busybox = next(entry for entry in entries if entry["path"] == os.path.realpath(BUSYBOX))
        self.assertEqual((busybox["type"], busybox["sha256"], busybox["state"]), ("file", "", "right"))
        self.assertEqual(busybox["size"], os.stat(BUSYBOX).st_size)
        self.assertIn(BUSYBOX, busybox["reason"])
        self.assertFalse(os.path.exists(self.jail))

    def test_build_and_list(self):
        done = self.build()
        self.assertIn("entries", done.stdout)
        entries = json.loads(self.jail_run(0, "list", "--json", self.jail).stdout)
        busybox = next(entry for entry in entries if entry["path"] == os.path.realpath(BUSYBOX))
        with open(BUSYBOX, "rb") as file:
            self.assertEqual(busybox["sha256"], hashlib.sha256(file.read()).hexdigest())

    def test_exec(self):
        support.need("jail")
        self.build()
        self.assertEqual(self.jail_run(0, "exec", self.jail, "--", BUSYBOX, "echo", "a  b").stdout, "a  b\n")
        self.assertIn("code 3", self.jail_run(3, "exec", self.jail, *shell("exit 3")).stderr)
        self.assertIn("timed out", self.jail_run(124, "exec", "--timeout", "0.3", self.jail, BUSYBOX, "sleep", "9").stderr)
        self.assertIn("no-such", self.jail_run(125, "exec", self.jail, "/bin/no-such-program").stderr)

    def test_verify_finds_what_was_changed(self):
        self.build()
        self.assertEqual(self.jail_run(0, "verify", self.jail).stdout, "")
        with open(os.path.join(self.jail, "etc/passwd"), "a", encoding="ascii") as file:
            file.write("evil::0:0::/:/bin/sh\n")
        (found,) = json.loads(self.jail_run(1, "verify", "--json", self.jail).stdout)
        self.assertEqual((found["path"], found["state"]), ("/etc/passwd", "changed"))

    def test_update(self):
        self.build()
        self.assertIn("0 changed", self.jail_run(0, "update", "--program", BUSYBOX, self.jail).stdout)
        self.jail_run(0, "update", "--program", BUSYBOX, "--file", "/etc/services", self.jail)
        self.assertTrue(os.path.exists(os.path.join(self.jail, "etc/services")))
        self.jail_run(0, "update", "--program", BUSYBOX, self.jail)
        self.assertFalse(os.path.exists(os.path.join(self.jail, "etc/services")))

    def test_remove_leaves_other_files(self):
        self.build()
        mine = os.path.join(self.jail, "etc/mine")
        with open(mine, "w", encoding="ascii"):
            pass
        self.jail_run(1, "remove", self.jail)
        self.assertEqual(os.listdir(os.path.dirname(mine)), ["mine"])
        self.assertEqual(os.listdir(self.jail), ["etc"])

    def test_remove(self):
        self.build()
        self.jail_run(0, "remove", self.jail)
        self.assertFalse(os.path.exists(self.jail))

    def test_names_are_not_obeyed_by_a_terminal(self):
        names = [b"\x1b]0;x\x07", b"\xc2\x9b31m", b"\x9b31m", b"a\nb"]
        self.build()
        for name in names:
            source = os.path.join(os.fsencode(self.scratch.name), name)
            with open(source, "wb"):
                pass
            listed = self.jail_run(0, "plan", "--file", os.fsdecode(source), "--program", BUSYBOX)
            missing = self.jail_run(125, "plan", "--file", os.fsdecode(source + b"x"))
            for text in (listed.stdout, missing.stderr):
                for bad in ("\x1b", "\x07", "\x9b", "\udc9b", "a\nb"):
                    self.assertNotIn(bad, text, (name, text))

    def test_wrong_use(self):
        for arguments in (
            [],
            ["bogus"],
            ["build", "--program", BUSYBOX],
            ["build", "--bogus", self.jail],
            ["build", "--program", "/no/such/program", self.jail],
            ["exec", self.jail],
            ["list", self.jail],
            ["remove", "/"],
        ):
            done = run(self.name, *arguments)
            self.assertEqual((done.returncode, done.stdout), (125, ""), arguments)
            self.assertNotIn("raceback", done.stderr)
            self.assertTrue(done.stderr)
            self.assertFalse(os.path.exists(self.jail), arguments)


class JailInC(Jail, unittest.TestCase):
    name = "viso-jail"


class JailInPython(Jail, unittest.TestCase):
    name = "jail.py"


class JailInLua(Jail, unittest.TestCase):
    name = "jail.lua"


class Many:
    """The same expectations of many in each language."""

    name: str

    def test_many(self):
        support.need("container")
        done = run(self.name, "20", "1")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("20 started", done.stdout)
        self.assertIn("all removed", done.stdout)


class ManyInC(Many, unittest.TestCase):
    name = "many"


class ManyInPython(Many, unittest.TestCase):
    name = "many.py"


class ManyInLua(Many, unittest.TestCase):
    name = "many.lua"


class Judge(unittest.TestCase):
    def test_verdicts(self):
        support.need("container", "memory_limit", "process_limit", "seccomp")
        done = run("judge.py")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        verdicts = {line.split()[0]: line[21:36].strip() for line in done.stdout.splitlines()}
        self.assertEqual(
            verdicts,
            {
                "sum.py": "OK",
                "greeting.py": "wrong",
                "endless.py": "time",
                "sleeping.py": "time",
                "greedy.py": "memory",
                "crashing.py": "crash",
                "raising.py": "crash",
                "calling-home.py": "forbidden call",
                "forking.py": "crash",
                "talkative.py": "time",
            },
        )

    def test_own_tests_and_submissions(self):
        support.need("container", "memory_limit", "process_limit", "seccomp")
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in (("a.in", "x"), ("a.out", "X\n"), ("up.py", "print(input().upper())")):
                with open(os.path.join(scratch, name), "w", encoding="ascii") as file:
                    file.write(text)
            done = run("judge.py", "--tests", scratch, os.path.join(scratch, "up.py"))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"^\S*up.py +OK ")


class Guests(unittest.TestCase):
    """What guests alone can do."""

    def check(self, name, *arguments):
        support.need("guest")
        done = run(name, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_calls(self):
        plugin = os.path.join(BUILD, "examples", "guest", "plugin")
        for name in "calls", "calls.py", "calls.lua":
            found = self.check(name, "20", plugin)
            self.assertIn("shout: HELLO, PLUGIN\n20 times two calls and a reset", found, name)

    def test_hypercall(self):
        asks = os.path.join(BUILD, "examples", "guest", "asks")
        for name in "hypercall", "hypercall.py", "hypercall.lua":
            self.assertEqual(self.check(name, asks), "apples: 3\npears: 4\ngold: errno 2\n", name)

    def test_prewarmed(self):
        if not os.path.exists("/usr/bin/python3"):
            raise tap.Missing("/usr/bin/python3")
        for name in "prewarmed", "prewarmed.py", "prewarmed.lua":
            self.assertRegex(self.check(name, "3"), "3 requests, each in a clone: .* the last is 2\n", name)

    def test_service(self):
        support.need("guest")
        if not os.path.exists("/usr/bin/python3"):
            raise tap.Missing("/usr/bin/python3")
        with subprocess.Popen([*command_line("service.py"), "0"], stdout=subprocess.PIPE, text=True) as service:
            try:
                address = service.stdout.readline().strip()
                for code, answer in ((b"x = 6\nprint(x * 7)", b"42\n"), (b"print(x)", b"NameError: name 'x' is not defined\n")):
                    with urllib.request.urlopen(urllib.request.Request(address, code), timeout=30) as reply:
                        self.assertEqual(reply.read(), answer)
            finally:
                service.terminate()


if __name__ == "__main__":
    tap.main()

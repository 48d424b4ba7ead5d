# SPDX-License-Identifier: MIT
"""Roots, sandboxes, run() and results."""

import gc
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

import support
import tap
import virtiso
from support import BUSYBOX, shell


class Arguments(unittest.TestCase):
    """What is refused before anything is started."""

    def test_a_single_string_is_no_list(self):
        with self.assertRaises(TypeError):
            virtiso.Root(programs=BUSYBOX)
        with self.assertRaises(TypeError):
            virtiso.Container(virtiso.Root(), capabilities="net_raw")
        with virtiso.Container(virtiso.Root()) as box:
            with self.assertRaises(TypeError):
                box.run("busybox true")
            with self.assertRaises(ValueError):
                box.run([])

    def test_sizes(self):
        size = virtiso._units.size_in_bytes
        for text, wanted in (("256M", 256 << 20), ("64k", 64 << 10), ("1.5G", 3 << 29), ("7", 7), ("1 MiB", 1 << 20)):
            self.assertEqual(size(text), wanted)
        self.assertEqual(size(12345), 12345)
        for text in "", "M", "12Q", "-1M", "1e3", "1M1":
            with self.assertRaises(ValueError):
                size(text)

    def test_durations_are_rounded_up_and_never_none(self):
        ms = virtiso._units.milliseconds
        self.assertEqual([ms(0, "x"), ms(0.0001, "x"), ms(1.5, "x"), ms(0.0011, "x")], [1, 1, 1500, 2])
        for bad in -1, float("nan"):
            with self.assertRaises(ValueError):
                ms(bad, "x")

    def test_settings(self):
        root = virtiso.Root()
        for call, error in (
            (lambda: virtiso.Jail(root, network="internet"), ValueError),
            (lambda: virtiso.Container(root, memory_max="1K"), virtiso.InvalidArgument),
            (lambda: virtiso.Container(root, hostname=""), virtiso.InvalidArgument),
            (lambda: virtiso.Container(root, capabilities=["fly"]), virtiso.InvalidArgument),
            (lambda: virtiso.Guest(root, network="host"), virtiso.NotSupported),
            (lambda: virtiso.Jail(root, hostname="x"), TypeError),
            (lambda: virtiso.run([BUSYBOX], isolation="wall"), ValueError),
            (lambda: virtiso.run([BUSYBOX], root=root, files=["/etc/passwd"]), ValueError),
        ):
            with self.assertRaises(error):
                call()

    def test_options_that_exclude_each_other(self):
        with virtiso.Container(virtiso.Root()) as box:
            for options in (
                {"input": "x", "stdin": virtiso.DEVNULL},
                {"stdin": virtiso.PIPE},
                {"group": 5},
                {"timeout": -1},
                {"rlimits": {"patience": 1}},
            ):
                with self.assertRaises(ValueError):
                    box.run([BUSYBOX], **options)

    def test_missing_program(self):
        with self.assertRaises(FileNotFoundError) as caught:
            virtiso.Root(programs=["/bin/no-such-program"])
        self.assertIn("/bin/no-such-program", str(caught.exception))
        with self.assertRaises(virtiso.NotFound):
            virtiso.run(["no-such-program-anywhere"])


class Roots(support.TestCase):
    def test_everything_that_can_be_added(self):
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o755)
            tree = pathlib.Path(scratch, "tree")
            (tree / "below").mkdir(parents=True)
            (tree / "below" / "leaf").write_text("leaf\n")
            root = virtiso.Root(
                programs=[pathlib.Path(BUSYBOX)],
                files=["/etc/os-release", (tree / "below" / "leaf", "/etc/renamed")],
                directories=[(tree, b"/srv/tree")],
                data={"/etc/bytes": b"\0\xff", "/bin/script": ("#!/bin/busybox sh\necho ran\n", 0o755)},
            )
            self.assertIsNone(root.path)
            root.build()
            self.assertTrue(os.path.isfile(root.path + "/etc/os-release"))
            with support.any_strength()(root) as box:
                self.assertEqual(box.run([BUSYBOX, "cat", "/srv/tree/below/leaf", "/etc/renamed"]).stdout, "leaf\nleaf\n")
                self.assertEqual(box.run([BUSYBOX, "cat", "/etc/bytes"], text=False).stdout, b"\0\xff")
                self.assertEqual(box.run(["script"]).stdout, "ran\n")
                with self.assertRaises(virtiso.Error) as caught:
                    root.add_data("/late", "x")
                self.assertEqual(caught.exception.errno, 16)  # EBUSY

    def test_own_directory_is_removed(self):
        root = virtiso.Root(data={"/x": "y"})
        root.build()
        path = root.path
        self.assertTrue(os.path.isfile(path + "/x"))
        del root
        gc.collect()
        self.assertFalse(os.path.exists(path))

    def test_named_directory_is_kept_and_can_be_used_again(self):
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o755)
            path = os.path.join(scratch, "kept")
            root = virtiso.Root(programs=[BUSYBOX], path=path)
            root.build()
            del root
            gc.collect()
            self.assertTrue(os.path.exists(path + BUSYBOX))
            with support.any_strength()(virtiso.Root(directory=path)) as box:
                self.assertEqual(box.run([BUSYBOX, "echo", "again"]).stdout, "again\n")

    def test_a_root_outlives_its_python_object(self):
        box = support.any_strength()(virtiso.Root(programs=[BUSYBOX]))
        gc.collect()
        with box:
            self.assertEqual(box.run([BUSYBOX, "echo", "x"]).stdout, "x\n")


class Results(support.TestCase):
    def test_result(self):
        with support.sandbox() as box:
            result = box.run(shell("echo out; echo err >&2; exit 3"))
            self.assertEqual((result.returncode, result.exit_code, result.signal), (3, 3, None))
            self.assertEqual((result.stdout, result.stderr, result.truncated), ("out\n", "err\n", False))
            self.assertIs(result.reason, virtiso.Reason.EXITED)
            self.assertEqual(result.describe(), "exited with code 3")
            self.assertGreater(result.usage.wall_time, 0)
            self.assertGreater(result.usage.memory_peak, 4096)
            self.assertEqual(pickle.loads(pickle.dumps(result)), result)

    def test_signal_is_a_negative_returncode(self):
        with support.sandbox() as box:
            result = box.run(shell("kill -SEGV $$"))
            self.assertEqual((result.returncode, result.exit_code, result.signal), (-signal.SIGSEGV, None, signal.SIGSEGV))

    def test_check(self):
        with support.sandbox() as box:
            box.run([BUSYBOX, "true"], check=True)
            with self.assertRaises(virtiso.CommandFailed) as caught:
                box.run(shell("echo out; exit 3"), check=True)
            self.assertIsInstance(caught.exception, subprocess.CalledProcessError)
            self.assertEqual((caught.exception.returncode, caught.exception.stdout), (3, "out\n"))
            self.assertIn("exited with code 3", str(caught.exception))
            self.assertEqual(str(pickle.loads(pickle.dumps(caught.exception))), str(caught.exception))

    def test_timeout_is_a_result_unless_checked(self):
        with support.sandbox() as box:
            begin = time.monotonic()
            result = box.run(shell("echo before; sleep 60"), timeout=2)
            self.assertLess(time.monotonic() - begin, 20)
            self.assertIs(result.reason, virtiso.Reason.TIMED_OUT)
            self.assertLess(result.returncode, 0)
            self.assertEqual(result.stdout, "before\n")
            with self.assertRaises(subprocess.TimeoutExpired) as caught:
                box.run(shell("echo before; sleep 60"), timeout=2, check=True)
            self.assertIsInstance(caught.exception, virtiso.Error)
            self.assertEqual((caught.exception.timeout, caught.exception.stdout), (2, "before\n"))
            self.assertIs(caught.exception.result.reason, virtiso.Reason.TIMED_OUT)

    def test_big_output_is_cut_and_the_program_ends(self):
        with support.sandbox() as box:
            result = box.run(shell("seq 1 500000; seq 1 9 >&2"), capture_max="64K", timeout=60)
            self.assertEqual((len(result.stdout), result.stdout_truncated), (64 << 10, True))
            self.assertEqual((result.stderr, result.stderr_truncated), ("1\n2\n3\n4\n5\n6\n7\n8\n9\n", False))
            self.assertTrue(result.truncated)
            self.assertEqual(result.returncode, 0)

    def test_binary_data(self):
        data = bytes(range(256)) * 4096
        with support.sandbox() as box:
            self.assertEqual(box.run([BUSYBOX, "cat"], input=data, capture_max="4M", text=False).stdout, data)
            view = memoryview(bytearray(data))[:10]
            self.assertEqual(box.run([BUSYBOX, "cat"], input=view, text=False).stdout, data[:10])

    def test_text(self):
        with support.sandbox() as box:
            self.assertEqual(box.run([BUSYBOX, "cat"], input="\u00e9\r\n").stdout, "\u00e9\r\n")
            self.assertEqual(box.run([BUSYBOX, "cat"], input="\u00e9", encoding="latin-1").stdout, "\u00e9")
            self.assertEqual(box.run([BUSYBOX, "cat"], input=b"a\xffb").stdout, "a\ufffdb")
            self.assertEqual(box.run([BUSYBOX, "cat"], input=b"\xff", errors="surrogateescape").stdout, "\udcff")

    def test_streams(self):
        with support.sandbox() as box, tempfile.TemporaryFile() as file:
            result = box.run(shell("echo out; echo err >&2"), stdout=file, stderr=virtiso.STDOUT)
            self.assertEqual((result.stdout, result.stderr), (None, None))
            file.seek(0)
            self.assertEqual(file.read(), b"out\nerr\n")
            file.seek(0)
            self.assertEqual(box.run([BUSYBOX, "cat"], stdin=file.fileno()).stdout, "out\nerr\n")
            result = box.run(shell("echo out; echo err >&2"), stdout=virtiso.PIPE, stderr=virtiso.DEVNULL)
            self.assertEqual((result.stdout, result.stderr), ("out\n", None))

    def test_environment(self):
        with support.sandbox() as box:
            os.environ["VIRTISO_TEST"] = "host"
            script = 'echo "$HOME|$VIRTISO_TEST|$OTHER"'
            self.assertEqual(box.run(shell(script)).stdout, "/||\n")
            self.assertEqual(box.run(shell(script), env={"VIRTISO_TEST": None, "OTHER": "x"}).stdout, "/|host|x\n")
            self.assertEqual(box.run([BUSYBOX, "env"], clear_env=True, env={"A": "b"}).stdout, "A=b\n")

    def test_limits(self):
        with support.sandbox() as box:
            limits = {"open_files": 32, virtiso.Rlimit.FILE_SIZE: "1M", "core": None}
            result = box.run(shell("ulimit -n; ulimit -f"), rlimits=limits)
            self.assertEqual(result.stdout.split(), ["32", "2048"], result)
            result = box.run(shell("while :; do :; done"), cpu_time=0.2, timeout=60)
            self.assertIs(result.reason, virtiso.Reason.CPU_TIME)


class Sandboxes(support.TestCase):
    def test_a_word_changes_the_strength(self):
        outputs = set()
        for name, strength in support.SANDBOXES.items():
            if support.machine().supports(name):
                with strength(support.root(), network="none") as box:
                    self.assertEqual(box.isolation.name.lower(), name)
                    self.assertEqual(virtiso.native.viso_sandbox_isolation(box._view), box.isolation)
                    outputs.add(box.run([BUSYBOX, "sha256sum", BUSYBOX]).stdout)
        support.any_strength()
        self.assertEqual(len(outputs), 1)

    def test_run_makes_its_own_root(self):
        name = support.any_strength().__name__.lower()
        result = virtiso.run(["busybox", "cat", "/d"], isolation=name, data={"/d": "data"}, timeout=30, check=True)
        self.assertEqual(result.stdout, "data")
        self.assertIsNone(virtiso.run([BUSYBOX, "true"], isolation=name, capture_output=False).stdout)

    def test_container_settings(self):
        support.need("container")
        with virtiso.Container(support.root(), hostname="box", capabilities=["net_raw", "CAP_CHOWN"]) as box:
            self.assertEqual(box.run([BUSYBOX, "hostname"]).stdout, "box\n")
            status = box.run([BUSYBOX, "grep", "CapEff", "/proc/self/status"]).stdout
            self.assertEqual(int(status.split()[1], 16), 1 << 13 | 1 << 0)

    def test_frozen_after_the_first_command(self):
        with support.sandbox() as box:
            box.run([BUSYBOX, "true"])
            setter = getattr(virtiso.native, f"viso_{box.isolation.name.lower()}_set_memory_max")
            with self.assertRaises(virtiso.Error) as caught:
                setter(box._handle, 1 << 24)
            self.assertEqual(caught.exception.errno, 16)

    def test_closed(self):
        box = support.sandbox()
        with box:
            pass
        box.close()
        with self.assertRaises(virtiso.Closed):
            box.run([BUSYBOX, "true"])
        with self.assertRaises(virtiso.Closed):
            box.kill()

    def test_error_in_a_with_block_passes_and_closes(self):
        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            with support.sandbox() as box:
                process = box.spawn([BUSYBOX, "sleep", "60"])
                raise ZeroDivisionError("mine")
        self.assertTrue(box.closed)
        self.assertLess(process.wait(5), 0)
        self.assertIs(process.result.reason, virtiso.Reason.KILLED)

    def test_resource_warning(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            support.sandbox()
            gc.collect()
        self.assertEqual([warning.category for warning in caught], [ResourceWarning])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with support.sandbox():
                pass
            gc.collect()
        self.assertEqual(caught, [])

    def test_many_threads_in_one_sandbox(self):
        errors = []

        def work(number):
            try:
                for i in range(5):
                    text = f"{number} {i}"
                    if box.run([BUSYBOX, "echo", text]).stdout != text + "\n":
                        errors.append(text)
            except BaseException as error:
                errors.append(error)

        with support.sandbox() as box:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual(errors, [])

    def test_other_threads_run_meanwhile(self):
        steps = 0
        done = threading.Event()

        def count():
            nonlocal steps
            while not done.is_set():
                steps += 1
                time.sleep(0.001)

        counter = threading.Thread(target=count)
        counter.start()
        with support.sandbox() as box:
            before = steps
            box.run([BUSYBOX, "sleep", "0.5"])
            during = steps - before
        done.set()
        counter.join()
        self.assertGreater(during, 2, "the GIL was held while waiting")

    def test_interrupt_ends_the_command(self):
        script = (
            "import signal, support, threading, time\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
            "with support.sandbox() as box:\n"
            "    begin = time.monotonic()\n"
            "    try:\n"
            "        threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT)).start()\n"
            "        box.run([support.BUSYBOX, 'sleep', '60'])\n"
            "    except KeyboardInterrupt:\n"
            "        print('interrupted', time.monotonic() - begin < 20, box.kill())\n"
        )
        support.any_strength()
        # raise_signal() of a thread hits that thread; os.kill() of the process hits the main thread, which waits.
        script = script.replace("signal.raise_signal(signal.SIGINT)", "os.kill(os.getpid(), signal.SIGINT)")
        done = subprocess.run(
            [sys.executable, "-c", "import os\n" + script], capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual((done.stdout, support.errors_of(done)), ("interrupted True 0\n", ""))

    def test_forked_child_can_collect_but_not_use(self):
        with support.sandbox() as box:
            process = box.spawn([BUSYBOX, "sleep", "60"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                child = os.fork()
            if child == 0:
                status = 1
                try:
                    box.run([BUSYBOX, "true"])
                except virtiso.ForkedHandle:
                    try:
                        process.poll()
                    except ChildProcessError:
                        status = 0
                finally:
                    del box, process
                    gc.collect()
                    os._exit(status)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertIsNone(process.poll(), "the child's collection must not kill it")
            self.assertEqual(box.run([BUSYBOX, "echo", "x"]).stdout, "x\n")
            process.kill()
            process.wait(5)

    def test_a_hundred_thousand_arguments(self):
        with support.sandbox() as box:
            result = box.run(["busybox", "sh", "-c", "echo $#", *["x"] * 100_000])
            self.assertEqual(result.stdout, "99999\n")


if __name__ == "__main__":
    tap.main()

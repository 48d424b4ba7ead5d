# SPDX-License-Identifier: MIT
"""spawn() and Process, which are used as subprocess.Popen is."""

import asyncio
import gc
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
import warnings

import support
import tap
import virtiso
from support import BUSYBOX, shell
from virtiso import PIPE


class Processes(support.TestCase):
    def setUp(self):
        super().setUp()
        self.box = support.sandbox()

    def tearDown(self):
        self.box.close()
        del self.box
        super().tearDown()

    def test_life_of_a_process(self):
        process = self.box.spawn(shell("read line; exit 7"), stdin=PIPE)
        self.assertGreater(process.pid, 0)
        self.assertIsNone(process.poll())
        self.assertIsNone(process.returncode)
        self.assertIn("running", repr(process))
        process.stdin.write("go\n")
        process.stdin.close()
        self.assertEqual(process.wait(20), 7)
        self.assertEqual((process.poll(), process.returncode, process.wait()), (7, 7, 7))
        self.assertEqual(process.result.describe(), "exited with code 7")
        process.send_signal(signal.SIGTERM)
        process.kill()

    def test_conversation(self):
        with self.box.spawn([BUSYBOX, "cat"], stdin=PIPE, stdout=PIPE) as process:
            for line in "one\n", "two\n", "\u00e9\n":
                process.stdin.write(line)
                self.assertEqual(process.stdout.readline(), line)
        self.assertEqual(process.returncode, 0)

    def test_binary_streams(self):
        with self.box.spawn([BUSYBOX, "cat"], stdin=PIPE, stdout=PIPE, text=False) as process:
            process.stdin.write(b"\0\xff\n\r\n")
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"\0\xff\n\r\n")

    def test_communicate(self):
        text = "0123456789" * 300_000  # more than pipes hold in either direction
        process = self.box.spawn(shell("echo err >&2; cat"), stdin=PIPE, stdout=PIPE, stderr=PIPE)
        self.assertEqual(process.communicate(text, timeout=60), (text, "err\n"))
        self.assertEqual(process.returncode, 0)

    def test_communicate_with_a_program_that_does_not_read(self):
        process = self.box.spawn([BUSYBOX, "echo", "done"], stdin=PIPE, stdout=PIPE)
        self.assertEqual(process.communicate("x" * 1_000_000, timeout=60)[0], "done\n")

    def test_communicate_goes_on_after_a_timeout(self):
        process = self.box.spawn(shell("echo first; read line; echo $line"), stdin=PIPE, stdout=PIPE)
        reader, writer = os.pipe()
        other = self.box.spawn(shell("echo first; read line; echo second"), stdin=reader, stdout=PIPE)
        os.close(reader)
        with self.assertRaises(subprocess.TimeoutExpired):
            other.communicate(timeout=0.2)
        os.close(writer)
        self.assertEqual(other.communicate(timeout=60)[0], "first\nsecond\n")
        self.assertEqual(process.communicate("line\n", timeout=60)[0], "first\nline\n")

    def test_communicate_of_captured_output(self):
        process = self.box.spawn(shell("echo out; echo err >&2"), capture_output=True)
        self.assertIsNone(process.stdout)
        self.assertEqual(process.communicate(timeout=60), ("out\n", "err\n"))
        self.assertEqual((process.result.stdout, process.result.stderr), ("out\n", "err\n"))

    def test_wait_times_out(self):
        process = self.box.spawn([BUSYBOX, "sleep", "60"])
        begin = time.monotonic()
        with self.assertRaises(virtiso.TimeoutExpired) as caught:
            process.wait(0.2)
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)
        self.assertEqual((caught.exception.cmd, caught.exception.timeout), (process.args, 0.2))
        self.assertIsNone(caught.exception.result)
        process.kill()
        self.assertEqual(process.wait(20), -signal.SIGKILL)
        self.assertIs(process.result.reason, virtiso.Reason.KILLED)

    def test_signals(self):
        process = self.box.spawn(shell('trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done'), stdout=PIPE)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(20), 5)
        process.stdout.close()
        process = self.box.spawn(shell('trap "exit 6" TERM; echo ready; while :; do sleep 0.05; done'), stdout=PIPE)
        process.stdout.readline()
        process.terminate()
        self.assertEqual(process.wait(20), 6)
        process.stdout.close()
        with self.assertRaises(virtiso.InvalidArgument):
            process = self.box.spawn([BUSYBOX, "true"])
            process.wait()
            self.box.signal(65)

    def test_the_sandbox_signals_and_kills_all(self):
        processes = [self.box.spawn([BUSYBOX, "sleep", "60"]) for _ in range(3)]
        self.assertEqual(self.box.signal(signal.SIGCONT), 3)
        self.assertEqual(self.box.kill(), 3)
        self.assertEqual([process.wait(20) for process in processes], [-signal.SIGKILL] * 3)
        self.assertEqual(self.box.kill(), 0)

    def test_fileno(self):
        process = self.box.spawn([BUSYBOX, "cat"], stdin=PIPE)
        self.assertEqual(select.select([process], [], [], 0)[0], [])
        process.stdin.close()
        self.assertEqual(select.select([process], [], [], 20)[0], [process])
        self.assertEqual(process.poll(), 0)

    def test_asyncio(self):
        async def main():
            first = self.box.spawn(shell("sleep 0.3; exit 1"))
            second = self.box.spawn(shell("sleep 0.1; exit 2"))
            self.assertEqual(await asyncio.gather(first.wait_async(), second.wait_async(), first.wait_async()), [1, 2, 1])
            self.assertEqual(await first.wait_async(), 1)
            endless = self.box.spawn([BUSYBOX, "sleep", "60"])
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(endless.wait_async(), 0.1)
            self.assertIsNone(endless.poll())
            endless.kill()
            self.assertEqual(await endless.wait_async(), -9)

        asyncio.run(main())

    def test_kill_from_another_thread(self):
        process = self.box.spawn([BUSYBOX, "sleep", "60"])
        threading.Timer(0.2, process.kill).start()
        self.assertEqual(process.wait(20), -signal.SIGKILL)

    def test_waiters_in_several_threads(self):
        process = self.box.spawn(shell("sleep 0.2; exit 4"))
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(process.wait())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(codes, [4] * 4)

    def test_error_in_a_with_block_kills(self):
        with self.assertRaisesRegex(RuntimeError, "mine"):
            with self.box.spawn([BUSYBOX, "sleep", "60"], stdin=PIPE) as process:
                raise RuntimeError("mine")
        self.assertIs(process.result.reason, virtiso.Reason.KILLED)
        self.assertTrue(process.stdin.closed)

    def test_resource_warning_and_kill_when_collected(self):
        process = self.box.spawn([BUSYBOX, "sleep", "60"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del process
            gc.collect()
        self.assertEqual([warning.category for warning in caught], [ResourceWarning])
        caught.clear()  # the warning held it
        self.assertEqual(self.box.kill(), 0)

    def test_a_process_keeps_its_sandbox(self):
        process = support.sandbox().spawn(shell("sleep 0.2; exit 3"))
        gc.collect()
        self.assertEqual(process.wait(20), 3)
        process._sandbox.close()

    def test_failed_start_leaves_nothing(self):
        for _ in range(20):
            with self.assertRaises(virtiso.NotFound) as caught:
                self.box.spawn(["/missing"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
        self.assertIs(caught.exception.stage, virtiso.Stage.EXEC)

    def test_many_commands_leave_nothing(self):
        for _ in range(50):
            self.box.run([BUSYBOX, "true"], input=b"x")

    def test_open_files_are_taken(self):
        with tempfile.TemporaryFile("w+") as file:
            process = self.box.spawn([BUSYBOX, "echo", "to a file"], stdout=file)
            self.assertEqual(process.wait(20), 0)
            file.seek(0)
            self.assertEqual(file.read(), "to a file\n")


if __name__ == "__main__":
    tap.main()

# SPDX-License-Identifier: MIT
"""What only guests have: options, calls, requests, hypercalls, snapshots."""

import contextlib
import errno
import io
import os
import socket
import sys
import tempfile
import threading
import time

import support
import tap
import virtiso
from support import BUSYBOX, shell

BUILD = os.environ["VIRTISO_BUILD"]
PLUGIN = os.path.join(BUILD, "examples", "guest", "plugin")
ASKS = os.path.join(BUILD, "examples", "guest", "asks")
# Answers each request in upper case.
ECHO = 'exec 3<>/dev/virtiso; while read -r line <&3; do echo "$line" | tr a-z A-Z >&3; done'


class GuestCase(support.TestCase):
    def setUp(self):
        support.need("guest")
        super().setUp()
        self.directory = tempfile.TemporaryDirectory()
        self.scratch = self.directory.name
        self.boxes = []

    def tearDown(self):
        while self.boxes:
            self.boxes.pop().close()
        self.directory.cleanup()
        super().tearDown()

    def box(self, root=None, **options):
        self.boxes.append(virtiso.Guest(root or support.root(), **options))
        return self.boxes[-1]

    def plugin(self, **options):
        if not os.path.exists(PLUGIN):
            raise tap.Missing("the examples, which were not built")
        guest = self.box(virtiso.Root(files=[(PLUGIN, "/plugin")]), memory_max="64M", **options)
        guest.initialise(["/plugin"], timeout=20)
        return guest


class Options(GuestCase):
    def test_files(self):
        with open(os.path.join(self.scratch, "data"), "w", encoding="ascii") as file:
            file.write("from the host\n")
        box = self.box(
            binds={"/data": virtiso.Bind(self.scratch, read_only=True), "/out": self.scratch},
            contents={"/etc/motd": "hello\n"},
            writable="discard",
        )
        result = box.run(shell("cat /data/data /etc/motd; echo x > /mem; cat /mem; echo y 2>/dev/null > /data/y || echo no; echo z > /out/z"), timeout=20)
        self.assertEqual((result.stdout, result.stderr), ("from the host\nhello\nx\nno\n", ""))
        self.assertEqual(sorted(os.listdir(self.scratch)), ["data", "z"])

    def test_kept_upper(self):
        for script in "echo kept > /kept", "test -e /kept":
            self.box(writable=self.scratch).run(shell(script), user=0, check=True, timeout=20)
        with open(os.path.join(self.scratch, "kept"), encoding="ascii") as file:
            self.assertEqual(file.read(), "kept\n")

    def test_limits(self):
        box = self.box(syscalls_max=5)
        self.assertEqual(box.run(shell("echo x"), timeout=20).reason, virtiso.Reason.SYSCALLS_MAX)
        for name in "processes_max", "files_max", "written_max", "syscalls_max":
            with self.assertRaises(virtiso.InvalidArgument):
                self.box(**{name: 0})

    def test_syscalls(self):
        box = self.box()
        box.run(shell("echo x"), timeout=20)
        self.assertGreaterEqual(box.syscalls()["write"], 1)
        self.assertNotIn("write", box.syscalls(unserved=True))

    def test_placement(self):
        box = self.box(placement="contained")
        self.assertEqual(box.run(shell("echo x"), timeout=20).stdout, "x\n")

    def test_connect(self):
        ours, theirs = socket.socketpair()
        asked = []

        def connect(address):
            asked.append(address)
            if address != "tcp:192.0.2.1:80":
                raise OSError(errno.EACCES, "no")
            return theirs

        ours.sendall(b"hello\n")
        ours.shutdown(socket.SHUT_WR)
        with ours, theirs:
            result = self.box(connect=connect).run(shell(f"{BUSYBOX} nc 192.0.2.1 80 </dev/null"), timeout=20)
        self.assertEqual((result.stdout, asked), ("hello\n", ["tcp:192.0.2.1:80"]))

    def test_crash(self):
        result = self.box().run(shell("kill -SEGV $$"), timeout=20)
        self.assertEqual(result.signal, 11)
        self.assertIn("rip", result.registers)
        self.assertIsNone(self.box().run(shell("true"), timeout=20).registers)


class Calls(GuestCase):
    def test_numbers_and_bytes(self):
        self.numbers_and_bytes(self.plugin())

    def test_contained(self):
        self.numbers_and_bytes(self.plugin(placement="contained"))

    def numbers_and_bytes(self, guest):
        self.assertEqual(guest.call("add", 40, 2, timeout=10), 42)
        self.assertEqual(guest.call("add", -1, 0, timeout=10), 2**64 - 1)
        self.assertEqual(guest.call_bytes("shout", b"hello", timeout=10), b"HELLO")
        with self.assertRaises(virtiso.NotFound):
            guest.call("no_such_function")
        with self.assertRaises(TypeError):
            guest.call("add", 1, 2, 3, 4, 5, 6, 7)
        self.assertEqual(guest.call("add", 2**64 - 1, 2, timeout=10), 1)
        for number in 2**64, -(2**63) - 1:
            with self.assertRaises(OverflowError):
                guest.call("add", number, 2)
        with self.assertRaises(TypeError):
            guest.call("add", 1.5, 2)
        with self.assertRaises(virtiso.Error) as caught:
            guest.call_bytes("shout", b"hello", max=1)
        self.assertEqual(caught.exception.errno, errno.EREMOTEIO)
        self.assertIsNone(guest.last_result)

    def test_ended_before_it_was_ready(self):
        with self.assertRaises(virtiso.ProcessEnded) as caught:
            self.box().initialise(shell("echo why >&2; exit 3"), stderr=virtiso.PIPE, timeout=20)
        self.assertEqual(caught.exception.result.exit_code, 3)
        self.assertEqual(caught.exception.result.stderr, "why\n")

    def test_initialise_takes_what_run_takes(self):
        guest, (ours, theirs) = self.box(), socket.socketpair()
        script = "read -r line; echo $line $X; read -r line <&5; echo $line; read -r line </dev/virtiso; exit 3"
        with ours, theirs:
            ours.sendall(b"by a socket\n")
            guest.initialise(shell(script), input="by input\n", capture_output=True, fds={5: theirs}, env={"X": "x"},
                             rlimits={"open_files": 20}, timeout=20)  # fmt: skip
        with self.assertRaises(virtiso.ProcessEnded):
            guest.request(b"go\n", timeout=20)
        self.assertEqual(guest.last_result.stdout, "by input x\nby a socket\n")

    def test_requests(self):
        guest = self.box()
        guest.initialise(shell(ECHO), timeout=20)
        self.assertEqual(guest.request(b"hello\n", timeout=10), b"HELLO\n")
        self.assertEqual(guest.request(b"again\n", timeout=10), b"AGAIN\n")

    def test_timeout_and_cancel(self):
        guest = self.box()
        guest.initialise(shell("read -r line </dev/virtiso; while :; do :; done"), timeout=20)
        guest.snapshot()
        with self.assertRaises(virtiso.TimeoutExpired):
            guest.request(b"x\n", timeout=0.2)
        with self.assertRaises(virtiso.Error) as caught:
            guest.request(b"x\n", timeout=0.2)
        self.assertEqual(caught.exception.errno, errno.EIO)
        self.assertEqual(guest.last_result.reason, virtiso.Reason.TIMED_OUT)
        guest.reset()

        def cancel():
            while not guest.cancel():  # before there is a request there is nothing to be cancelled
                time.sleep(0.01)

        thread = threading.Thread(target=cancel)
        thread.start()
        with self.assertRaises(virtiso.Canceled):
            guest.request(b"x\n", timeout=20)
        thread.join()
        self.assertFalse(guest.cancel())


class Hypercalls(GuestCase):
    def asks(self, **options):
        if not os.path.exists(ASKS):
            raise tap.Missing("the examples, which were not built")
        return self.box(virtiso.Root(files=[(ASKS, "/asks")]), **options)

    def test_handler(self):
        def price(call):
            thing = call.read(call.argument(0), call.argument(1))
            self.assertEqual(call.number, 1)
            with self.assertRaises(virtiso.Error):
                call.read(16, 1)
            if thing == b"gold":
                raise OSError(errno.ENOENT, "none")
            return len(thing)

        self.assertEqual(self.asks(hypercalls={1: price}).run(["/asks"], timeout=20).stdout, "apples: 6\npears: 5\ngold: errno 2\n")
        self.assertEqual(self.asks().run(["/asks"], timeout=20).stdout, "apples: errno 38\npears: errno 38\ngold: errno 38\n")

    def test_queue(self):
        box = self.asks(hypercalls={1: None})
        with box.spawn(["/asks"], capture_output=True, timeout=20) as process:
            call = box.next_hypercall(timeout=10)
            call.answer(1)
            box.next_hypercall(timeout=10).refuse(errno.EACCES)
            del call
            box.next_hypercall(timeout=10)  # dropped
            process.wait()
        self.assertEqual(process.result.stdout, "apples: 1\npears: errno 13\ngold: errno 38\n")
        self.assertIsNone(box.next_hypercall(timeout=0))

    def test_deferred(self):
        answered = []

        def later(call):
            call.defer()
            answered.append(threading.Timer(0.05, call.answer, [7]))
            answered[-1].start()
            return 0

        result = self.asks(hypercalls={1: later}).run(["/asks"], timeout=20)
        self.assertEqual(result.stdout, "apples: 7\npears: 7\ngold: 7\n")
        for timer in answered:
            timer.join()

    def test_handler_that_raises(self):
        def fail(call):
            raise ZeroDivisionError

        box = self.asks(hypercalls={1: fail})
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                box.initialise(["/asks"], stdout=virtiso.DEVNULL, timeout=20)

    def test_handler_that_raises_in_run(self):
        def fail(call):
            raise ZeroDivisionError

        box = self.asks(hypercalls={1: fail})
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                box.run(["/asks"], timeout=20)
        self.assertEqual(self.asks(hypercalls={1: lambda call: -5}).run(["/asks"], timeout=20).returncode, 0)

    def unraisable(self, handler):
        """What nobody is there to raise, of a handler of a command that another thread runs."""
        seen, told = [], io.StringIO()

        def hook(unraisable):
            seen.append(unraisable.exc_type)
            with contextlib.redirect_stderr(told):
                sys.__unraisablehook__(unraisable)

        old, sys.unraisablehook = sys.unraisablehook, hook
        try:
            with self.asks(hypercalls={1: handler}).spawn(["/asks"], capture_output=True, timeout=20) as process:
                process.wait()
        finally:
            sys.unraisablehook = old
        self.assertEqual(process.result.stdout, "apples: errno 5\npears: errno 5\ngold: errno 5\n")
        for kind in seen:
            self.assertIn(kind.__name__, told.getvalue())
        return seen

    def test_handler_that_returns_64_bits(self):
        seen = []
        for value in 2**64 - 13, -13:  # EACCES, as the argument of a program and as it is written here
            box = self.asks(hypercalls={1: lambda call, value=value: seen.append(call.argument(1)) or value})
            self.assertEqual(box.run(["/asks"], timeout=20).stdout, "apples: errno 13\npears: errno 13\ngold: errno 13\n")
        with self.assertRaisesRegex(OverflowError, "more than 64 bits"):
            self.asks(hypercalls={1: lambda call: 2**64}).run(["/asks"], timeout=20)

    def test_handler_that_returns_no_number(self):
        for value, error in ("text", TypeError), (2**70, OverflowError):
            self.assertEqual(self.unraisable(lambda call, value=value: value), [error] * 3)

    def test_handler_that_returns_no_number_to_initialise(self):
        box = self.asks(hypercalls={1: lambda call: "text"})
        with self.assertRaises(TypeError):
            box.initialise(["/asks"], stdout=virtiso.DEVNULL, timeout=20)

    def test_handler_that_raises_in_another_thread(self):
        def fail(call):
            raise ZeroDivisionError

        self.assertEqual(self.unraisable(fail), [ZeroDivisionError] * 3)

    def test_handler_that_uses_its_own_guest(self):
        seen = []

        def misuse(call):
            for use in (
                lambda: box.call("x"),
                lambda: box.request(b"x"),
                box.snapshot,
                box.reset,
                lambda: box.initialise(["/asks"]),
            ):
                try:
                    use()
                except virtiso.Error as error:
                    seen.append(error.errno)
            try:
                box.close()
            except virtiso.Error as error:
                seen.append(error.errno)
            box.cancel()
            return 1

        box = self.asks(hypercalls={1: misuse})
        with self.assertRaises(virtiso.Canceled) as caught:
            box.initialise(["/asks"], stdout=virtiso.DEVNULL, timeout=20)
        self.assertEqual(caught.exception.result.reason, virtiso.Reason.KILLED)
        self.assertEqual(seen, [errno.EBUSY] * 5 + [errno.EDEADLK])


class Mistakes(GuestCase):
    def test_types(self):
        for options, hint in (
            ({"memory_max": 1.5}, "not a size: 1.5"),
            ({"hypercalls": [print]}, "hypercalls must be a dict by number, not list"),
            ({"hypercalls": {"add": print}}, "a hypercall has a number, not 'add'"),
            ({"binds": ["/tmp"]}, "binds must be a dict by path, not list"),
            ({"writable": True}, 'writable is "discard" or a directory of the host, not True'),
        ):
            with self.assertRaises(TypeError) as caught:
                self.box(**options)
            self.assertIn(hint, str(caught.exception))
        for mistake, hint in (
            (lambda: virtiso.Snapshot.load(self.box(), "/tmp/snapshot"), "guest must be a virtiso.Guest, not '/tmp/snapshot'"),
            (lambda: self.box().request(b"", timeout="1"), "timeout must be a number of seconds, not '1'"),
            (lambda: self.box().run(shell("true"), timeout="1"), "timeout must be a number of seconds, not '1'"),
            (lambda: virtiso.Command(["true"]), "commands are made by Container.load_bundle()"),
        ):
            with self.assertRaises(TypeError) as caught:
                mistake()
            self.assertIn(hint, str(caught.exception))

    def test_connect_that_returns_no_socket(self):
        box = self.box(connect=lambda address: None)
        with self.assertRaisesRegex(TypeError, "what connect returns must be a connected socket, or its fd, not None"):
            box.run(shell(f"{BUSYBOX} nc 192.0.2.1 80 </dev/null"), timeout=20)


class Snapshots(GuestCase):
    def test_reset(self):
        guest = self.plugin()
        with self.assertRaises(virtiso.InvalidArgument):
            guest.reset()
        snapshot = guest.snapshot()
        for _ in range(3):
            self.assertEqual(guest.call("count_calls", timeout=10), 1)
            guest.reset()
        self.assertGreater(snapshot.size, 4096)

    def test_contained_clones(self):
        guest = self.plugin(placement="contained")
        self.assertEqual(guest.call("count_calls", timeout=10), 1)
        snapshot = guest.snapshot()
        self.assertGreater(snapshot.size, 4096)
        with snapshot.clone() as one, snapshot.clone() as other:
            for clone in one, other, guest:
                self.assertEqual(clone.call("count_calls", timeout=10), 2)
            one.reset()
            self.assertEqual(one.call("count_calls", timeout=10), 2)
            self.assertEqual(other.call("count_calls", timeout=10), 3)
        with self.assertRaises(virtiso.NotSupported):
            snapshot.save(os.path.join(self.scratch, "contained"))

    def test_clones(self):
        guest = self.plugin()
        guest.call("count_calls", timeout=10)
        snapshot = guest.snapshot()
        with snapshot.clone() as one, snapshot.clone() as other:
            self.assertEqual([one.call("count_calls", timeout=10) for _ in range(2)], [2, 3])
            self.assertEqual(other.call("count_calls", timeout=10), 2)
        self.assertEqual(guest.call("count_calls", timeout=10), 2)

    def test_saved(self):
        path = os.path.join(self.scratch, "snapshot")
        guest = self.plugin()
        guest.call("count_calls", timeout=10)
        guest.snapshot().save(path)
        box = self.box(virtiso.Root(files=[(PLUGIN, "/plugin")]), memory_max="64M")
        with virtiso.Snapshot.load(path, box).clone() as clone:
            self.assertEqual(clone.call("count_calls", timeout=10), 2)
        with self.assertRaises(virtiso.InvalidArgument):
            virtiso.Snapshot.load("/dev/null", self.box())

    def test_prepare(self):
        virtiso.prepare_guests(2)
        self.assertEqual(self.box().run(shell("echo x"), timeout=20).stdout, "x\n")
        virtiso.prepare_guests(0)


if __name__ == "__main__":
    tap.main()

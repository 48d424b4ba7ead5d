# SPDX-License-Identifier: MIT
"""What only containers have, and what came with it: options, events, terminals, notifications, instances."""

import errno
import json
import os
import select
import subprocess
import sys
import tempfile

import support
import tap
import virtiso
from support import BUSYBOX, shell


class ContainerCase(support.TestCase):
    def setUp(self):
        support.need("container")
        super().setUp()
        self.directory = tempfile.TemporaryDirectory()
        self.scratch = self.directory.name
        os.chmod(self.scratch, 0o755)
        self.boxes = []

    def tearDown(self):
        while self.boxes:
            self.boxes.pop().close()
        self.directory.cleanup()
        super().tearDown()

    def box(self, **options):
        self.boxes.append(virtiso.Container(support.root(), **options))
        return self.boxes[-1]

    def output(self, script, **options):
        with self.box(**options) as box:
            return box.run(shell(script), check=True).stdout


class Options(ContainerCase):
    def test_files(self):
        with open(os.path.join(self.scratch, "data"), "w", encoding="ascii") as file:
            file.write("from the host\n")
        found = self.output(
            "cat /data/data /etc/motd; ls /mem; echo x > /mem/x; cat /mem/x; touch /data/y 2>/dev/null || echo refused",
            binds={"/data": virtiso.Bind(self.scratch, read_only=True)},
            tmpfs={"/mem": "1M"},
            contents={"/etc/motd": "hello\n"},
            writable="discard",
        )
        self.assertEqual(found, "from the host\nhello\nx\nrefused\n")
        self.assertEqual(os.listdir(self.scratch), ["data"])

    def test_writable(self):
        keep = os.path.join(self.scratch, "keep")
        os.mkdir(keep)
        with self.box(writable=keep) as box:
            box.run(shell("echo kept > /kept"), user=0, check=True)
        with self.box(writable=keep) as box:
            self.assertEqual(box.run(shell("cat /kept"), user=0, check=True).stdout, "kept\n")
        with self.assertRaises(ValueError):
            self.box(writable="somehow")

    def test_names_and_sysctls(self):
        self.assertEqual(
            self.output(
                "hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_unprivileged_port_start",
                hostname="box",
                domainname="example",
                sysctls={"net.ipv4.ip_unprivileged_port_start": "7"},
            ),
            "box\nexample\n7\n",
        )
        with self.assertRaises(virtiso.PermissionDenied):
            self.box(sysctls={"kernel.core_pattern": "|/x"})

    def test_more_ways_to_say_it(self):
        box = self.box(landlock={"/": virtiso.Landlock.READ | virtiso.Landlock.EXECUTE}, join={"ipc": "/proc/self/ns/ipc"})
        if os.geteuid() == 0 and support.machine().supports("landlock"):
            self.assertEqual(box.run([BUSYBOX, "true"]).returncode, 0)
        self.box(capability_sets={"chown": ["bounding", "permitted"]})

    def test_limits(self):
        support.need("memory_limit", "process_limit")
        with self.box(memory_max="32M", processes_max=20) as box:
            result = box.run(shell("x=$(head -c 100000000 /dev/zero | tr '\\0' x)"), timeout=30)
            self.assertEqual(result.reason, virtiso.Reason.OUT_OF_MEMORY)
            self.assertGreater(result.usage.oom_kills, 0)
            self.assertGreater(result.usage.memory_peak, 1 << 20)

    def test_security(self):
        support.need("seccomp")
        box = self.box(rules=[virtiso.Rule("sethostname", "error", errno.EXDEV), virtiso.Rule("sync", "kill")])
        self.assertIn("Invalid cross-device", box.run(shell("hostname x")).stderr)
        self.assertEqual(box.run([BUSYBOX, "sync"]).reason, virtiso.Reason.SECCOMP)

    def test_seccomp_by_file(self):
        support.need("seccomp")
        path = os.path.join(self.scratch, "profile.json")
        rules = [{"names": ["sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]
        with open(path, "w", encoding="ascii") as file:
            json.dump({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, file)
        # sync(2) cannot tell a failure: what is seen is that such a profile is taken, and a broken one is not.
        self.assertEqual(self.box(seccomp=path).run([BUSYBOX, "true"]).returncode, 0)
        with self.assertRaises(virtiso.InvalidArgument):
            self.box(seccomp="/etc/passwd")

    def test_wrong_options(self):
        for options in (
            {"binds": {"relative": "/etc"}},
            {"hooks": {"poststop": ["not a hook"]}},
            {"share": "ipc"},
            {"capabilities": "chown"},
            {"network": "everything"},
            {"addresses": ["10.0.0.1"]},
            {"memory_max": -1},
            {"detached": "/tmp"},
        ):
            with self.assertRaises((ValueError, TypeError), msg=options):
                self.box(**options)


class Running(ContainerCase):
    def test_events(self):
        box = self.box()
        self.assertIsNone(box.next_event() if box.fileno() >= 0 else None)
        process = box.spawn([BUSYBOX, "true"])
        readable, _, _ = select.select([box], [], [], 20)
        self.assertEqual(readable, [box])
        event = box.next_event()
        self.assertEqual((event.kind, event.process), (virtiso.EventKind.ENDED, process))
        process.wait()

    def test_usage_and_timings(self):
        box = self.box()
        with box.spawn(shell("read x"), stdin=virtiso.PIPE) as process:
            self.assertIsInstance(process.usage(), virtiso.Usage)
            self.assertIsInstance(box.usage(), virtiso.Usage)
            timings = process.timings()
            self.assertEqual(timings[virtiso.Step.SENT], 0)
            self.assertGreater(timings[virtiso.Step.STARTED], 0)
            self.assertEqual((box.pause(), box.resume()), (1, 1))
        self.assertIn(virtiso.Step.ENDED, process.timings())

    def test_terminal(self):
        box = self.box()
        process = box.spawn(shell("stty size; read x; echo got $x"), terminal=(91, 37))
        process.terminal.write(b"typed\n")
        shown = b""
        try:
            while data := process.terminal.read(1000):
                shown += data
        except OSError as error:  # all that had it have closed it
            self.assertEqual(error.errno, errno.EIO)
        self.assertIn(b"37 91", shown)
        self.assertIn(b"got typed", shown)
        process.resize_terminal(80, 25)
        process.close()

    def test_notifications(self):
        support.need("seccomp")
        box = self.box(rules=[virtiso.Rule("sethostname", "notify")])
        process = box.spawn(shell("hostname asked; hostname again"), stderr=virtiso.PIPE)
        self.assertGreaterEqual(process.notification_fileno(), 0)
        call = process.next_notification(timeout=20)
        self.assertEqual((call.name, call.read(call.argument(0), 5)), ("sethostname", b"asked"))
        self.assertIn("sethostname", repr(call))
        call.refuse(errno.EXDEV)
        with self.assertRaises(virtiso.Error):
            call.answer()
        process.next_notification().answer(0)
        self.assertIsNone(process.next_notification(timeout=20))
        self.assertEqual(process.stderr.read().count("cross-device"), 1)
        process.close()

    def test_instance(self):
        box = self.box()
        box.start()
        box.run(shell("echo stays > /tmp/file"), check=True)
        self.assertEqual(box.run(shell("cat /tmp/file"), check=True).stdout, "stays\n")
        source, destination = os.path.join(self.scratch, "in"), os.path.join(self.scratch, "out")
        with open(source, "w", encoding="ascii") as file:
            file.write("copied")
        box.copy_in(source, "/tmp/copy")
        self.assertEqual(box.copy_out("/tmp/copy", destination), 0)
        with open(destination, encoding="ascii") as file:
            self.assertEqual(file.read(), "copied")

    def test_detached(self):
        with self.assertRaises(virtiso.InvalidArgument):
            self.box(detached=(self.scratch, "box")).start()  # its root goes with this program
        root = virtiso.Root(programs=[BUSYBOX], path=os.path.join(self.scratch, "root"))
        self.boxes.append(virtiso.Container(root, detached=(self.scratch, "box")))
        self.boxes[-1].start()
        script = (
            "import sys, virtiso\n"
            "box = virtiso.Container.attach(sys.argv[1], 'box')\n"
            "print(box.run([sys.argv[2], 'echo', 'found']).stdout, end='')\n"
            "box.close()\n"
        )
        done = subprocess.run([sys.executable, "-c", script, self.scratch, BUSYBOX], capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, support.errors_of(done)), ("found\n", ""))
        with self.assertRaises(virtiso.NotFound):
            virtiso.Container.attach(self.scratch, "box")

    def test_prepare(self):
        if os.geteuid() != 0:
            raise tap.Missing("root")
        box = self.box(prepared=2)
        for _ in range(4):
            self.assertEqual(box.run(shell("ls /tmp; echo x > /tmp/x"), check=True).stdout, "")


if __name__ == "__main__":
    tap.main()

# SPDX-License-Identifier: MIT
"""What only guests have that boot a system of their own."""

import os
import socket
import tempfile
import time

import support
import tap
import virtiso

CODE = 0x8000


def put(text):
    """Instructions in real mode that write to the first serial port."""
    return b"".join(bytes([0xBA, 0xF8, 0x03, 0xB0, byte, 0xEE]) for byte in text.encode())


POWER_OFF = bytes([0xBA, 0x00, 0x06, 0xB0, 0x34, 0xEE])
FOR_EVER = bytes([0xEB, 0xFE])


class KernelCase(support.TestCase):
    def setUp(self):
        super().setUp()
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise tap.Missing("a usable /dev/kvm")
        self.directory = tempfile.TemporaryDirectory()

    def tearDown(self):
        if hasattr(self, "directory"):
            self.directory.cleanup()
        super().tearDown()

    def image(self, code, name="image"):
        path = os.path.join(self.directory.name, name)
        with open(path, "wb") as file:
            file.write(code)
        return path

    def test_switched_off(self):
        image = self.image(put("hi\n") + POWER_OFF + FOR_EVER)
        with virtiso.Guest(flat_image=(image, CODE), memory_max="16M", processors=1, platform="microvm", agent="qemu",
                           root_medium="disk", console="virtio") as box:
            with box.boot(timeout=30) as process:
                self.assertEqual(process.wait(), 0)
            self.assertEqual(process.result.stdout, "hi\n")

    def test_mistakes(self):
        image = self.image(FOR_EVER)
        for options, what in (
            ({"flat_image": image}, "flat_image must be a file and an address"),
            ({"flat_image": (image, "0x8000")}, "flat_image must be a file and an address"),
            ({"disks": image}, "disks must be a list"),
            ({"disks": [5]}, "disks must be a list of paths"),
            ({"processors": "2"}, "processors must be an integer from 1 to 64, not '2'"),
            ({"kernel": 5}, "kernel must be the path of a file, not 5"),
            ({"interfaces": "tap0"}, "interfaces must be a list"),
            ({"interfaces": ["tap0"]}, "interfaces must be a list of open tap devices or sockets.*not 'tap0'"),
            ({"ports": {"a": "b"}}, "ports must be a dict of sockets.*'a': 'b'"),
            ({"shares": {"a": 5}}, "shares must be a dict of paths.*'a': 5"),
            ({"vsock": 3}, "vsock must be a number and the path of a socket, not 3"),
            ({"files_max": "3"}, "files_max must be an integer.*'3'"),
        ):
            with self.subTest(options=options), self.assertRaisesRegex(TypeError, what):
                virtiso.Guest(**{"flat_image": (image, CODE), **options})
        with self.assertRaisesRegex(ValueError, "processors must be an integer from 1 to 64, not -1"):
            virtiso.Guest(flat_image=(image, CODE), processors=-1)
        with self.assertRaisesRegex(ValueError, "there are 'microvm', 'pc'"):
            virtiso.Guest(platform="mac")
        with self.assertRaisesRegex(TypeError, "kernel="):
            virtiso.Guest()

    def test_devices(self):
        disk = self.image(bytes(512), "disk")
        here, there = socket.socketpair()
        with here, there, virtiso.Guest(
            flat_image=(self.image(POWER_OFF + FOR_EVER), CODE),
            disks=[virtiso.Disk(disk, read_only=True, bytes_rate="1M", operations_rate=virtiso.Rate(100, 10))],
            ports={"org.example.0": there},
            interfaces=[virtiso.Interface(there, mac="02:00:00:00:00:01", bytes_rate=1 << 20)],
            shares={"etc": "/etc", "own": virtiso.Share(self.directory.name, keep_setid=True)},
            vsock=(3, os.path.join(self.directory.name, "vsock")),
        ) as box:
            for use in (
                lambda: box.type("x"),
                box.press_power_button,
                box.press_reset_button,
                lambda: box.set_balloon("1M"),
                lambda: box.memory_figure("free"),
                lambda: box.traffic("disk", "bytes_to_guest"),
                lambda: box.statistic("uptime_ms"),
                box.set_clock,
                box.shut_down,
            ):
                with self.assertRaises(virtiso.ProcessEnded):
                    use()  # no computer runs
            self.assertEqual(box.boot(timeout=30).wait(), 0)

    def test_clone(self):
        # A computer that waits for a byte, which it says again.
        wait = bytes([0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xF8, 0xBA, 0xF8, 0x03, 0xEC, 0xEE])
        image = self.image(put("?") + wait + POWER_OFF + FOR_EVER)
        disk, copy = self.image(bytes(512), "disk"), self.image(bytes(512), "copy")
        here, there = socket.socketpair()
        with here, there, virtiso.Guest(flat_image=(image, CODE), disks=[disk], ports={"a": there}) as box:
            with box.boot(stdin=virtiso.PIPE, stdout=virtiso.PIPE, timeout=30) as process:
                self.assertEqual(process.stdout.read(1), "?")
                snapshot = box.snapshot()
                process.kill()
        self.assertGreater(snapshot.size, 0)
        with here, snapshot.clone() as clone:
            with self.assertRaises(virtiso.InvalidArgument):
                clone.boot()  # it would write to the disk of the other one
            other, end = socket.socketpair()
            with other, end:
                clone.bind(disks=[copy], ports={"a": end})
            with clone.boot(input="x", timeout=30) as process:
                self.assertEqual(process.wait(), 0)
            self.assertEqual(process.result.stdout, "x")
            clone.reset()

    def test_screen(self):
        sector = b"".join(bytes([0xB8, byte, 0x0E, 0xBB, 7, 0, 0xCD, 0x10]) for byte in b"Hi") + FOR_EVER
        path = self.image(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
        if not os.path.exists("/usr/share/seabios/bios.bin"):
            raise tap.Missing("the package seabios")
        with virtiso.Guest(platform="pc", disks=[virtiso.Disk(path, discard_writes=True), virtiso.Disk(path, cdrom=True)]) as box, box.boot(timeout=60) as process:
            while "Hi" not in box.screen() and process.poll() is None:
                time.sleep(0.05)
            self.assertIn("Hi", box.screen())
            process.kill()

    def boot_bell(self, **options):
        bell = os.path.join(os.environ["VIRTISO_BUILD"], "examples/guest/bell")
        if not os.path.exists(bell):
            raise tap.Missing("the examples in C, which were not built")
        return virtiso.Guest(kernel=bell, **options)

    def test_both_call(self):
        things = []

        def price(call):
            things.append(call.read(call.argument(0), call.argument(1)))
            with self.assertRaises(virtiso.Error):
                call.read(2**64 - 1, 2)
            return len(things)

        with self.boot_bell(hypercalls={1: price}) as box, box.boot(timeout=60) as process:
            self.assertEqual(box.call("add", 2**64 - 1, 3, timeout=60), 2)
            self.assertEqual(box.call_bytes("upper", b"loud", timeout=60), b"LOUD")
            for use in (lambda: box.call("other", timeout=60), lambda: box.request(b"what", timeout=60)):
                with self.assertRaises(virtiso.Error):
                    use()
            self.assertEqual(box.request(b"off", timeout=60), b"bye")
            self.assertEqual(process.wait(), 0)
            self.assertEqual(process.result.stdout, "apples: 1\ngold: 2\n")
        self.assertEqual(things, [b"apples", b"gold"])

    def test_calls_are_queued(self):
        with self.boot_bell(hypercalls={1: None}) as box, box.boot(timeout=60) as process:
            for answer in (7, 8):
                box.next_hypercall(timeout=60).answer(answer)
            box.request(b"off", timeout=60)
            process.wait()
            self.assertEqual(process.result.stdout, "apples: 7\ngold: 8\n")

    def test_nobody_answers(self):
        with virtiso.Guest(flat_image=(self.image(FOR_EVER), CODE)) as box, box.boot(timeout=60) as process:
            with self.assertRaises(virtiso.TimeoutExpired):
                box.request(b"x", timeout=0.01)
            self.assertFalse(box.cancel())
            process.kill()

    def test_killed(self):
        with virtiso.Guest(flat_image=(self.image(FOR_EVER), CODE)) as box, box.boot(timeout=30) as process:
            process.kill()
            process.wait()
            self.assertEqual(process.result.reason, virtiso.Reason.KILLED)

    def test_time_is_over(self):
        with virtiso.Guest(flat_image=(self.image(FOR_EVER), CODE)) as box, box.boot(timeout=0.1) as process:
            process.wait()
            self.assertEqual(process.result.reason, virtiso.Reason.TIMED_OUT)

    def test_what_is_no_kernel(self):
        box = virtiso.Guest(kernel=self.image(b"nothing"), initramfs="/etc/passwd", command_line="quiet")
        with box, self.assertRaises(virtiso.Error) as caught:
            box.boot()
        self.assertEqual(caught.exception.errno, 8)  # ENOEXEC

    def test_mistakes(self):
        with self.assertRaises(TypeError):
            virtiso.Guest()
        with self.assertRaises(virtiso.Error):
            virtiso.Guest(kernel="/nowhere")
        with self.assertRaises(ValueError):
            virtiso.Guest(kernel="/etc/passwd", platform="mainframe")


if __name__ == "__main__":
    tap.main()

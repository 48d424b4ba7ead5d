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
                           root_medium="disk") as box:
            with box.boot(timeout=30) as process:
                self.assertEqual(process.wait(), 0)
            self.assertEqual(process.result.stdout, "hi\n")

    def test_devices(self):
        disk = self.image(bytes(512), "disk")
        here, there = socket.socketpair()
        with here, there, virtiso.Guest(
            flat_image=(self.image(POWER_OFF + FOR_EVER), CODE),
            disks=[virtiso.Disk(disk, read_only=True)],
            ports={"org.example.0": there},
            interfaces=[virtiso.Interface(there, mac="02:00:00:00:00:01")],
            shares={"etc": "/etc"},
            vsock=(3, os.path.join(self.directory.name, "vsock")),
        ) as box:
            for use in (
                lambda: box.type("x"),
                box.press_power_button,
                lambda: box.set_balloon("1M"),
                lambda: box.memory_figure("free"),
                lambda: box.statistic("uptime_ms"),
                box.set_clock,
                box.shut_down,
            ):
                with self.assertRaises(virtiso.Error):
                    use()  # no computer runs
            self.assertEqual(box.boot(timeout=30).wait(), 0)

    def test_screen(self):
        sector = b"".join(bytes([0xB8, byte, 0x0E, 0xBB, 7, 0, 0xCD, 0x10]) for byte in b"Hi") + FOR_EVER
        path = self.image(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
        if not os.path.exists("/usr/share/seabios/bios.bin"):
            raise tap.Missing("the package seabios")
        with virtiso.Guest(platform="pc", disks=[virtiso.Disk(path, discard_writes=True)]) as box, box.boot(timeout=60) as process:
            while "Hi" not in box.screen() and process.poll() is None:
                time.sleep(0.05)
            self.assertIn("Hi", box.screen())
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

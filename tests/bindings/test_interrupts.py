# SPDX-License-Identifier: MIT
"""Signals while the main thread is in a call of a guest."""

import contextlib
import os
import signal
import socket
import threading
import time

import tap
import virtiso
from support import shell
from test_guest import ECHO, GuestCase


class Interrupts(GuestCase):
    def setUp(self):
        super().setUp()
        self.handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.told, self.telling = socket.socketpair()
        self.told.settimeout(60)
        self.telling.setblocking(False)
        self.before_us = signal.set_wakeup_fd(self.telling.fileno())

    def tearDown(self):
        signal.set_wakeup_fd(self.before_us)
        signal.signal(signal.SIGINT, self.handler)
        self.told.close()
        self.telling.close()
        super().tearDown()

    def send(self, *signals):
        for number in signals:
            time.sleep(0.3)
            os.kill(os.getpid(), number)

    @contextlib.contextmanager
    def sending(self, *signals):
        sender = threading.Thread(target=self.send, args=signals)
        sender.start()
        try:
            yield
        finally:
            sender.join()
            self.assertEqual(signal.set_wakeup_fd(self.telling.fileno()), self.telling.fileno(), "it is as it was")
            self.assertEqual(self.told.recv(16), bytes(signals[:1]))

    def test_calls(self):
        for placement in "thread", "contained":
            with self.subTest(placement):
                guest = self.box(placement=placement)
                guest.initialise(shell("read -r line </dev/virtiso; while :; do :; done"), timeout=60)
                with self.assertRaises(KeyboardInterrupt), self.sending(signal.SIGINT):
                    guest.request(b"x\n")
                self.assertEqual(guest.last_result.reason, virtiso.Reason.KILLED)

    def test_initialise(self):
        guest = self.box()
        with self.assertRaises(KeyboardInterrupt), self.sending(signal.SIGINT):
            guest.initialise(shell("while :; do :; done"))
        guest.initialise(shell(ECHO), timeout=60)
        self.assertEqual(guest.request(b"hello\n", timeout=60), b"HELLO\n")

    def test_handler_that_lets_it_go_on(self):
        seen, guest = [], self.box()
        guest.initialise(shell("read -r line </dev/virtiso; sleep 1.5; echo done >/dev/virtiso; read -r line </dev/virtiso"), timeout=60)
        signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
        with self.sending(signal.SIGINT):
            self.assertEqual(guest.request(b"x\n", timeout=60), b"done\n")
        self.assertEqual(seen, [signal.SIGINT])


if __name__ == "__main__":
    tap.main()

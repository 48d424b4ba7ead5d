# SPDX-License-Identifier: MIT
"""The log handler: called from any thread, its exceptions go nowhere else, its references are dropped."""

import gc
import subprocess
import sys
import threading
import unittest
import weakref

import support
import tap
import virtiso


NOTHING_TO_SAY = "a message of the library, which only a guest gives for certain"


class Handler:
    """Collects messages, and raises where it is told to."""

    def __init__(self, error=None):
        self.messages = []
        self.error = error

    def __call__(self, level, message):
        self.messages.append((level, message))
        if self.error:
            raise self.error


def make_messages():
    """Does what the library has something to say about."""
    root = virtiso.Root(programs=[support.BUSYBOX])
    with support.any_strength()(root) as box:
        box.run([support.BUSYBOX, "true"])
    if support.machine().supports("guest"):
        with virtiso.Guest(root) as box:
            box.run([support.BUSYBOX, "pivot_root", "/", "/"], timeout=30)  # a system call that no guest is served


def messages_or_skip(handler):
    make_messages()
    if not handler.messages:
        raise tap.Missing(NOTHING_TO_SAY)


class Log(unittest.TestCase):
    def tearDown(self):
        virtiso.set_log_handler(None)

    def test_messages_have_level_and_text(self):
        handler = Handler()
        virtiso.set_log_handler(handler, virtiso.LogLevel.DEBUG)
        messages_or_skip(handler)
        for level, message in handler.messages:
            self.assertIsInstance(level, virtiso.LogLevel)
            self.assertTrue(message and not message.endswith("\n"))

    def test_old_handler_is_dropped(self):
        for new in Handler(), None:
            handler = Handler()
            reference = weakref.ref(handler)
            virtiso.set_log_handler(handler)
            del handler
            gc.collect()
            self.assertIsNotNone(reference(), "the library must hold it")
            virtiso.set_log_handler(new)
            gc.collect()
            self.assertIsNone(reference(), "the library must let it go")

    def test_refused_handler_is_dropped(self):
        handler = Handler()
        reference = weakref.ref(handler)
        with self.assertRaises(virtiso.InvalidArgument):
            virtiso.set_log_handler(handler, 5)
        with self.assertRaises(TypeError):
            virtiso.set_log_handler("no function")
        del handler
        gc.collect()
        self.assertIsNone(reference())

    def test_exception_goes_to_unraisablehook(self):
        seen = []
        old_hook, sys.unraisablehook = sys.unraisablehook, lambda args: seen.append(args.exc_value)
        try:
            error = RuntimeError("in the handler")
            handler = Handler(error)
            virtiso.set_log_handler(handler, virtiso.LogLevel.DEBUG)
            messages_or_skip(handler)
            self.assertEqual(set(map(id, seen)), {id(error)})
        finally:
            sys.unraisablehook = old_hook

    def test_handler_cannot_set_a_handler(self):
        caught = []

        def handler(level, message):
            try:
                virtiso.set_log_handler(None)
            except virtiso.Error as error:
                caught.append(error.errno)

        virtiso.set_log_handler(handler, virtiso.LogLevel.DEBUG)
        make_messages()
        if not caught:
            raise tap.Missing(NOTHING_TO_SAY)
        self.assertEqual(set(caught), {35})  # EDEADLK

    def test_messages_of_many_threads_while_handlers_change(self):
        support.any_strength()
        handler = Handler()
        done = threading.Event()

        def change():
            while not done.is_set():
                virtiso.set_log_handler(handler, virtiso.LogLevel.DEBUG)

        changer = threading.Thread(target=change)
        workers = [threading.Thread(target=make_messages) for _ in range(4)]
        for thread in [changer, *workers]:
            thread.start()
        for thread in workers:
            thread.join(60)
            self.assertFalse(thread.is_alive(), "a deadlock")
        done.set()
        changer.join()

    def test_interpreter_ends_with_a_handler_set(self):
        script = "import virtiso; virtiso.set_log_handler(print, virtiso.LogLevel.DEBUG); root = virtiso.Root()"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    tap.main()

# SPDX-License-Identifier: MIT
"""Ctrl-C while the main thread is in a call of the library: no signal handler of Python's has its turn before that returns."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from types import TracebackType
from typing import Callable, Optional, Tuple, Type

#: A call that is to be over sooner is waited for: KeyboardInterrupt comes then.
_PATIENCE_MS = 1000
#: Between two attempts to cancel a call that has not begun yet.
_PAUSE = 0.01


class _Watcher:
    """A thread that hears of signals by the wake-up fd (signal.set_wakeup_fd()), and cancels the call of the main thread."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.lock = threading.RLock()
        self.cancel: Optional[Callable[[], bool]] = None
        #: The wake-up fd of the host program's own, such as asyncio's, which is told as before; -1 for none.
        self.outer = -1
        self.ours, self.fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        threading.Thread(target=self._watch, name="virtiso-interrupt", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self.ours, select.POLLIN)
        while True:
            poll.poll()
            with self.lock:
                wanted = self.cancel if self.hear() else None
            while wanted:
                with self.lock:
                    if self.cancel is not wanted or wanted():
                        wanted = None
                if wanted:
                    time.sleep(_PAUSE)

    def hear(self) -> bool:
        """Takes what has come; with the lock. Whether it will be a KeyboardInterrupt: other handlers may let the call go on."""
        try:
            signals = os.read(self.ours, 4096)
        except BlockingIOError:
            return False
        if self.outer >= 0:
            try:
                os.write(self.outer, signals)
            except OSError:  # full: it has enough to read
                pass
        return signal.SIGINT in signals and signal.getsignal(signal.SIGINT) is signal.default_int_handler


_watcher: Optional[_Watcher] = None


def get_watcher() -> _Watcher:
    """That of this process; made by the first call that may last."""
    global _watcher
    if _watcher is None or _watcher.owner != os.getpid():  # after a fork() there is no thread
        _watcher = _Watcher()
    return _watcher


class interruptible:
    """Around a call of the library's in the main thread: Ctrl-C cancels it by ``cancel``. Other threads get no signals."""

    def __init__(self, cancel: Callable[[], bool], timeout_ms: int) -> None:
        lasts = timeout_ms < 0 or timeout_ms > _PATIENCE_MS
        self._cancel = cancel if lasts and threading.current_thread() is threading.main_thread() else None
        self._before: Tuple[Optional[Callable[[], bool]], int] = None, -1

    def __enter__(self) -> None:
        if not self._cancel:
            return
        watcher = get_watcher()
        with watcher.lock:
            self._before = watcher.cancel, watcher.outer
            try:
                fd = signal.set_wakeup_fd(watcher.fd, warn_on_full_buffer=False)
            except ValueError:  # another interpreter than the first has no signals either
                self._cancel = None
                return
            if fd != watcher.fd:  # it is, where a handler of this guest's calls another one
                watcher.outer = fd
            watcher.cancel = self._cancel

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        if not self._cancel:
            return
        watcher = get_watcher()
        with watcher.lock:
            watcher.hear()  # of a call that is over already
            outer = watcher.outer
            watcher.cancel, watcher.outer = self._before
            if not watcher.cancel:
                signal.set_wakeup_fd(outer)

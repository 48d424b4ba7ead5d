# SPDX-License-Identifier: MIT
"""Writing to and reading from a command at the same time, so that neither side waits for the other for ever."""

from __future__ import annotations

import os
import select
import selectors
import time
from typing import IO, Any, Dict, List, Optional

from ._paths import Bytes

_CHUNK = 1 << 16


class Communication:
    """One exchange with a command over its pipes, which goes on where an earlier deadline stopped it."""

    def __init__(
        self, stdin: Optional[IO[Any]], stdout: Optional[IO[Any]], stderr: Optional[IO[Any]], data: Optional[Bytes]
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._unsent = memoryview(data or b"").cast("B")
        self._received: Dict[IO[Any], List[bytes]] = {}
        if stdin and not stdin.closed:
            try:
                stdin.flush()
            except BrokenPipeError:
                pass
            self._selector.register(stdin, selectors.EVENT_WRITE)
        for stream in stdout, stderr:
            if stream:
                self._received[stream] = []
                self._selector.register(stream, selectors.EVENT_READ)

    def output(self, stream: Optional[IO[Any]]) -> Optional[bytes]:
        """What was read from a stream; None where it is no pipe."""
        return b"".join(self._received[stream]) if stream else None

    def proceed(self, deadline: Optional[float]) -> bool:
        """Go on until all streams are at their end (True) or the deadline is over (False)."""
        while self._selector.get_map():
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining < 0:
                return False
            for key, _ in self._selector.select(remaining):
                stream: IO[Any] = key.fileobj  # type: ignore[assignment]
                if stream in self._received:
                    self._receive(stream)
                else:
                    self._send(stream)
        self._selector.close()
        return True

    def _send(self, stream: IO[Any]) -> None:
        try:
            # No more than a pipe takes at once: the fd is blocking.
            sent = os.write(stream.fileno(), self._unsent[: select.PIPE_BUF]) if self._unsent else 0
        except BrokenPipeError:
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._finish(stream)

    def _receive(self, stream: IO[Any]) -> None:
        data = os.read(stream.fileno(), _CHUNK)
        self._received[stream].append(data)
        if not data:
            self._finish(stream)

    def _finish(self, stream: IO[Any]) -> None:
        self._selector.unregister(stream)
        try:
            stream.close()
        except BrokenPipeError:
            pass

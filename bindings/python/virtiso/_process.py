# SPDX-License-Identifier: MIT
"""A command that runs."""

from __future__ import annotations

import asyncio
import errno
import io
import math
import os
import signal
import subprocess
import time
import warnings
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Type, Union

from . import native
from ._command import Options
from ._communicate import Communication
from ._enums import Reason, Step
from ._errors import Error, Interrupted, ProcessEnded, TimeoutExpired
from ._notification import Notification
from ._result import Result, read_returncode, timeout_expired
from ._usage import Usage, read_usage
from ._paths import Bytes

if TYPE_CHECKING:
    from ._sandbox import Sandbox

_LONGEST_WAIT_MS = 2**31 - 1


class Process:
    """A command that was started by :meth:`Sandbox.spawn`, used like a :class:`subprocess.Popen`.

    ``stdin``, ``stdout`` and ``stderr`` are files where they were set to PIPE, else None; ``terminal`` is an unbuffered binary file
    where there is one, from which reading fails with EIO when the program has closed it. ``returncode`` and ``result``
    are None until the end is known.

    >>> with box.spawn(["cat"], stdin=virtiso.PIPE, stdout=virtiso.PIPE) as process:
    ...     output, _ = process.communicate("hello", timeout=5)

    At the end of the ``with`` block it waits for the command, or kills it where an exception leaves the block. A process that
    is collected while the command runs kills it, with a ResourceWarning.
    """

    stdin: Optional[IO[Any]]
    stdout: Optional[IO[Any]]
    stderr: Optional[IO[Any]]
    terminal: Optional[io.FileIO]

    def __init__(self, handle: native.viso_process, options: Options, sandbox: Sandbox) -> None:
        self._handle = handle
        self._options = options
        self._sandbox = sandbox  # closing it would kill this process
        self._owner = os.getpid()
        self._communication: Optional[Communication] = None
        self.args = options.args
        self.result: Optional[Result] = None
        self.stdin = self._take_stream(native.VISO_STDIN, options.stdin)
        self.stdout = self._take_stream(native.VISO_STDOUT, options.stdout)
        self.stderr = self._take_stream(native.VISO_STDERR, options.stderr)
        self.terminal = (
            io.FileIO(native.viso_process_take_terminal(handle), "r+") if options.terminal is not None else None
        )

    def _take_stream(self, stream: int, setting: Any) -> Optional[IO[Any]]:
        if setting != subprocess.PIPE or (stream != native.VISO_STDIN and self._options.captures(stream)):
            return None
        fd = native.viso_process_take_stream(self._handle, stream)
        binary = open(fd, "wb" if stream == native.VISO_STDIN else "rb")
        if not self._options.text:
            return binary
        # newline="\n": bytes are decoded and nothing else is changed, as in captured output.
        return io.TextIOWrapper(
            binary, self._options.encoding, self._options.errors, newline="\n", line_buffering=stream == native.VISO_STDIN
        )

    @property
    def pid(self) -> int:
        """The process id on the host; 0 for a guest, which has none."""
        return native.viso_process_pid(self._handle)

    @property
    def returncode(self) -> Optional[int]:
        """As :attr:`Result.returncode`; None until the end is known."""
        return self.result.returncode if self.result else None

    def fileno(self) -> int:
        """A fd that becomes readable when the command has ended, for select, poll and event loops. Never read from it."""
        return native.viso_process_fd(self._handle)

    def poll(self) -> Optional[int]:
        """The return code, or None where the command still runs."""
        self._wait_once(0)
        return self.returncode

    def wait(self, timeout: Optional[float] = None) -> int:
        """Wait for the end and return the return code.

        :raises TimeoutExpired: it still runs after ``timeout`` seconds. It is not killed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._wait_once(_wait_ms(deadline))
            if self.result:
                return self.result.returncode
            if deadline is not None and time.monotonic() >= deadline:
                raise timeout_expired(self.args, timeout)

    def _wait_once(self, ms: int) -> None:
        """Sets the result where the end comes in time. A signal handler that ran, and raised nothing, ends the waiting too."""
        if not self.result:
            try:
                handle = native.viso_process_wait(self._handle, ms)
            except (Interrupted, TimeoutExpired):
                return
            self.result = read_result(handle, self._options)

    async def wait_async(self) -> int:
        """:meth:`wait` for asyncio: ``returncode = await process.wait_async()``; take asyncio.wait_for() for a limit."""
        if self.result is None:
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            # A fd of its own: two tasks may wait for one process, but a loop knows each fd once.
            fd = os.dup(self.fileno())
            try:
                loop.add_reader(fd, ended.set)
                await ended.wait()
            finally:
                loop.remove_reader(fd)
                os.close(fd)
        return self.wait()

    def communicate(
        self, input: Union[None, str, Bytes] = None, timeout: Optional[float] = None
    ) -> Tuple[Any, Any]:
        """Send ``input`` to the command, read its output to the end, wait for it; return ``(stdout, stderr)``.

        All output is kept in memory, without a bound; ``spawn(capture_output=True)`` has one. A call that raised
        TimeoutExpired can be repeated (without input) and loses nothing.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._communication is None:
            data = None if input is None else self._options.encode(input)
            if data is not None and not self.stdin:
                raise ValueError("input needs stdin=PIPE")
            self._communication = Communication(self.stdin, self.stdout, self.stderr, data)
        elif input:
            raise ValueError("the input was given to an earlier communicate()")
        if not self._communication.proceed(deadline):
            raise timeout_expired(self.args, timeout)
        try:
            self.wait(None if deadline is None else max(0, deadline - time.monotonic()))
        except TimeoutExpired:
            raise timeout_expired(self.args, timeout) from None
        return (
            self._output(native.VISO_STDOUT, self._communication.output(self.stdout)),
            self._output(native.VISO_STDERR, self._communication.output(self.stderr)),
        )

    def _output(self, stream: int, data: Optional[bytes]) -> Any:
        if data is not None:
            return self._options.decode(data)
        return self.result and (self.result.stdout if stream == native.VISO_STDOUT else self.result.stderr)

    def send_signal(self, sig: int) -> None:
        """Send a signal to the program; nothing happens where it has ended."""
        try:
            native.viso_process_signal(self._handle, sig)
        except ProcessEnded:
            pass

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the command and all that it started."""
        native.viso_process_kill(self._handle)

    def usage(self) -> Usage:
        """What the command uses at this moment; after its end what it has used. A program in a guest tells at its end only:
        :class:`NotSupported` before."""
        return read_usage(lambda which: native.viso_process_usage(self._handle, which))

    def timings(self) -> Dict[Step, float]:
        """When the steps of the start were done, in seconds since the first; those that were made and are known by now."""
        steps = enumerate(native.viso_process_timings(self._handle))
        return {Step(step): ns / 1e9 for step, ns in steps if ns >= 0}

    def addresses(self) -> List[str]:
        """The addresses of the container's network interface, such as "10.88.0.2/16"."""
        return native.viso_process_addresses(self._handle).splitlines()

    def resize_terminal(self, columns: int, rows: int) -> None:
        """Tell the program that its terminal has another size now."""
        native.viso_process_resize_terminal(self._handle, columns, rows)

    def _is_asking(self) -> bool:
        """Whether a rule of its container asks the host program."""
        try:
            return native.viso_process_notification_fd(self._handle) >= 0
        except Error as error:
            if error.errno != errno.EBADF:
                raise
            return False

    def notification_fileno(self) -> int:
        """A fd that becomes readable when a system call waits for an answer. Never read from it."""
        return native.viso_process_notification_fd(self._handle)

    def next_notification(self, timeout: Optional[float] = None) -> Optional[Notification]:
        """The next system call that waits for an answer; None where none came within ``timeout`` seconds, or the command has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return Notification(native.viso_process_next_notification(self._handle, _wait_ms(deadline)))
            except Interrupted:
                continue
            except (TimeoutExpired, ProcessEnded):
                return None

    def close(self) -> None:
        """Kill the command where it still runs, wait for its end, and close the streams."""
        if not self.result:
            self.kill()
        self._close_streams()
        self.wait()

    def _close_streams(self) -> None:
        for stream in self.stdin, self.stdout, self.stderr, self.terminal:
            try:
                if stream:
                    stream.close()
            except BrokenPipeError:
                pass  # the command has ended before it read everything

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        if error is not None:
            self.close()
        else:
            self._close_streams()
            self.wait()

    def __del__(self) -> None:
        if getattr(self, "result", self) is None and self._owner == os.getpid():
            warnings.warn(f"{self!r} still runs and is killed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = self.result.describe() if self.result else "running"
        return f"<virtiso.Process {self.args!r}: {state}>"


def read_result(handle: native.viso_result, options: Options) -> Result:
    """The result of a command that was started with these options."""
    exit_code = native.viso_result_exit_code(handle)

    def output(stream: int) -> Any:
        if not options.captures(stream):
            return None
        return options.decode(native.viso_result_output(handle, stream))

    return Result(
        args=options.args,
        returncode=read_returncode(handle),
        stdout=output(native.VISO_STDOUT),
        stderr=output(native.VISO_STDERR),
        reason=Reason(native.viso_result_reason(handle)),
        exit_code=None if exit_code < 0 else exit_code,
        signal=native.viso_result_signal(handle) or None,
        usage=read_usage(lambda which: native.viso_result_usage(handle, which)),
        stdout_truncated=bool(native.viso_result_output_truncated(handle, native.VISO_STDOUT)),
        stderr_truncated=bool(native.viso_result_output_truncated(handle, native.VISO_STDERR)),
        description=native.viso_result_describe(handle),
        timeout=options.timeout,
        fault_address=native.viso_result_fault_address(handle),
        registers=_read_registers(handle),
    )


_REGISTERS = [
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
    *("rip", "rflags", "fs_base", "gs_base"),
]


def _read_registers(handle: native.viso_result) -> Optional[Dict[str, int]]:
    if native.viso_result_register(handle, "rip") is None:
        return None
    return {name: native.viso_result_register(handle, name) or 0 for name in _REGISTERS}


def _wait_ms(deadline: Optional[float]) -> int:
    if deadline is None:
        return -1
    return min(_LONGEST_WAIT_MS, max(0, math.ceil((deadline - time.monotonic()) * 1000)))

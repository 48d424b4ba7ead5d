# SPDX-License-Identifier: MIT
"""The guest."""

from __future__ import annotations

import contextlib
import errno
import math
import operator
import os
import threading
import time
from collections.abc import Mapping as MappingABC
from subprocess import DEVNULL
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import native
from ._command import Command, File, Options, Stream, make_command
from ._container_options import Bind
from ._enums import (
    Agent,
    Console,
    DeviceKind,
    Isolation,
    MemoryFigure,
    Network,
    Placement,
    Platform,
    Reason,
    Rlimit,
    RootMedium,
    Shutdown,
    Stage,
    Statistic,
    Traffic,
    by_name,
)
from ._errors import Canceled, Error, Interrupted, NotSupported, ProcessEnded, TimeoutExpired
from ._hypercall import Hypercall
from ._interrupt import interruptible
from ._kernel_options import Disk, Interface, KernelOptions, Share
from ._paths import Bytes, StrPath
from ._process import Process, read_result
from ._result import Result
from ._root import Root
from ._sandbox import Sandbox, check_root
from ._snapshot import Snapshot
from ._units import Size, milliseconds_to_wait, size_in_bytes, taking

#: What answers a hypercall: a number or None for the program. None in its place: :meth:`Guest.next_hypercall` gets them.
Handler = Optional[Callable[[Hypercall], Optional[int]]]
#: What gives a connected socket for an address, such as "tcp:192.0.2.1:80"; an OSError is told to the program.
Connector = Callable[[str], Any]

_LONGEST_MS = 2**31 - 1


class Guest(Sandbox):
    """A program guest: the program in a virtual machine of its own under KVM, without a kernel to boot.

    :param memory_max: memory of the virtual machine; 256 MiB where it is not given. Sizes as for a container
    :param processes_max: processes and threads at once
    :param files_max: open files at once
    :param written_max: how many bytes may be written altogether
    :param syscalls_max: how many system calls may be made altogether, or in each call and request
    :param network: "none": a guest has no network but what ``connect`` gives
    :param connect: a function that is given the address for each connect(2), such as "tcp:192.0.2.1:80", and returns a connected
        socket, of which the program gets a duplicate; an OSError is told to the program
    :param binds: files and directories of the host by their path in the guest: a path, which the program may write to, or a
        :class:`Bind` of which only ``read_only`` counts: ``{"/in": Bind("/srv/in", read_only=True)}``
    :param contents: read-only files in memory: bytes or text
    :param writable: "discard": what is written to the root is kept in memory and discarded; or the directory of the host that
        keeps it
    :param writable_max: how much may be written with "discard"
    :param hypercalls: handlers by number: ``{1: function}``. It gets a :class:`Hypercall` and returns a number. With None in the
        place of a function, :meth:`next_hypercall` gets them. What a handler raises is raised by :meth:`initialise`,
        :meth:`call`, :meth:`request` or, at its end, :meth:`run`, and the program gets EIO; with :meth:`spawn`, a ring or several
        runs at once there is nobody to raise it, and :data:`sys.unraisablehook` is told. An OSError, also of this package, is told to the program
    :param core_path: where the first crash of a program is written to as an ELF core file
    :param placement: "thread" (in this process), or "contained": in a process of its own, inside a container
    :param ring_us: how long both sides look at a ring in shared memory before they sleep, microseconds; 0 for no ring

    With one of the options that follow it is a computer that :meth:`boot` switches on, and boots a system of its own:

    :param kernel: a file of the host: Linux (bzImage or vmlinux), another ELF file with a PVH entry, a Multiboot image, a boot sector
    :param flat_image: instead of a kernel: a file and the address where it is put and begins in real mode
    :param initramfs: the first file system of the kernel
    :param command_line: of the kernel; "console=ttyS0" shows a Linux kernel on the standard output of :meth:`boot`
    :param processors: 1 to 64
    :param platform: "microvm", or "pc": one that does not tell the system that it is virtual
    :param agent: by which commands run: "viso", viso-agent; or "qemu", the guest's own qemu-ga, with which much is not possible
    :param root_medium: where the root of a Linux kernel lies: "memory", "disk" (packed, read-only, what is written goes to memory above it),
        "share" (the built directory itself), or "auto" by its size
    :param firmware: a BIOS for "pc" in the place of SeaBIOS
    :param disks: files of the host, or :class:`Disk`. A "pc" without a kernel boots the first one
    :param ports: streams to programs in it, by their names in /sys/class/virtio-ports: ``{"org.example.0": socket}``
    :param interfaces: network interfaces: tap devices or sockets (of passt, or between two guests), or :class:`Interface`
    :param shares: directories of the host to read, or :class:`Share`, by their tags: ``mount -t virtiofs TAG /mnt``
    :param vsock: the guest's number, 3 or more, and a path: there the host connects and says ``CONNECT port``; what the guest
        connects to comes to sockets at that path with ``_port`` behind it
    :param console: what its standard streams lead to: "serial" (ttyS0), or "virtio" (hvc0), which is quicker

    With a root beside the kernel, :meth:`run` and the like run commands in it by viso-agent.

    >>> with virtiso.Guest(root, memory_max="64M") as box:
    ...     box.run(["/bin/busybox", "echo", "hello"])
    """

    isolation = Isolation.GUEST

    def __init__(
        self,
        root: Optional[Root] = None,
        *,
        memory_max: Optional[Size] = None,
        processes_max: Optional[int] = None,
        files_max: Optional[int] = None,
        written_max: Optional[Size] = None,
        syscalls_max: Optional[int] = None,
        network: Union[Network, str] = Network.NONE,
        connect: Optional[Connector] = None,
        binds: Optional[Mapping[str, Union[StrPath, int, Bind]]] = None,
        contents: Optional[Mapping[str, Union[str, Bytes]]] = None,
        writable: Optional[StrPath] = None,
        writable_max: Optional[Size] = None,
        hypercalls: Optional[Mapping[int, Handler]] = None,
        core_path: Optional[StrPath] = None,
        placement: Union[Placement, str] = Placement.THREAD,
        ring_us: int = 0,
        kernel: Optional[StrPath] = None,
        flat_image: Optional[Tuple[StrPath, int]] = None,
        initramfs: Optional[StrPath] = None,
        command_line: Optional[str] = None,
        processors: Optional[int] = None,
        platform: Union[None, Platform, str] = None,
        agent: Union[None, Agent, str] = None,
        root_medium: Union[None, RootMedium, str] = None,
        firmware: Optional[StrPath] = None,
        disks: Sequence[Union[StrPath, Disk]] = (),
        ports: Optional[Mapping[str, File]] = None,
        interfaces: Sequence[Union[File, Interface]] = (),
        shares: Optional[Mapping[str, Union[StrPath, Share]]] = None,
        vsock: Optional[Tuple[int, StrPath]] = None,
        console: Union[None, Console, str] = None,
    ) -> None:
        if by_name(Network, network) != Network.NONE:
            raise NotSupported(errno.EOPNOTSUPP, "a guest has no network but what connect= gives", Stage.NETWORK, "network")
        self._handle = native.viso_guest_new()
        self._runs: List[List[BaseException]] = []
        kernel_options = KernelOptions(
            kernel, flat_image, initramfs, command_line, processors, platform, agent, root_medium, firmware, disks,
            _by("name", "ports", ports), interfaces, _by("tag", "shares", shares), vsock, console,
        )  # fmt: skip
        if root is None and not kernel_options.boots():
            raise TypeError("a guest needs a root, or a system to boot: kernel=, flat_image=, or platform=\"pc\" with disks")
        if root is not None:
            native.viso_guest_set_root(self._handle, check_root(root)._handle)
        kernel_options.apply(self._handle)
        self._set_limits(memory_max, processes_max, files_max, written_max, syscalls_max)
        self._set_files(_by("path", "binds", binds), _by("path", "contents", contents), writable, writable_max)
        if core_path is not None:
            native.viso_guest_set_core_path(self._handle, core_path)
        if placement := by_name(Placement, placement):
            native.viso_guest_set_placement(self._handle, placement)
        if ring_us:
            with taking("ring_us", "a number of microseconds", ring_us):
                native.viso_guest_set_ring(self._handle, ring_us)
        for number, handler in _by("number", "hypercalls", hypercalls).items():
            self.set_hypercall(number, handler)
        if connect is not None:
            self.set_connect(connect)
        self._prepare_handle(root)

    def _prepare_handle(self, root: Optional[Root]) -> None:
        self._options: Optional[Options] = None
        super().__init__(native.viso_guest_sandbox(self._handle), root)

    def _set_limits(
        self,
        memory_max: Optional[Size],
        processes_max: Optional[int],
        files_max: Optional[int],
        written_max: Optional[Size],
        syscalls_max: Optional[int],
    ) -> None:
        if memory_max is not None:
            native.viso_guest_set_memory_max(self._handle, size_in_bytes(memory_max))
        if written_max is not None:
            native.viso_guest_set_written_max(self._handle, size_in_bytes(written_max))
        for option, value, setter in (
            ("processes_max", processes_max, native.viso_guest_set_processes_max),
            ("files_max", files_max, native.viso_guest_set_files_max),
            ("syscalls_max", syscalls_max, native.viso_guest_set_syscalls_max),
        ):
            if value is not None:
                with taking(option, "an integer that is not negative", value):
                    setter(self._handle, value)

    def _set_files(
        self,
        binds: Mapping[str, Union[StrPath, int, Bind]],
        contents: Mapping[str, Union[str, Bytes]],
        writable: Optional[StrPath],
        writable_max: Optional[Size],
    ) -> None:
        for path, source in sorted(binds.items()):
            bind = source if isinstance(source, Bind) else Bind(source)
            if isinstance(bind.source, int):
                native.viso_guest_add_bind_fd(self._handle, bind.source, path, not bind.read_only)
            else:
                native.viso_guest_add_bind(self._handle, bind.source, path, not bind.read_only)
        for path, data in sorted(contents.items()):
            native.viso_guest_add_file(self._handle, path, data.encode() if isinstance(data, str) else data, 0o444)
        if writable == "discard":
            native.viso_guest_set_upper_discarded(self._handle, size_in_bytes(writable_max or 0))
        elif writable_max is not None:
            raise ValueError('writable_max goes with writable="discard"')
        elif writable is not None:
            if not isinstance(writable, (str, bytes, os.PathLike)):
                raise TypeError(f'writable is "discard" or a directory of the host, not {writable!r}')
            native.viso_guest_set_upper_directory(self._handle, writable)

    def set_hypercall(self, number: int, handler: Handler) -> None:
        """Set the handler of a hypercall: before anything has run, or in a clone before its first call."""
        if not isinstance(number, int):
            raise TypeError(f"a hypercall has a number, not {number!r}")
        if handler is None:
            native.viso_guest_queue_hypercall(self._handle, number)
            return
        if not callable(handler):
            raise TypeError("the handler must be callable or None")
        wanted, runs = handler, self._runs

        def pass_on(handle: native.viso_hypercall) -> int:
            return _guard(lambda: _answer(wanted(Hypercall(handle))), runs)

        native.viso_guest_set_hypercall_handler(self._handle, number, pass_on)

    def set_connect(self, connect: Connector) -> None:
        """Set what gives a connected socket for an address, as :meth:`set_hypercall`."""
        if not callable(connect):
            raise TypeError("connect must be callable")
        runs = self._runs

        def pass_on(address: str) -> int:
            def give() -> int:
                peer = connect(address)
                with taking("what connect returns", "a connected socket, or its fd", peer):
                    return os.dup(peer if isinstance(peer, int) else peer.fileno())

            return _guard(give, runs)

        native.viso_guest_set_connect_handler(self._handle, pass_on)

    @contextlib.contextmanager
    def _raising_from_handlers(self) -> Iterator[None]:
        raised: List[BaseException] = []
        self._runs.append(raised)
        try:
            yield
        finally:
            self._runs[:] = [run for run in self._runs if run is not raised]
            if raised:
                raise raised[0]

    def boot(
        self,
        *,
        input: Union[None, str, Bytes] = None,
        stdin: Stream = None,
        stdout: Stream = None,
        capture_output: bool = True,
        capture_max: Size = "1M",
        timeout: Optional[float] = None,
        cpu_time: Optional[float] = None,
        text: bool = True,
        encoding: str = "utf-8",
        errors: str = "replace",
    ) -> Process:
        """Switch the computer on, and return while it runs. The arguments are those of :meth:`spawn`; the streams are its first
        serial port. The result: return code 0 where it was switched off, 1 where it was about to start anew.

        >>> box = virtiso.Guest(kernel="/boot/vmlinuz", initramfs="initramfs", command_line="console=ttyS0")
        >>> box.boot(timeout=60).wait()
        0
        """
        if stdin is None and input is None:
            stdin = DEVNULL
        options = Options(["computer"], input, stdin, stdout, None, capture_output, capture_max, timeout, cpu_time,
                          text=text, encoding=encoding, errors=errors)  # fmt: skip
        return self._started(native.viso_guest_boot(self._handle, make_command(options)), options)

    def screen(self) -> str:
        """What the screen of a "pc" shows; ENODATA where that is a picture."""
        return native.viso_guest_screen(self._handle)

    def type(self, text: str) -> None:
        """Type on the keyboard of a "pc"."""
        native.viso_guest_type(self._handle, text)

    def press_power_button(self) -> None:
        """Press the power button of the computer, which most systems take for a wish to shut down."""
        native.viso_guest_press_power_button(self._handle)

    def press_reset_button(self) -> None:
        """Press the reset button of the computer, which ends with exit code 1."""
        native.viso_guest_press_reset_button(self._handle)

    def shut_down(self, how: Union[Shutdown, str] = Shutdown.POWER_OFF, *, timeout: float = 60) -> None:
        """Have the operating system end itself, by viso-agent, and wait until it has."""
        native.viso_guest_shut_down(self._handle, by_name(Shutdown, how), _timeout_ms(timeout))

    def set_clock(self, *, timeout: float = 10) -> None:
        """Set the clock of the operating system to that of the host, by viso-agent."""
        native.viso_guest_set_clock(self._handle, _timeout_ms(timeout))

    def statistic(self, which: Union[Statistic, str], *, timeout: float = 10) -> int:
        """A figure of the operating system, by viso-agent."""
        return native.viso_guest_statistic(self._handle, by_name(Statistic, which), _timeout_ms(timeout))

    def set_balloon(self, size: Size) -> None:
        """Ask the computer for so much of its memory."""
        native.viso_guest_set_balloon(self._handle, size_in_bytes(size))

    def traffic(self, device: Union[DeviceKind, str], figure: Union[Traffic, str], *, number: int = 0) -> int:
        """What has gone through a device of the computer that runs."""
        return native.viso_guest_traffic(self._handle, by_name(DeviceKind, device), number, by_name(Traffic, figure))

    def memory_figure(self, which: Union[MemoryFigure, str]) -> Optional[int]:
        """What the computer has told last of its memory; None where it has not told that yet."""
        try:
            return native.viso_guest_memory_figure(self._handle, by_name(MemoryFigure, which))
        except Error as error:
            if error.errno != errno.ENODATA:
                raise
            return None

    def initialise(
        self,
        args: Union[Sequence[StrPath], Command],
        *,
        input: Union[None, str, Bytes] = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        capture_output: bool = False,
        capture_max: Size = "1M",
        timeout: Optional[float] = None,
        cpu_time: Optional[float] = None,
        env: Optional[Mapping[str, Optional[str]]] = None,
        clear_env: bool = False,
        cwd: Optional[StrPath] = None,
        user: Optional[int] = None,
        group: Optional[int] = None,
        groups: Optional[Iterable[int]] = None,
        rlimits: Optional[Mapping[Union[Rlimit, str], Optional[Size]]] = None,
        fds: Optional[Mapping[int, File]] = None,
        text: bool = True,
        encoding: str = "utf-8",
        errors: str = "replace",
    ) -> None:
        """Run a program until it is ready: then it stays, for :meth:`call` and :meth:`request`.

        It says so by viso_ready() or viso_receive() of <virtiso/hypercall.h>, or by reading from /dev/virtiso. Where it ends
        before, or its ``timeout`` is over, :class:`ProcessEnded` is raised, which has ``result``; after :meth:`cancel` it is
        :class:`Canceled`. The arguments are those of :meth:`run`, but outputs are the host's own unless they are given or
        captured: then that result and :attr:`last_result` have them. ``timeout`` and ``cpu_time`` count until it is ready.

        >>> guest.initialise(["python3", "-c", "import json\\nwith open('/dev/virtiso', 'r+b', buffering=0) as port: ..."])
        """
        options = Options(
            args, input, stdin, stdout, stderr, capture_output, capture_max, timeout, cpu_time, env, clear_env, cwd, user,
            group, groups, rlimits, fds, text=text, encoding=encoding, errors=errors, capture_pipes=True,
        )  # fmt: skip
        command = make_command(options)
        with _raising(), interruptible(self.cancel, _timeout_ms(timeout)):
            handle = self._build(lambda: native.viso_guest_initialise(self._handle, command))
        self._options = options
        if handle is not None:
            raise _ended_early(read_result(handle, options))

    def call(self, symbol: str, *args: int, timeout: Optional[float] = None) -> int:
        """Call a function of the program, that waits in viso_ready(), with up to six numbers; the number that it returns, without
        a sign."""
        timeout_ms = _timeout_ms(timeout)
        with _raising(), interruptible(self.cancel, timeout_ms):
            return native.viso_guest_call(self._handle, symbol, args, timeout_ms)

    def call_bytes(self, symbol: str, data: Bytes = b"", *, max: int = 65536, timeout: Optional[float] = None) -> bytes:
        """Call ``int64_t function(const void *in, size_t in_size, void *out, size_t out_max)`` of the program with bytes."""
        timeout_ms = _timeout_ms(timeout)
        with _raising(), interruptible(self.cancel, timeout_ms):
            return native.viso_guest_call_bytes(self._handle, symbol, data, max, timeout_ms)

    def request(self, data: Bytes, *, max: int = 65536, timeout: Optional[float] = None) -> bytes:
        """Send the program, that reads from /dev/virtiso or waits in viso_receive(), a request and return its answer.

        This, and :meth:`call` and :meth:`call_bytes`, also reach the system of a computer (<virtiso/doorbell.h>), several at a time.
        """
        timeout_ms = _timeout_ms(timeout)
        with _raising(), interruptible(self.cancel, timeout_ms):
            return native.viso_guest_request(self._handle, data, max, timeout_ms)

    def cancel(self) -> bool:
        """Cancel the call or request that is on its way, or :meth:`initialise`, from another thread; it raises :class:`Canceled`.

        Ctrl-C (KeyboardInterrupt) in the main thread does so, too, where it may last for more than a second; a thread of the package's own
        sees to that. What :meth:`run` runs is ended by :meth:`kill`.
        """
        return bool(native.viso_guest_cancel(self._handle))

    @property
    def last_result(self) -> Optional[Result]:
        """How the program ended that has poisoned the guest: crashed, timed out, ...; None where it did not."""
        try:
            handle = native.viso_guest_last_result(self._handle)
        except Error as error:
            if error.errno != errno.ENODATA:
                raise
            return None
        return read_result(handle, self._options or Options([]))

    def snapshot(self) -> Snapshot:
        """Freeze the initialised guest, or the computer that runs. It goes on itself."""
        return Snapshot(native.viso_guest_snapshot(self._handle), self)

    def reset(self) -> None:
        """Bring a clone back to its snapshot, to the byte. A poisoned one is usable again."""
        native.viso_guest_reset(self._handle)

    def bind(
        self,
        *,
        disks: Sequence[Union[StrPath, Disk]] = (),
        ports: Optional[Mapping[str, File]] = None,
        interfaces: Sequence[Union[File, Interface]] = (),
        vsock: Optional[Tuple[int, StrPath]] = None,
    ) -> None:
        """Give the clone of a computer, before it is switched on, what it has of the host in place of what the guest of the
        snapshot has: copies of the disks to which that writes, the other ends of its ports and interfaces."""
        KernelOptions(disks=disks, ports=ports or {}, interfaces=interfaces, vsock=vsock).add_devices(self._handle)

    def _clone(self, handle: native.viso_guest) -> Guest:
        clone = Guest.__new__(Guest)
        clone._handle = handle
        clone._runs = self._runs  # it has the handlers of this one
        clone._prepare_handle(self.root)
        clone._options = self._options or Options([])
        return clone

    def hypercall_fileno(self) -> int:
        """A fd that becomes readable when a queued hypercall waits. Never read from it."""
        return native.viso_guest_hypercall_fd(self._handle)

    def next_hypercall(self, timeout: Optional[float] = None) -> Optional[Hypercall]:
        """The next hypercall that waits for an answer; None where none came within ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                return Hypercall(native.viso_guest_next_hypercall(self._handle, _timeout_ms(left)))
            except Interrupted:
                continue
            except TimeoutExpired:
                return None

    def syscalls(self, *, unserved: bool = False) -> Dict[str, int]:
        """How often each system call was made so far; with ``unserved`` those that the library does not serve."""
        return {native.viso_syscall_name(number): count for number, count in native.viso_guest_syscalls(self._handle, unserved)}


def _by(key: str, name: str, value: Optional[Mapping[Any, Any]]) -> Mapping[Any, Any]:
    if value is not None and not isinstance(value, MappingABC):
        raise TypeError(f"{name} must be a dict by {key}, not {type(value).__name__}")
    return value or {}


#: Where the handlers that run in this thread put what they raise; None where nobody is there to raise it.
_running = threading.local()


@contextlib.contextmanager
def _raising() -> Iterator[None]:
    """Raises what handlers raised within. They are not tied to their guest: it would never be released then."""
    outer, raised = getattr(_running, "raised", None), []  # type: ignore[var-annotated]
    _running.raised = raised
    try:
        yield
    finally:
        _running.raised = outer
        if raised:
            raise raised[0]


def _guard(function: Callable[[], int], runs: List[List[BaseException]]) -> int:
    """Calls a handler; what it raises must not go through the library, nor be lost. ``runs`` is where run() waits for it."""
    try:
        return function()
    except OSError as error:
        return -(error.errno or errno.EIO)
    except BaseException as error:  # KeyboardInterrupt too
        raised: Optional[List[BaseException]] = getattr(_running, "raised", None)
        if raised is None and len(runs) == 1:
            raised = runs[0]
        if raised is None:
            raise  # the raw module tells sys.unraisablehook
        raised.append(error)
        return -errno.EIO


def _ended_early(result: Result) -> Error:
    kind, number = (Canceled, errno.ECANCELED) if result.reason == Reason.KILLED else (ProcessEnded, errno.ESRCH)
    error = kind(number, f"the program ended before it was ready: {result.describe()}", Stage.GUEST, "ready")
    error.result = result  # type: ignore[attr-defined]
    return error


def _answer(value: Optional[int]) -> int:
    """What a handler returned, as the 64 bits that the program gets: arguments have no sign, and may be given back as they came."""
    with taking("what the handler of a hypercall returns", "an integer, or None for 0", value):
        number = 0 if value is None else operator.index(value)
    if not -(2**63) <= number < 2**64:
        raise OverflowError(f"the handler of a hypercall returned {number}, which has more than 64 bits")
    return number - 2**64 if number >= 2**63 else number


def _timeout_ms(timeout: Optional[float]) -> int:
    if timeout is None:
        return -1
    return _LONGEST_MS if timeout == math.inf else min(_LONGEST_MS, milliseconds_to_wait(timeout, "timeout"))


def prepare_guests(count: int) -> None:
    """Keep virtual machines ready for all guests of this process: a start or clone takes one. 0 gives them back."""
    native.viso_guest_prepare(count)

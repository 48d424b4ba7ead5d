# SPDX-License-Identifier: MIT
"""The three strengths of isolation, and what they have in common."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
import weakref
from types import TracebackType
from typing import Callable, ContextManager, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import native
from ._command import Command, File, Options, Stream, make_command
from ._enums import EventKind, Hardening, Isolation, Network, Rlimit, Scheduler, Stage, by_name
from ._errors import NotSupported
from ._paths import Bytes, StrPath
from ._process import Process
from ._result import Result
from ._root import Root
from ._units import Size, size_in_bytes
from ._usage import Usage, read_usage

_Self = TypeVar("_Self", bound="Sandbox")
_Result = TypeVar("_Result")


class Event(NamedTuple):
    """What a sandbox tells of a command; the process is None where nobody holds it any more."""

    kind: EventKind
    process: Optional[Process]


class Sandbox:
    """What :class:`Jail`, :class:`Container` and :class:`Guest` have in common.

    Each command gets an instance of its own (namespaces, /tmp, control group, virtual machine); nothing is carried from one
    command to the next. Several threads may run commands in one sandbox at once.
    """

    isolation: Isolation
    """The strength."""

    def __init__(self, view: native.viso_sandbox, root: Optional[Root]) -> None:
        self._view = view
        self._owner = os.getpid()
        #: By their fds, which two of them never share.
        self._processes: weakref.WeakValueDictionary[int, Process] = weakref.WeakValueDictionary()
        self.closed = False
        self.root = root

    def run(
        self,
        args: Union[Sequence[StrPath], Command],
        *,
        input: Union[None, str, Bytes] = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        capture_output: bool = True,
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
        umask: Optional[int] = None,
        nice: Optional[int] = None,
        scheduler: Union[None, str, Scheduler] = None,
        priority: int = 0,
        cpu_affinity: Optional[str] = None,
        oom_score_adj: Optional[int] = None,
        check: bool = False,
        text: bool = True,
        encoding: str = "utf-8",
        errors: str = "replace",
    ) -> Result:
        """Run a command to its end.

        :param args: the program and its arguments; a program without a slash is looked up in the root's PATH
        :param input: what the program reads from its standard input
        :param stdin, stdout, stderr: None (the host's own), DEVNULL, PIPE (captured, as in subprocess.run()), a fd or an open
            file; STDOUT for stderr
        :param capture_output: capture the outputs that are not given otherwise
        :param capture_max: how much of each output is kept; more is read and thrown away, and ``result.truncated`` is set
        :param timeout: seconds, None for no limit. Then all that the command started is killed, and the result's reason is TIMED_OUT
        :param cpu_time: seconds of CPU time; the reason is then CPU_TIME
        :param env: variables *beside* the clean environment of the sandbox (PATH, HOME, LANG); None takes the host's value
        :param clear_env: begin with no variables at all
        :param cwd: working directory in the root
        :param user, group: numbers; the group is that of the user where it is not given
        :param groups: supplementary groups
        :param rlimits: by name, such as ``{"open_files": 64, "file_size": "1M"}``; None for no limit
        :param fds: files and sockets that are handed in: ``{3: listener}`` is fd 3 in the program
        :param umask, nice, cpu_affinity, oom_score_adj: attributes of the process; not in a guest
        :param scheduler, priority: "batch", "idle", "fifo" or "rr", the last two with a priority from 1 to 99; not in a guest
        :param check: raise TimeoutExpired, or CommandFailed where the command did not exit with code 0
        :param text: outputs as str, decoded by ``encoding`` and ``errors``; else bytes

        >>> box.run(["python3", "-c", "print(6 * 7)"], timeout=2).stdout
        '42\\n'
        """
        options = Options(
            args, input, stdin, stdout, stderr, capture_output, capture_max, timeout, cpu_time, env, clear_env, cwd, user,
            group, groups, rlimits, fds, None, umask, nice, scheduler, priority, cpu_affinity, oom_score_adj, text, encoding,
            errors, capture_pipes=True,
        )  # fmt: skip
        with self._raising_from_handlers():
            process = self._run_to_end(options)
        assert process.result
        if check:
            process.result.check_returncode()
        return process.result

    def _run_to_end(self, options: Options) -> Process:
        # Not viso_sandbox_run(): Ctrl-C and other signal handlers shall have their turn while the command runs.
        process = self._start(options)
        try:
            if process._is_asking():
                raise TypeError("run() has nobody to answer the calls with the action 'notify'; use spawn()")
            process.wait()
        except BaseException:
            process.close()
            raise
        return process

    def _raising_from_handlers(self) -> ContextManager[None]:
        """Around run(): raises at its end what handlers of the sandbox's own raised meanwhile."""
        return contextlib.nullcontext()

    def spawn(
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
        terminal: Optional[Tuple[int, int]] = None,
        umask: Optional[int] = None,
        nice: Optional[int] = None,
        scheduler: Union[None, str, Scheduler] = None,
        priority: int = 0,
        cpu_affinity: Optional[str] = None,
        oom_score_adj: Optional[int] = None,
        text: bool = True,
        encoding: str = "utf-8",
        errors: str = "replace",
    ) -> Process:
        """Start a command and return while it runs. The arguments are those of :meth:`run`, but PIPE is a pipe here.

        :param terminal: (columns, rows): a terminal of its own for all three streams, :attr:`Process.terminal`

        >>> process = box.spawn(["sleep", "60"])
        >>> process.kill()
        >>> process.wait()
        -9
        """
        return self._start(
            Options(
                args, input, stdin, stdout, stderr, capture_output, capture_max, timeout, cpu_time, env, clear_env, cwd, user,
                group, groups, rlimits, fds, terminal, umask, nice, scheduler, priority, cpu_affinity, oom_score_adj, text, encoding,
                errors,
            )  # fmt: skip
        )

    def _start(self, options: Options) -> Process:
        command = make_command(options)
        return self._started(self._build(lambda: native.viso_sandbox_spawn(self._view, command)), options)

    def _started(self, handle: native.viso_process, options: Options) -> Process:
        process = Process(handle, options, self)
        self._processes[native.viso_process_fd(handle)] = process
        return process

    def _build(self, call: Callable[[], _Result]) -> _Result:
        """Calls what may build the root, whose progress handler may raise."""
        return self.root._build(call) if self.root else call()

    def start(self) -> None:
        """Start an instance that stays until :meth:`close`: all later commands run in it and can signal each other, and what
        they leave running in the background goes on running. Of guests only those with a kernel have one; a program that
        stays in another one is :meth:`Guest.initialise`."""
        self._build(lambda: native.viso_sandbox_start(self._view))

    def pids(self) -> List[int]:
        """The processes in the sandbox, by their ids on the host."""
        return native.viso_sandbox_pids(self._view)

    def signal(self, sig: int) -> int:
        """Send a signal to the program of every command that runs here; return how many there are.

        What a command has left running in the background (:meth:`start`) is not reached; :meth:`pids` finds it.
        """
        return native.viso_sandbox_signal(self._view, sig)

    def kill(self) -> int:
        """Kill every command that runs here, with all that it started; return how many there were.

        What a command that has ended left running in the background (:meth:`start`) goes on until :meth:`close`.
        """
        return native.viso_sandbox_kill(self._view)

    def pause(self) -> int:
        """Stop all processes of all running commands, without their taking notice; return how many commands that are."""
        return native.viso_sandbox_pause(self._view)

    def resume(self) -> int:
        """Let them go on."""
        return native.viso_sandbox_resume(self._view)

    def usage(self) -> Usage:
        """What all running commands use together at this moment. Of guests only those with a kernel tell it."""
        return read_usage(lambda which: native.viso_sandbox_usage(self._view, which))

    def fileno(self) -> int:
        """A fd that becomes readable when there is an event (:meth:`next_event`). Never read from it.

        Only commands that start after the first call tell.
        """
        return native.viso_sandbox_fd(self._view)

    def next_event(self) -> Optional[Event]:
        """The next event, None where there is none: a command has ended, or reached a limit.

        Its process is None where nobody holds it any more, or its end was fetched by :meth:`Process.wait` before.
        """
        kind, handle = native.viso_sandbox_next_event(self._view)
        if kind == EventKind.NONE:
            return None
        return Event(EventKind(kind), self._processes.get(native.viso_process_fd(handle)) if handle else None)

    def copy_in(self, source: StrPath, path: StrPath) -> None:
        """Copy a file or directory tree of the host into the running instance (:meth:`start`)."""
        native.viso_sandbox_copy_in(self._view, source, path)

    def copy_out(self, path: StrPath, destination: StrPath) -> int:
        """Copy a file or directory tree out of the running instance, to a path that is not there yet. Nothing in it is trusted.

        :return: how many entries were left out: devices, FIFOs, sockets
        """
        return native.viso_sandbox_copy_out(self._view, path, destination)

    def close(self) -> None:
        """Kill what runs, wait until it is gone, and give back what the kernel holds. A second call does nothing."""
        native.viso_sandbox_close(self._view)
        self.closed = True

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "closed", True) and self._owner == os.getpid():
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<virtiso.{type(self).__name__}, {'closed' if self.closed else 'open'}>"


def check_root(root: Optional[Root]) -> Root:
    """``root``, where it is one."""
    if not isinstance(root, Root):
        raise TypeError(f"root must be a virtiso.Root, not {root!r}; for a directory Root(directory=...)")
    return root


class Jail(Sandbox):
    """A chroot jail: a root directory of its own and nothing else, on the host's kernel, hardened.

    :param memory_max: memory of each command with all that it starts: bytes, or with K, M, G or T (powers of 1024), such as
        "256M"; None or 0 for no limit
    :param processes_max: how many processes and threads each command may have
    :param network: "none" (no sockets but unix ones), or "host"
    :param hardened: False for chroot(2) alone, which is no security boundary
    :param demand: the least level of hardening, such as "files"; a start fails where this kernel reaches less

    >>> with virtiso.Jail(root, memory_max="256M", demand="files") as box:
    ...     box.run(["true"])
    """

    isolation = Isolation.JAIL

    def __init__(
        self,
        root: Root,
        *,
        memory_max: Optional[Size] = None,
        processes_max: Optional[int] = None,
        network: Union[Network, str] = Network.NONE,
        hardened: bool = True,
        demand: Union[Hardening, str] = Hardening.NONE,
    ) -> None:
        self._handle = native.viso_jail_new()
        native.viso_jail_set_root(self._handle, check_root(root)._handle)
        if memory_max is not None:
            native.viso_jail_set_memory_max(self._handle, size_in_bytes(memory_max))
        if processes_max is not None:
            native.viso_jail_set_processes_max(self._handle, processes_max)
        native.viso_jail_set_network(self._handle, by_name(Network, network))
        native.viso_jail_set_hardening(self._handle, hardened)
        native.viso_jail_demand_hardening(self._handle, by_name(Hardening, demand))
        super().__init__(native.viso_jail_sandbox(self._handle), root)

    @property
    def hardening(self) -> Hardening:
        """The level that a command has on this kernel."""
        return Hardening(native.viso_jail_hardening(self._handle))

    @property
    def warnings(self) -> Tuple[str, ...]:
        """What stays open in this jail, with its settings, on this kernel, for this user."""
        found: List[str] = []
        while (warning := native.viso_jail_warning(self._handle, len(found))) is not None:
            found.append(warning)
        return tuple(found)

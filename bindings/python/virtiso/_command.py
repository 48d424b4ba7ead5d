# SPDX-License-Identifier: MIT
"""What to run, from the arguments of run() and spawn()."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import IO, Any, Iterable, Mapping, Optional, Protocol, Sequence, Tuple, Union

from . import native
from ._enums import Rlimit, Scheduler, by_name
from ._paths import Bytes, StrPath
from ._units import Size, milliseconds, size_in_bytes


class Command:
    """A command that was made elsewhere, as by :meth:`Container.load_bundle`; given in the place of ``args``."""

    def __init__(self, handle: native.viso_command) -> None:
        if not isinstance(handle, native.viso_command):
            raise TypeError("commands are made by Container.load_bundle(); elsewhere a list of the program and its arguments is one")
        self._handle = handle

    def __repr__(self) -> str:
        return "<virtiso.Command>"


class HasFileno(Protocol):
    """A file or socket."""

    def fileno(self) -> int:
        """Its fd."""


#: Where a standard stream leads: None, PIPE, DEVNULL, STDOUT, a fd, or an open file.
Stream = Union[None, int, IO[Any]]

#: What has a fd: a number, an open file, a socket.
File = Union[int, IO[Any], HasFileno]

_OUTPUTS = {native.VISO_STDOUT: "stdout", native.VISO_STDERR: "stderr"}


@dataclass
class Options:
    """All that can be said about a command; :meth:`Sandbox.run` documents it."""

    args: Union[Sequence[StrPath], Command]
    input: Union[None, str, Bytes] = None
    stdin: Stream = None
    stdout: Stream = None
    stderr: Stream = None
    capture_output: bool = False
    capture_max: Size = "1M"
    timeout: Optional[float] = None
    cpu_time: Optional[float] = None
    env: Optional[Mapping[str, Optional[str]]] = None
    clear_env: bool = False
    cwd: Optional[StrPath] = None
    user: Optional[int] = None
    group: Optional[int] = None
    groups: Optional[Iterable[int]] = None
    rlimits: Optional[Mapping[Union[Rlimit, str], Optional[Size]]] = None
    fds: Optional[Mapping[int, File]] = None
    terminal: Optional[Tuple[int, int]] = None
    umask: Optional[int] = None
    nice: Optional[int] = None
    scheduler: Union[None, str, Scheduler] = None
    priority: int = 0
    cpu_affinity: Optional[str] = None
    oom_score_adj: Optional[int] = None
    text: bool = True
    encoding: str = "utf-8"
    errors: str = "replace"
    #: With run() a PIPE is a capture, as in subprocess.run().
    capture_pipes: bool = field(default=False, repr=False)

    def captures(self, stream: int) -> bool:
        """Whether the library collects this output."""
        setting = getattr(self, _OUTPUTS[stream])
        return (setting is None and self.capture_output) or (setting == subprocess.PIPE and self.capture_pipes)

    def decode(self, data: bytes) -> Union[str, bytes]:
        """Output as the caller wants it."""
        return data.decode(self.encoding, self.errors) if self.text else data

    def encode(self, data: Union[str, Bytes]) -> Bytes:
        """Input as bytes."""
        return data.encode(self.encoding) if isinstance(data, str) else data


def _new_command(options: Options) -> native.viso_command:
    if isinstance(options.args, Command):
        return options.args._handle
    if isinstance(options.args, (str, bytes, os.PathLike)):
        raise TypeError("args must be a list of the program and its arguments, not one string")
    if not options.args:
        raise ValueError("args must begin with the program")
    command = native.viso_command_new(options.args[0])
    for arg in options.args[1:]:
        native.viso_command_add_arg(command, arg)
    return command


def make_command(options: Options) -> native.viso_command:
    """The raw command."""
    command = _new_command(options)
    _set_surroundings(command, options)
    _set_limits(command, options)
    _set_attributes(command, options)
    _set_streams(command, options)
    for number, file in (options.fds or {}).items():
        native.viso_command_add_fd(command, _fileno(file), number)
    return command


def _fileno(file: File) -> int:
    return file if isinstance(file, int) else file.fileno()


def _set_surroundings(command: native.viso_command, options: Options) -> None:
    if options.clear_env:
        native.viso_command_clear_env(command)
    for name, value in (options.env or {}).items():
        native.viso_command_set_env(command, name, value)
    if options.cwd is not None:
        native.viso_command_set_cwd(command, options.cwd)
    if options.user is not None:
        native.viso_command_set_user(command, options.user, options.user if options.group is None else options.group)
    elif options.group is not None:
        raise ValueError("a group needs a user")
    if options.groups is not None:
        native.viso_command_set_groups(command, list(options.groups))


def _set_limits(command: native.viso_command, options: Options) -> None:
    if options.timeout is not None:
        native.viso_command_set_timeout_ms(command, milliseconds(options.timeout, "timeout"))
    if options.cpu_time is not None:
        native.viso_command_set_cpu_time_ms(command, milliseconds(options.cpu_time, "cpu_time"))
    for resource, limit in (options.rlimits or {}).items():
        value = native.VISO_UNLIMITED if limit is None else size_in_bytes(limit)
        native.viso_command_set_rlimit(command, by_name(Rlimit, resource), value)


def _set_attributes(command: native.viso_command, options: Options) -> None:
    if options.terminal is not None:
        if any(given is not None for given in (options.input, options.stdin, options.stdout, options.stderr)):
            raise ValueError("a terminal takes the place of input, stdin, stdout and stderr")
        native.viso_command_set_terminal(command, *options.terminal)
    if options.umask is not None:
        native.viso_command_set_umask(command, options.umask)
    if options.nice is not None:
        native.viso_command_set_nice(command, options.nice)
    if options.scheduler is not None:
        native.viso_command_set_scheduler(command, by_name(Scheduler, options.scheduler), options.priority)
    if options.cpu_affinity is not None:
        native.viso_command_set_cpu_affinity(command, options.cpu_affinity)
    if options.oom_score_adj is not None:
        native.viso_command_set_oom_score_adj(command, options.oom_score_adj)


def _set_streams(command: native.viso_command, options: Options) -> None:
    if options.input is not None:
        if options.stdin is not None:
            raise ValueError("stdin and input exclude each other")
        native.viso_command_set_input(command, options.encode(options.input))
    elif options.stdin == subprocess.PIPE and options.capture_pipes:
        raise ValueError("run() cannot serve stdin=PIPE; use input=, or spawn()")
    else:
        _set_stream(command, native.VISO_STDIN, options.stdin)

    for stream, name in _OUTPUTS.items():
        if options.captures(stream):
            native.viso_command_capture_stream(command, stream, size_in_bytes(options.capture_max))
        else:
            _set_stream(command, stream, getattr(options, name))


def _set_stream(command: native.viso_command, stream: int, setting: Stream) -> None:
    if setting is None:
        return
    if setting == subprocess.PIPE:
        native.viso_command_set_stdio(command, stream, native.VISO_STDIO_PIPE)
    elif setting == subprocess.DEVNULL:
        native.viso_command_set_stdio(command, stream, native.VISO_STDIO_NULL)
    elif setting == subprocess.STDOUT:
        native.viso_command_set_stdio(command, stream, native.VISO_STDIO_STDOUT)
    else:
        native.viso_command_set_stdio_fd(command, stream, _fileno(setting))

# SPDX-License-Identifier: MIT
"""One command in a sandbox of its own."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Type, Union

from ._enums import Isolation, Network, by_name
from ._paths import Data, HostPath, StrPath
from ._result import Result
from ._root import Root
from ._sandbox import Container, Guest, Jail, Sandbox
from ._units import Size

SANDBOXES: Dict[Isolation, Type[Sandbox]] = {
    Isolation.JAIL: Jail,
    Isolation.CONTAINER: Container,
    Isolation.GUEST: Guest,
}


def run(
    args: Sequence[StrPath],
    *,
    isolation: Union[Isolation, str] = Isolation.CONTAINER,
    root: Optional[Root] = None,
    programs: Iterable[StrPath] = (),
    files: Iterable[HostPath] = (),
    directories: Iterable[HostPath] = (),
    data: Optional[Mapping[str, Data]] = None,
    memory_max: Optional[Size] = None,
    processes_max: Optional[int] = None,
    network: Union[None, Network, str] = None,
    hostname: Optional[str] = None,
    capabilities: Optional[Iterable[str]] = None,
    **options: Any,
) -> Result:
    """Run one command in a sandbox of its own and return its :class:`Result`.

    Without ``root`` the root is made from the program that ``args`` names, with all that it needs, and from ``programs``,
    ``files``, ``directories`` and ``data`` as :class:`Root` takes them.

    :param isolation: "jail", "container" or "guest"
    :param memory_max, processes_max, network, hostname, capabilities: settings of the sandbox, as far as it has them
    :param options: all others are those of :meth:`Sandbox.run`: ``timeout``, ``input``, ``capture_output``, ``check``, ...

    A command that reaches its ``timeout`` is a result with the reason TIMED_OUT; with ``check=True`` TimeoutExpired is raised.

    >>> virtiso.run(["echo", "hello"], isolation="jail", timeout=5, check=True).stdout
    'hello\\n'
    """
    if root is None:
        root = Root(programs=[*args[:1], *programs], files=files, directories=directories, data=data)
    elif any((programs, files, directories, data)):
        raise ValueError("programs, files, directories and data belong to a root made here; one was given")
    given: Dict[str, Any] = {
        "memory_max": memory_max,
        "processes_max": processes_max,
        "network": network,
        "hostname": hostname,
        "capabilities": capabilities,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    sandbox = SANDBOXES[by_name(Isolation, isolation)]
    with sandbox(root, **settings) as box:  # type: ignore[arg-type]
        return box.run(args, **options)

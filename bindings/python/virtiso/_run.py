# SPDX-License-Identifier: MIT
"""One command in a sandbox of its own."""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, Optional, Sequence, Set, Type, Union

from ._enums import Isolation, by_name
from ._paths import StrPath
from ._result import Result
from ._root import Root
from ._container import Container
from ._guest import Guest
from ._sandbox import Jail, Sandbox

SANDBOXES: Dict[Isolation, Type[Sandbox]] = {
    Isolation.JAIL: Jail,
    Isolation.CONTAINER: Container,
    Isolation.GUEST: Guest,
}


def _options(function: Any) -> Set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


_ROOT_OPTIONS = _options(Root.__init__) - {"directory"}
_SANDBOX_OPTIONS = {isolation: _options(sandbox.__init__) for isolation, sandbox in SANDBOXES.items()}
_RUN_OPTIONS = _options(Sandbox.run)


def run(
    args: Sequence[StrPath],
    *,
    isolation: Union[Isolation, str] = Isolation.CONTAINER,
    root: Optional[Root] = None,
    **options: Any,
) -> Result:
    """Run one command in a sandbox of its own and return its :class:`Result`.

    Without ``root`` the root is made from the program that ``args`` names, with all that it needs, and from the options of
    :class:`Root`: ``programs``, ``files``, ``data``, ``packages``, ...

    :param isolation: "jail", "container" or "guest"
    :param options: those of the sandbox (``memory_max``, ``network``, ...), as far as this strength has them, those of
        :meth:`Sandbox.run` (``timeout``, ``input``, ``capture_output``, ``check``, ...), and of :class:`Root`

    A command that reaches its ``timeout`` is a result with the reason TIMED_OUT; with ``check=True`` TimeoutExpired is raised.

    >>> virtiso.run(["echo", "hello"], isolation="jail", timeout=5, check=True).stdout
    'hello\\n'
    """
    if isinstance(args, (str, bytes, os.PathLike)):
        raise TypeError("args must be a list of the program and its arguments, not one string")
    strength = by_name(Isolation, isolation)
    given = {name: value for name, value in options.items() if value is not None}
    of_sandbox = {name: given.pop(name) for name in _SANDBOX_OPTIONS[strength] & set(given)}
    of_root = {name: given.pop(name) for name in _ROOT_OPTIONS & set(given)}
    for name in set(given) - _RUN_OPTIONS:
        if any(name in of for of in _SANDBOX_OPTIONS.values()):
            raise TypeError(f"a {strength.name.lower()} has no option {name!r}")
        raise TypeError(f"run() got an unexpected option {name!r}")
    if root is None:
        root = Root(programs=[*args[:1], *of_root.pop("programs", ())], **of_root)
    elif of_root:
        raise ValueError(f"{', '.join(sorted(of_root))}: options of a root made here; one was given")
    with SANDBOXES[strength](root, **of_sandbox) as box:  # type: ignore[arg-type]
        return box.run(args, **given)

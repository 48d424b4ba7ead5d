# SPDX-License-Identifier: MIT
"""The library's messages."""

from __future__ import annotations

import atexit
import os
from typing import Callable, Optional, Union

from . import native
from ._enums import LogLevel, by_name

_owner = 0


def set_log_handler(
    handler: Optional[Callable[[LogLevel, str], object]], level: Union[LogLevel, str] = LogLevel.INFO
) -> None:
    """Pass the library's messages up to ``level`` to ``handler(level, message)``; None for nobody.

    It is called from any thread that calls the library, or that works for it. What it raises goes to
    :data:`sys.unraisablehook`. It must not call virtiso itself.

    >>> virtiso.set_log_handler(lambda level, message: print(level.name, message), virtiso.LogLevel.DEBUG)
    """
    global _owner
    if isinstance(level, str):
        level = by_name(LogLevel, level)
    if handler is None:
        native.viso_log_set_handler(level, None)
        return
    if not callable(handler):
        raise TypeError("the handler must be callable or None")
    wanted = handler

    def pass_on(number: int, message: str) -> None:
        wanted(LogLevel(number), message)

    native.viso_log_set_handler(level, pass_on)
    if not _owner:
        atexit.register(_remove_at_exit)
    _owner = os.getpid()


def _remove_at_exit() -> None:
    # Later no Python code can run. A forked child leaves it: a thread of its parent may have held the library's lock.
    if _owner == os.getpid():
        native.viso_log_set_handler(LogLevel.ERROR, None)

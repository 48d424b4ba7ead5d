# SPDX-License-Identifier: MIT
"""Sizes and durations as people write them."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from typing import Iterator, Union

Size = Union[int, str]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size_in_bytes(size: Size) -> int:
    """Bytes of a size: a number, or a string such as ``"64K"``, ``"256M"``, ``"1.5G"`` (powers of 1024)."""
    if not isinstance(size, str):
        try:
            size = operator.index(size)
        except TypeError:
            raise TypeError(f"not a size: {size!r}; write a number of bytes, or for example '256M'") from None
        if size < 0:
            raise ValueError(f"not a size: {size!r}; it must not be negative")
        return size
    match = _SIZE.fullmatch(size)
    if not match:
        raise ValueError(f"not a size: {size!r}; write a number of bytes, or for example '256M'")
    return int(float(match[1]) * 1024 ** _POWERS[match[2].upper()])


@contextlib.contextmanager
def taking(option: str, what: str, value: object) -> Iterator[None]:
    """Tells a mistake in the value of an option with the option's name and what it takes."""
    try:
        yield
    except (TypeError, AttributeError):
        raise TypeError(f"{option} must be {what}, not {value!r}") from None
    except OverflowError:
        raise ValueError(f"{option} must be {what}, not {value!r}") from None


def milliseconds(seconds: float, what: str) -> int:
    """Milliseconds of a limit in seconds, rounded up and at least 1: for the library 0 means no limit."""
    return max(1, milliseconds_to_wait(seconds, what))


def milliseconds_to_wait(seconds: float, what: str) -> int:
    """Milliseconds of a limit in seconds, rounded up; 0 stays 0."""
    with taking(what, "a number of seconds", seconds):
        if not seconds >= 0:
            raise ValueError(f"{what} must not be negative")
        return math.ceil(seconds * 1000)

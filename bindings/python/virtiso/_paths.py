# SPDX-License-Identifier: MIT
"""Types of what is given as paths and contents."""

from __future__ import annotations

import os
from typing import Tuple, Union

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: A path on the host, alone or with the path that it gets in the root.
HostPath = Union[StrPath, Tuple[StrPath, StrPath]]
Bytes = Union[bytes, bytearray, memoryview]
#: What a file of the root contains, alone or with its permission bits.
Data = Union[str, Bytes, Tuple[Union[str, Bytes], int]]

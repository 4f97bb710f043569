"""Protect a process's memory: no core dump, and no debugger."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

SET_DUMPABLE: Final = 4
"""An option of prctl(2)."""


def keep_out_of_dumps() -> None:
    """Exclude this process's memory from dumps: a build's contains the key of its noise, and true counts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":  # if the kernel sends dumps to a program, only this excludes them
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0, 0, 0, 0)

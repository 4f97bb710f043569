"""Keeping what a process knows in it: no core dump and no debugger has its memory."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

SET_DUMPABLE: Final = 4
"""Of prctl(2)."""


def keep_out_of_dumps() -> None:
    """Let nobody have this process's memory any more: a build's holds the key of its noise, and true counts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":  # where the kernel gives dumps to a program, this alone keeps them from it
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0, 0, 0, 0)

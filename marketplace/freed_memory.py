"""Memory that a process frees: kept for what it computes next, and the machine's again once that is done.

A new page is slow, for the machine has to find and clear it: a build that got new ones for every array spent a quarter of
its time so. What the C library keeps is what it says of itself, in mallopt(3); another library does as it always does.
"""

from __future__ import annotations

import ctypes
from typing import Final

ARRAY_BYTES: Final = 1 << 30
"""Arrays up to so many come from memory that is kept; larger ones are mapped each for itself."""
KEPT_BYTES: Final = (1 << 31) - 1
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""


def keep_freed_memory() -> None:
    """Let this process keep what it frees, in one place for all threads. To be called before it has any others."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for what, value in ((ARENA_MAX, 1), (MMAP_THRESHOLD, ARRAY_BYTES), (TRIM_THRESHOLD, KEPT_BYTES)):
            mallopt(what, value)


def release_freed_memory() -> None:
    """Let the machine have what is kept and not in use."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)

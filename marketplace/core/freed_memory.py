"""Memory that a process frees: kept for its next computation, and returned to the machine once that is done.

A new page is slow, because the machine has to find and clear it: a build with new pages for every array spent a quarter
of its time on that. mallopt(3) describes what the C library keeps; another library is not changed.
"""

from __future__ import annotations

import ctypes
from typing import Final

ARRAY_BYTES: Final = 1 << 30
"""Arrays up to this size come from memory that is kept; larger ones are mapped one by one."""
KEPT_BYTES: Final = (1 << 31) - 1
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Options of mallopt(3)."""


def keep_freed_memory() -> None:
    """Make this process keep freed memory, in one place for all threads. Call it before other threads start."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for what, value in ((ARENA_MAX, 1), (MMAP_THRESHOLD, ARRAY_BYTES), (TRIM_THRESHOLD, KEPT_BYTES)):
            mallopt(what, value)


def release_freed_memory() -> None:
    """Return kept memory that is not in use to the machine."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)

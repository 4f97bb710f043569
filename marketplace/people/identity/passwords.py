"""Passwords: argon2id in a few threads of low priority, so that many sign-ins slow down neither pages nor memory.

A hash takes 64 MiB and all available cores for a tenth of a second. Simultaneous sign-ins queue. Pages are served
first, since the operating system prefers the event loop's thread.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()
"""RFC 9106's second choice of parameters, the library's default; other hashes are replaced at the next sign-in."""
LOW_PRIORITY = 5
"""Steps of niceness: a page gets a core three times as long as a hash."""


def _give_way() -> None:
    """Give this thread, and those that argon2 starts in it, low priority; only Linux can do this by thread."""
    if sys.platform == "linux":
        os.nice(LOW_PRIORITY)


_threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), thread_name_prefix="argon2", initializer=_give_way)


async def hash_password(password: str) -> str:
    """Return the encoded hash of a password, its parameters and salt included."""
    return await asyncio.get_running_loop().run_in_executor(_threads, HASHER.hash, password)


async def matches(encoded: str | None, password: str) -> bool:
    """Return whether the password matches the hash; takes as long without a hash, so that time reveals nothing."""

    def verify() -> bool:
        try:
            HASHER.verify(encoded or _nobody(), password)
        except (VerificationError, InvalidHashError):
            return False
        return encoded is not None

    return await asyncio.get_running_loop().run_in_executor(_threads, verify)


def is_outdated(encoded: str) -> bool:
    """Return whether a hash was made with other parameters than the present ones."""
    return HASHER.check_needs_rehash(encoded)


@functools.cache
def _nobody() -> str:
    """Return the hash that passwords for unknown emails are compared with."""
    return HASHER.hash("nobody's")

"""Passwords: argon2id in few threads of low priority, so that neither pages nor memory suffer when many sign in.

A hash costs 64 MiB and every core it can get for a tenth of a second. Those who sign in at once queue; a page that is asked for meanwhile
is drawn first, for the operating system prefers the event loop's thread.
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
"""RFC 9106's second choice of parameters, the library's default; hashes with others are remade at the next sign-in."""
LOW_PRIORITY = 5
"""Steps of niceness: where both want the same core, a page gets it three times as long."""


def _give_way() -> None:
    """Let this thread, and those that argon2 makes in it, run after the event loop's; only Linux has it by thread."""
    if sys.platform == "linux":
        os.nice(LOW_PRIORITY)


_threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), thread_name_prefix="argon2", initializer=_give_way)


async def hash_password(password: str) -> str:
    """Return the encoded hash of a password, its parameters and salt included."""
    return await asyncio.get_running_loop().run_in_executor(_threads, HASHER.hash, password)


async def matches(encoded: str | None, password: str) -> bool:
    """Return whether the password is the hashed one; as slow without a hash as with one, so that time reveals nothing."""

    def verify() -> bool:
        try:
            HASHER.verify(encoded or _nobody(), password)
        except (VerificationError, InvalidHashError):
            return False
        return encoded is not None

    return await asyncio.get_running_loop().run_in_executor(_threads, verify)


def is_outdated(encoded: str) -> bool:
    """Return whether a hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(encoded)


@functools.cache
def _nobody() -> str:
    """Return the hash that strangers' passwords are compared with."""
    return HASHER.hash("nobody's")

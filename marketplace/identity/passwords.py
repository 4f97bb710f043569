"""Passwords: argon2id in threads of their own, so that neither the event loop nor memory suffers when many sign in."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()
"""RFC 9106's second choice of parameters, the library's default; hashes with others are remade at the next sign-in."""
_threads = ThreadPoolExecutor(4, thread_name_prefix="argon2")


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

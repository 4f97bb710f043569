"""The keyed hash that chooses the cells in which a subscriber counts, if there are more than the bound allows."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import numpy as np

HASH_PRIME: Final = 2_147_483_647
HASH_KEYS: Final = 7


def hash_keys(key: bytes, digest: str) -> tuple[int, ...]:
    """Return the seven keys of the hash that chooses cells: 0 < key < 2^31 - 1, secret without `key`."""
    stream = b"".join(hmac.new(key, f"cells {digest} {block}".encode(), hashlib.sha256).digest() for block in range(2))
    words = np.frombuffer(stream[: HASH_KEYS * 8], dtype="<u8")
    return tuple(int(word) % (HASH_PRIME - 1) + 1 for word in words)

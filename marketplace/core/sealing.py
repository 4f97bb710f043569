"""Sealing: an amount is encrypted for the closing job when it is received, and nobody else can open it.

The site has only the public key. The plaintext is padded, so that its length reveals nothing, and the row's id is bound
in, so that a ciphertext cannot be moved to another row.
Source: RFC 9180 (HPKE, base mode: X25519, HKDF-SHA256, ChaCha20-Poly1305), RFC 8785 (canonical JSON).
"""

from __future__ import annotations

import functools
import json
import uuid
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from marketplace.core.settings import settings

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
PADDED_TO_BYTES: Final = 1024


class UnopenableError(Exception):
    """A ciphertext that this key does not open, or not for this row: the closing job stops rather than guess."""


@functools.lru_cache(maxsize=8)
def public_key(private_key: str) -> str:
    """Return the public key of a private one; both 64 hex digits."""
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(private_key)).public_key().public_bytes_raw().hex()


def sealing_key() -> str:
    """Return the public key for sealing in this process, 64 hex digits."""
    return settings().bid_public_key or public_key(settings().bid_key)


@functools.lru_cache(maxsize=8)
def _opener(private_key: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(private_key))


@functools.lru_cache(maxsize=8)
def _sealer(key: str) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(bytes.fromhex(key))


def seal(content: dict[str, Any], row: uuid.UUID, key: str, *, padded_to: int = PADDED_TO_BYTES) -> bytes:
    """Encrypt `content`, padded to a multiple of so many bytes, under the public `key`, for this row alone."""
    plain = rfc8785.dumps(content)
    padded = plain.ljust(-(-len(plain) // padded_to) * padded_to)
    return SUITE.encrypt(padded, _sealer(key), info=row.bytes)


def unseal(sealed: bytes, row: uuid.UUID, private_key: str) -> dict[str, Any]:
    """Return the content given to `seal`; refuses UnopenableError."""
    content: dict[str, Any] = json.loads(unsealed(sealed, row.bytes, private_key))
    return content


def unsealed(sealed: bytes, row: bytes, private_key: str) -> bytes:
    """Return the content given to `seal` as padded JSON; row: its id's 16 bytes. Refuses UnopenableError."""
    try:
        return SUITE.decrypt(sealed, _opener(private_key), info=row)
    except InvalidTag as problem:
        raise UnopenableError(f"PARTAGE_BID_KEY does not open the sealed row {uuid.UUID(bytes=row)}.") from problem


def is_usable(key: str) -> bool:
    """Return whether a public key, 64 hex digits, is usable; secrets made with a point of low order are not secret."""
    try:
        X25519PrivateKey.generate().exchange(_sealer(key))
    except ValueError:
        return False
    return True


@functools.cache
def keyring(text: str) -> dict[str, bytes]:
    """Return the keys of PARTAGE_IDENTITY_KEYS by their ids: the first one seals, all open."""
    return {name: bytes.fromhex(key) for name, _, key in (part.partition(":") for part in text.split(","))}


@functools.cache
def derived(key: bytes, use: str) -> bytes:
    """Return a key for one use, so that no two uses share one."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"partage {use}".encode()).derive(key)

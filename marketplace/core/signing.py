"""Ed25519 signatures under the operator's key: of quotes, consent receipts, bid receipts and dossiers.

Source: RFC 8032 (Ed25519).
"""

from __future__ import annotations

import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


@functools.lru_cache(maxsize=4)
def _signer(signing_key: str) -> Ed25519PrivateKey:
    """Return a key object for signing, made once: making it takes longer than a signature."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key))


def sign(document: bytes, signing_key: str) -> bytes:
    """Return the signature of `document`, 64 bytes, under a private key of 64 hex digits."""
    return _signer(signing_key).sign(document)


def public_key(signing_key: str) -> bytes:
    """Return the 32 bytes that verify signatures of a private key of 64 hex digits."""
    return _signer(signing_key).public_key().public_bytes_raw()


def verify(document: bytes, signature: bytes, key: bytes) -> bool:
    """Return whether `signature` is that of `document` under the public `key`; False for an invalid key."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, document)
    except (InvalidSignature, ValueError):
        return False
    return True

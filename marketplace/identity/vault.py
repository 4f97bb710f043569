"""The vault: names and IBANs sealed with keys that are never in the database, each for its own row and line alone.

A sealed value names the key that made it, so keys are changed by putting a new one first in PARTAGE_IDENTITY_KEYS; the
old ones still open until everything is sealed anew. What is sealed is padded to one length, so that its size tells
nothing. A keyed fingerprint tells that two rows hold the same IBAN or email, and to whom lacks the key it tells nothing.
Source: NIST SP 800-38D (AES-GCM), RFC 5869 (HKDF).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from marketplace.settings import settings

if TYPE_CHECKING:
    import uuid

NONCE_BYTES: Final = 12
PADDED_TO_BYTES: Final = 384
"""More than a holder's 70 characters and the longest IBAN ever take; what is longer takes a multiple."""


class UnopenableError(Exception):
    """A sealed value that no key of ours opens, or that belongs to another row: nothing is paid by guessing."""


@functools.cache
def _keyring(text: str) -> dict[str, bytes]:
    return {name: bytes.fromhex(key) for name, _, key in (part.partition(":") for part in text.split(","))}


@functools.cache
def _derived(key: bytes, use: str) -> bytes:
    """Return a key for one use, so that sealing and fingerprinting never share one."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"partage {use}".encode()).derive(key)


def current_key() -> str:
    """Return the id of the key that seals now."""
    return next(iter(_keyring(settings().identity_keys)))


def seal(content: dict[str, str], row: uuid.UUID, line: int) -> tuple[str, bytes]:
    """Seal `content` for the row with this id, of this line; return the key's id and the nonce with the ciphertext."""
    name = current_key()
    plain = json.dumps(content, ensure_ascii=False).encode()
    padded = plain.ljust(-(-len(plain) // PADDED_TO_BYTES) * PADDED_TO_BYTES)
    nonce = os.urandom(NONCE_BYTES)
    cipher = AESGCM(_derived(_keyring(settings().identity_keys)[name], "seal"))
    return name, nonce + cipher.encrypt(nonce, padded, _bound_to(name, row, line))


def unseal(key_id: str, sealed: bytes, row: uuid.UUID, line: int) -> dict[str, str]:
    """Return what `seal` was given; refuses UnopenableError."""
    keys = _keyring(settings().identity_keys)
    if key_id not in keys:
        raise UnopenableError(f"PARTAGE_IDENTITY_KEYS lacks the key {key_id}, which sealed the row {row}.")
    try:
        plain = AESGCM(_derived(keys[key_id], "seal")).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(key_id, row, line)
        )
    except InvalidTag as problem:
        raise UnopenableError(f"The key {key_id} does not open the sealed row {row}.") from problem
    content: dict[str, str] = json.loads(plain)
    return content


def fingerprint(text: str) -> str:
    """Return what tells equal texts apart from others under the present key, 64 hex digits."""
    return fingerprints(text)[0]


def fingerprints(text: str) -> list[str]:
    """Return a text's fingerprint under every key, the present one's first."""
    keys = [_derived(key, "fingerprint") for key in _keyring(settings().identity_keys).values()]
    return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in keys]


def _bound_to(key_id: str, row: uuid.UUID, line: int) -> bytes:
    return f"bank_details {key_id} {row} {line}".encode()

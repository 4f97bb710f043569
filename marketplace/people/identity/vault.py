"""The vault: names and IBANs sealed with keys that are never in the database, each for its own row and line alone.

A sealed value names the key that made it. To change keys, put a new one first in PARTAGE_IDENTITY_KEYS; the old ones
still open values until everything is re-encrypted. A value is bound to its table too, and padded to one length, so that
its size reveals nothing. A keyed fingerprint shows that two rows have the same IBAN or email; without the key it
reveals nothing. Source: NIST SP 800-38D (AES-GCM), RFC 5869 (HKDF).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from marketplace.core.sealing import derived, keyring
from marketplace.core.settings import settings

if TYPE_CHECKING:
    import uuid

NONCE_BYTES: Final = 12
PADDED_TO_BYTES: Final = 384
"""Longer than a holder's 70 characters and the longest IBAN; longer content is padded to a multiple."""
BANK_DETAILS: Final = "bank_details"
"""The table to which all values were bound at first, people's names too; those values still open."""
log = structlog.get_logger(__name__)


class UnopenableError(Exception):
    """A sealed value that no key of ours opens, or that belongs to another row; nobody is paid or named by a guess."""


@functools.cache
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(derived(key, "seal"))


def current_key() -> str:
    """Return the id of the key that seals now."""
    return next(iter(keyring(settings().identity_keys)))


def seal(content: dict[str, str], row: uuid.UUID, line: int, *, table: str = BANK_DETAILS) -> tuple[str, bytes]:
    """Seal `content` for the row of `table` with this id and line.

    Return the key's id and the nonce with the ciphertext.
    """
    name = current_key()
    plain = json.dumps(content, ensure_ascii=False).encode()
    padded = plain.ljust(-(-len(plain) // PADDED_TO_BYTES) * PADDED_TO_BYTES)
    nonce = os.urandom(NONCE_BYTES)
    cipher = _cipher(keyring(settings().identity_keys)[name])
    return name, nonce + cipher.encrypt(nonce, padded, _bound_to(table, name, row, line))


def unseal(key_id: str, sealed: bytes, row: uuid.UUID, line: int, *, table: str = BANK_DETAILS) -> dict[str, str]:
    """Return the content that `seal` got; refuses UnopenableError."""
    keys = keyring(settings().identity_keys)
    if key_id not in keys:
        raise UnopenableError(f"PARTAGE_IDENTITY_KEYS lacks the key {key_id}, which sealed the row {row}.")
    cipher = _cipher(keys[key_id])
    for named in (table,) if table == BANK_DETAILS else (table, BANK_DETAILS):
        try:
            plain = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(named, key_id, row, line))
        except InvalidTag:
            continue
        content: dict[str, str] = msgspec.json.decode(plain)
        return content
    raise UnopenableError(f"The key {key_id} does not open the sealed row {row}.")


def find_content(
    key_id: str, sealed: bytes, row: uuid.UUID, line: int, *, table: str = BANK_DETAILS
) -> dict[str, str] | None:
    """Return `unseal`'s content, or None if it refuses, which is logged; for callers that continue with others."""
    try:
        return unseal(key_id, sealed, row, line, table=table)
    except UnopenableError as problem:
        log.error("sealed row not opened", table=table, why=str(problem))  # noqa: TRY400 (the sentence says it all)
        return None


def fingerprint(text: str) -> str:
    """Return a text's fingerprint under the present key, 64 hex digits; equal texts have equal ones."""
    return fingerprints(text)[0]


def fingerprints(text: str) -> list[str]:
    """Return a text's fingerprints under every key, the present one's first."""
    keys = [derived(key, "fingerprint") for key in keyring(settings().identity_keys).values()]
    return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in keys]


def _bound_to(table: str, key_id: str, row: uuid.UUID, line: int) -> bytes:
    return f"{table} {key_id} {row} {line}".encode()

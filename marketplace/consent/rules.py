"""Rules of consent receipts: what one says, in canonical bytes, and who can check it.

Pure: anyone with the public key verifies a receipt without asking us.
Source: RFC 8785 (canonical JSON), RFC 8032 (Ed25519).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

RECEIPT_VERSION = 1


class Receipt(Struct, frozen=True):
    """A consent given or withdrawn at an instant, with its purpose and the notice it was about."""

    receipt: uuid.UUID
    subscriber: int
    given: bool
    at: dt.datetime
    purpose: str
    title_fr: str
    title_en: str
    version: int
    text_fr: str
    text_en: str


def document(receipt: Receipt) -> bytes:
    """Return the canonical bytes of a receipt.

    The notice is named by its version and the SHA-256 of both its texts, so that neither can be changed afterwards.
    """
    texts = (receipt.text_fr, receipt.text_en)
    return rfc8785.dumps(
        {
            "kind": "consent given" if receipt.given else "consent withdrawn",
            "version": RECEIPT_VERSION,
            "receipt": str(receipt.receipt),
            "subscriber": str(receipt.subscriber),
            "purpose": receipt.purpose,
            "at": receipt.at.isoformat(timespec="microseconds"),
            "notice_version": receipt.version,
            "notice_sha256": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
        }
    )


def sign(signed: bytes, signing_key: str) -> bytes:
    """Return the Ed25519 signature of `signed` under a private key of 64 hex digits."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key)).sign(signed)


def public_key(signing_key: str) -> bytes:
    """Return the 32 bytes anyone needs to verify what `signing_key` signs."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key)).public_key().public_bytes_raw()


def verify(signed: bytes, signature: bytes, key: bytes) -> bool:
    """Return whether `signature` is the one of `signed` under the public `key`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except InvalidSignature:
        return False
    return True

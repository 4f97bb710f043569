"""Rules of consent receipts: what one says, in canonical bytes, and who can check it.

Pure: anyone with the public key verifies a receipt without asking us.
Source: RFC 8785 (canonical JSON), RFC 8032 (Ed25519).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid

import rfc8785
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

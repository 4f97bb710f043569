"""Rules of consent receipts: their canonical bytes, and how to check them.

Pure: anyone with the public key verifies a receipt without asking us.
Source: RFC 8785 (canonical JSON), RFC 8032 (Ed25519).
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import uuid
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core.words import Words

RECEIPT_VERSION = 2
NARROWED_VERSION = 3
"""The version of a receipt that states what the consent covers."""
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
HERE: Final = "partage"
CONTRACT: Final = "contract"
CHANNELS: Final = {
    HERE: Words("on Partage"),
    "app": Words("in the operator’s app"),
    "site": Words("on the operator’s site"),
    "shop": Words("in a shop"),
    "call_centre": Words("by telephone, with the call centre"),
    "letter": Words("by letter"),
    CONTRACT: Words("with the contract"),
}
"""Where a person can give or withdraw consent → the words after "given" or "withdrawn"."""
BROUGHT: Final = tuple(channel for channel in CHANNELS if channel != HERE)
"""The channels of consents that the operator brings."""


CHILD: Final = "child"
KINDS: Final = {
    CHILD: Words(
        "This line is a child’s, of less than 15 years: nobody can consent for it, and nothing of it is counted."
    ),
    "business": Words(
        "This is a business line: the person who uses it consents, here or in the app, and never the contract."
    ),
    "shared": Words("Several people use this line: consent only if all of them agree. The contract is not enough."),
}
"""Kind of a line that is not one adult's → the words that its holder reads. Source: article 8 of the GDPR, and the
French age of 15."""


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
    channel: str
    covers: str | None = None
    """What is consented to, as canonical JSON; None: all that the notice covers."""

    @property
    def where(self) -> Words:
        """Return the channel, in words."""
        return CHANNELS[self.channel]


@functools.lru_cache(maxsize=256)
def _digest(text: str) -> str:
    """Return the SHA-256 of a notice's text, hex; the same few texts are in millions of receipts."""
    return hashlib.sha256(text.encode()).hexdigest()


def document(receipt: Receipt) -> bytes:
    """Return the canonical bytes of a receipt.

    The notice is named by its version and the SHA-256 of both its texts, so that neither can be changed later.
    """
    covers = {} if receipt.covers is None else {"covers": json.loads(receipt.covers)}
    # RFC 8785's form for whole numbers and text without escapes, at a tenth of the time: sorted keys, no spaces.
    return _ENCODER.encode(
        {
            "kind": "consent given" if receipt.given else "consent withdrawn",
            "version": NARROWED_VERSION if covers else RECEIPT_VERSION,
            "receipt": str(receipt.receipt),
            "subscriber": str(receipt.subscriber),
            "purpose": receipt.purpose,
            "at": receipt.at.isoformat(timespec="microseconds"),
            "notice_version": receipt.version,
            "notice_sha256": [_digest(receipt.text_fr), _digest(receipt.text_en)],
            "channel": receipt.channel,
            **covers,
        }
    )

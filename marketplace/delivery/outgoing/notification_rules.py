"""Rules of webhooks: the types of events, and the signature of a post.

Source: Standard Webhooks 1.0 (standardwebhooks.com): the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt
    import uuid

TYPES: Final = {
    "new_release": "release.published",
    "release_revised": "release.revised",
    "release_recalled": "release.recalled",
    "invoice_issued": "invoice.issued",
    "invoice_corrected": "invoice.corrected",
    "licence_ending": "licence.ending",
    "refunded": "order.refunded",
    "service_credited_late": "order.credited",
    "service_credited_short": "order.credited",
    "service_credited_twice": "order.credited",
    "subscription_paused": "subscription.paused",
    "subscription_ended": "subscription.ended",
    "claim_answered": "claim.answered",
    "outbid": "auction.outbid",
    "won": "auction.won",
    "payment_due": "payment.due",
    "deposit_released": "deposit.released",
    "deposit_captured": "deposit.captured",
    "debt_due": "debt.due",
}
"""Kind of a message to a partner → type of the event for its programs."""
PAID_TYPE: Final = "order.paid"
TEST: Final = "test"
MOST_ENDPOINTS: Final = 10
KEY_PREFIX: Final = "whsec_"


def key_of(secret: str, endpoint: uuid.UUID) -> bytes:
    """Return the key that signs posts to an address."""
    return hmac.new(secret.encode(), f"webhook {endpoint}".encode(), hashlib.sha256).digest()


def written_key(key: bytes) -> str:
    """Return a key in the form that libraries of Standard Webhooks read."""
    return KEY_PREFIX + base64.b64encode(key).decode()


def signed_headers(key: bytes, event: int, at: dt.datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a post."""
    name, seconds = f"evt_{event}", str(int(at.timestamp()))
    digest = hmac.new(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "Partage-Webhooks/1",
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }

"""Rules of webhooks: which facts have which type, how a post is signed, when it is tried again, where it may go.

Source: Standard Webhooks 1.0 (standardwebhooks.com): the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`, and waits between attempts that add up to three days.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from marketplace.errors import Invalid

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

TYPES: Final = {
    "new_release": "release.published",
    "release_recalled": "release.recalled",
    "invoice_issued": "invoice.issued",
    "invoice_corrected": "invoice.corrected",
    "licence_ending": "licence.ending",
    "refunded": "order.refunded",
    "service_credited": "order.credited",
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
"""Kind of a message to a partner → type of the event that its programs get."""
PAID_TYPE: Final = "order.paid"
TEST: Final = "test"
WAITS: Final = tuple(
    dt.timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Before each attempt after the first; three days and some hours together."""
MOST_ENDPOINTS: Final = 10
LONGEST_URL: Final = 500
SECONDS: Final = 10
"""How long we wait for an answer."""
GONE: Final = 410
PORTS: Final = (443, 8443)
SITE_LOCAL: Final = ipaddress.ip_network("fec0::/10")
"""Private addresses of IPv6 as they were before 2004, which Python takes for public ones (RFC 3879)."""
KEY_PREFIX: Final = "whsec_"


def key_of(secret: str, endpoint: uuid.UUID) -> bytes:
    """Return the key that signs what is posted to an address."""
    return hmac.new(secret.encode(), f"webhook {endpoint}".encode(), hashlib.sha256).digest()


def written_key(key: bytes) -> str:
    """Write a key as libraries of Standard Webhooks read it."""
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


def next_attempt(attempts: int, now: dt.datetime) -> dt.datetime | None:
    """Return when to try again after so many attempts; None: never."""
    return now + WAITS[attempts - 1] if attempts <= len(WAITS) else None


def check_url(url: str, networks: str = "") -> str:
    """Return an address that webhooks may be posted to as it is written; refuses all but HTTPS on its usual ports.

    networks: those of the operator's that may be reached besides, by HTTP and on any port too.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise Invalid("Write an address that begins with https://.", field="url") from None
    is_private = bool(networks) and parts.scheme in {"http", "https"}
    is_https = parts.scheme == "https" and (port or PORTS[0]) in PORTS
    is_plain = bool(parts.hostname) and not parts.username and not parts.password and not parts.fragment
    if (
        not is_plain
        or not (is_https or is_private)
        or len(url) > LONGEST_URL
        or any(sign <= " " for sign in url.strip())
        or not has_host(url.strip())
    ):
        raise Invalid("Write an address that begins with https://.", field="url")
    return url.strip()


def has_host(url: str) -> bool:
    """Return whether an address's host can be looked up: no empty or longer label, no number past 255, IDNA's letters."""
    import httpx  # noqa: PLC0415 (start-up time)

    try:
        httpx.URL(url).host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True


def choose_address(addresses: Sequence[str], networks: str = "") -> str | None:
    """Return the first of a host's addresses, if every one of them is public or in `networks`; None otherwise.

    Every one: a host that has a private address among others could be reached by it at the next attempt.
    """
    allowed = [ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()]
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        plain = _plain(address)
        if any(plain.version == network.version and plain in network for network in allowed):
            continue
        if not plain.is_global or plain.is_multicast or plain.is_reserved or plain in SITE_LOCAL:
            return None
    return addresses[0] if addresses else None


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address of IPv4 that one of IPv6 leads to: mapped, 6to4, Teredo or NAT64 ones do."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in ipaddress.ip_network("64:ff9b::/96") or address in ipaddress.ip_network("::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address

"""Rules of personal links: how they are signed and written, and which format an address asks for.

The signature is in the query string, which no log of ours has, and `sp=r` beside it marks the address as signed for readers
that look for it (delta-kernel does).
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from marketplace.delivery.formats.registry import FORMATS

if TYPE_CHECKING:
    import uuid

DAYS: Final = (7, 30, 90, 365)
"""For how long a link may be made; the licence's end comes first."""
SIGNATURES_KEPT: Final = 1024
MOST_LINKS: Final = 20
"""Open at once, of one entitlement."""
USED_AGAIN: Final = dt.timedelta(minutes=1)
DICTIONARY: Final = "dictionary.json"
CROISSANT: Final = "croissant.json"
CONTRACT: Final = "contract.odcs.yaml"


@functools.lru_cache(SIGNATURES_KEPT)
def signature(secret: str, link: uuid.UUID, entitlement: uuid.UUID, ends_at: dt.datetime) -> str:
    """Return a link's signature: who has the database but not the site's secret cannot make it."""
    stated = f"personal link {link} {entitlement} {ends_at.astimezone(dt.UTC).isoformat()}"
    digest = hmac.digest(secret.encode(), stated.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def address(site: str, link: uuid.UUID, name: str, signed: str) -> str:
    """Return the address of a file."""
    return f"{site}/files/{link}/{quote(name)}?sp=r&sig={signed}"


def format_of(name: str) -> str | None:
    """Return the format that a file's name ends like, or None."""
    suffixes = sorted(FORMATS.values(), key=lambda each: -len(each.suffix))
    return next((each.code for each in suffixes if name.endswith(f".{each.suffix}")), None)

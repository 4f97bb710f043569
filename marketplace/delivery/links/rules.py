"""Rules of personal links: their signature and address, and the format that an address requests.

The signature is in the query string, which none of our logs has. `sp=r` next to it marks the address as signed for
readers that look for it (delta-kernel does).
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from marketplace.delivery.downloads.formats.registry import FORMATS

if TYPE_CHECKING:
    import uuid

DAYS: Final = (7, 30, 90, 365)
"""How many days a link may work; it ends with the licence at the latest."""
SIGNATURES_KEPT: Final = 1024
MOST_LINKS: Final = 20
"""Open links of one entitlement at a time."""
USED_AGAIN: Final = dt.timedelta(minutes=1)
DICTIONARY: Final = "dictionary.json"
CROISSANT: Final = "croissant.json"
CONTRACT: Final = "contract.odcs.yaml"


@functools.lru_cache(SIGNATURES_KEPT)
def signature(secret: str, link: uuid.UUID, entitlement: uuid.UUID, ends_at: dt.datetime) -> str:
    """Return a link's signature; a reader of the database without the site's secret cannot make it."""
    stated = f"personal link {link} {entitlement} {ends_at.astimezone(dt.UTC).isoformat()}"
    digest = hmac.digest(secret.encode(), stated.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def address(site: str, link: uuid.UUID, name: str, signed: str) -> str:
    """Return the address of a file."""
    return f"{site}/files/{link}/{quote(name)}?sp=r&sig={signed}"


def format_of(name: str) -> str | None:
    """Return the format of a file name's ending, or None."""
    suffixes = sorted(FORMATS.values(), key=lambda each: -len(each.suffix))
    return next((each.code for each in suffixes if name.endswith(f".{each.suffix}")), None)

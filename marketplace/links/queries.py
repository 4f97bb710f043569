"""What is read of personal links: those of an entitlement, and the one that a request brings."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_row, fetch_rows
from marketplace.delivery.queries import ENTITLEMENTS, EntitlementRow
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
LINKS_SHOWN: Final = 50


class LinkRow(Struct, frozen=True):
    """A link as its page lists it; open: not ended, not revoked, and who made it is still there."""

    id: uuid.UUID
    entitlement: uuid.UUID
    label: str
    created_at: dt.datetime
    ends_at: dt.datetime
    last_used_at: dt.datetime | None
    owner_name: str | None
    owner: uuid.UUID | None
    is_open: bool


class FoundLink(Struct, frozen=True):
    """A link, and whose it is."""

    id: uuid.UUID
    entitlement: uuid.UUID
    partner: uuid.UUID
    ends_at: dt.datetime
    last_used_at: dt.datetime | None
    owner: uuid.UUID | None
    is_open: bool


class OpenedLink(EntitlementRow, frozen=True):
    """A link with the entitlement that it opens."""

    link: uuid.UUID
    partner: uuid.UUID
    link_ends_at: dt.datetime
    last_used_at: dt.datetime | None
    is_open: bool


LINK_AND_ENTITLEMENT: Final = f"""
    SELECT opened.*, link.id AS link, link.partner, link.ends_at AS link_ends_at, link.last_used_at, link.is_open
    FROM ({SQL["get_link"]}) AS link
    JOIN ({ENTITLEMENTS}) AS opened ON opened.id = link.entitlement
"""
"""One question to the database, not two: no file begins before it is answered."""


async def list_links(partner: uuid.UUID, entitlement: uuid.UUID, now: dt.datetime) -> list[LinkRow]:
    """Return the last links of a partner's own entitlement, the latest first, ended ones too."""
    return await fetch_rows(LinkRow, SQL["list_links"], partner, entitlement, now, LINKS_SHOWN)


async def find_link(link: uuid.UUID, now: dt.datetime) -> FoundLink | None:
    """Return a link, open or not, or None."""
    return await fetch_row(FoundLink, SQL["get_link"], link, now)


async def find_opened(link: uuid.UUID, now: dt.datetime) -> OpenedLink | None:
    """Return a link, open or not, with what it opens, or None."""
    return await fetch_row(OpenedLink, LINK_AND_ENTITLEMENT, link, now)

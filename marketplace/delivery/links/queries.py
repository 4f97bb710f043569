"""Reads of personal links: those of an entitlement, and the one in a request."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.statements import load_statements
from marketplace.delivery.downloads.queries import ENTITLEMENTS, EntitlementRow

SQL: Final = load_statements(__package__)
LINKS_SHOWN: Final = 50


class LinkRow(Struct, frozen=True):
    """A link for its page. open: it has not ended, is not revoked, and its maker has not left."""

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
    """A link, and its owner."""

    id: uuid.UUID
    entitlement: uuid.UUID
    partner: uuid.UUID
    ends_at: dt.datetime
    last_used_at: dt.datetime | None
    owner: uuid.UUID | None
    is_open: bool


class OpenedLink(EntitlementRow, frozen=True):
    """A link with its entitlement."""

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
"""One query, not two: every file waits for its answer."""


async def list_links(partner: uuid.UUID, entitlement: uuid.UUID, now: dt.datetime) -> list[LinkRow]:
    """Return the last links of a partner's own entitlement, the latest first, also ended ones."""
    return await fetch_rows(LinkRow, SQL["list_links"], partner, entitlement, now, LINKS_SHOWN)


async def find_link(link: uuid.UUID, now: dt.datetime) -> FoundLink | None:
    """Return a link, open or not, or None."""
    return await fetch_row(FoundLink, SQL["get_link"], link, now)


async def find_opened(link: uuid.UUID, now: dt.datetime) -> OpenedLink | None:
    """Return a link, open or not, with its entitlement, or None."""
    return await fetch_row(OpenedLink, LINK_AND_ENTITLEMENT, link, now)

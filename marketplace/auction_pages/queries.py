"""What auctions' pages alone need to see: what a partner is to pay, and what a steward can auction."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_row, fetch_rows
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)


class OwnSale(Struct, frozen=True):
    """What a partner won and is to pay."""

    id: uuid.UUID
    release: uuid.UUID
    net_minor: int
    due_at: dt.datetime
    state: str
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str


class Request(Struct, frozen=True):
    """A request to bid and its answer, as a steward sees it."""

    pseudonym: str
    received_at: dt.datetime
    answer: str


class Debt(Struct, frozen=True):
    """What a partner owes, or owed, for an award it did not pay in time; `left_minor` is what is still to be received."""

    id: uuid.UUID
    auction: uuid.UUID
    title_fr: str
    title_en: str
    currency: str
    owed_minor: int
    left_minor: int
    is_under_way: bool
    is_disputed: bool
    is_reversed: bool
    decided_at: dt.datetime
    barred_until: dt.datetime
    settled_at: dt.datetime | None


class OfferRow(Struct, frozen=True):
    """An offer that can be auctioned; its sealed releases and their periods, one entry each, the latest first."""

    id: uuid.UUID
    code: str
    title_fr: str
    title_en: str
    time_zone: str
    releases: list[uuid.UUID]
    periods_from: list[dt.datetime]
    periods_to: list[dt.datetime]


class Activity(Struct, frozen=True):
    """What happens in an auction, as its steward sees it: nobody's name, and no amount of a bid."""

    bidders: int
    accepted: int
    refused: int
    below_minimum: int
    latest_at: dt.datetime | None
    deposits: int
    deposits_minor: int


async def get_activity(auction: uuid.UUID) -> Activity:
    """Return how many bid in an auction, how many bids were accepted and refused, and what is held back for it."""
    row = await fetch_row(Activity, SQL["get_activity"], auction)
    assert row, "an aggregate has a row"
    return row


async def list_requests(auction: uuid.UUID) -> list[Request]:
    """List the latest requests to bid in an auction, accepted or refused: no name, and no amount."""
    return await fetch_rows(Request, SQL["list_requests"], auction)


async def list_own_sales(auction: uuid.UUID, partner: uuid.UUID) -> list[OwnSale]:
    """List what a partner won in an auction and is to pay."""
    return await fetch_rows(OwnSale, SQL["list_own_sales"], auction, partner)


async def list_debts(partner: uuid.UUID) -> list[Debt]:
    """List what a partner owes, or owed, for awards it did not pay in time, the latest first."""
    return await fetch_rows(Debt, SQL["list_debts"], partner)


async def list_offers() -> list[OfferRow]:
    """List offers that can be auctioned, with their sealed releases, the latest first."""
    return await fetch_rows(OfferRow, SQL["list_offers"])

"""Queries for auctions' pages alone: what a partner is to pay, and what a steward can auction."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__, "page_queries.sql")


class OwnSale(Struct, frozen=True):
    """A partner's award and its price."""

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
    """A partner's present or past debt for an award unpaid in time; `left_minor` is the remaining debt."""

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
    """The state of an auction, as its steward sees it: no names, and no amounts of bids."""

    bidders: int
    accepted: int
    refused: int
    below_minimum: int
    latest_at: dt.datetime | None
    deposits: int
    deposits_minor: int


async def get_activity(auction: uuid.UUID) -> Activity:
    """Return an auction's bidders, its accepted and refused bids, and its authorised deposits, as numbers."""
    row = await fetch_row(Activity, SQL["get_activity"], auction)
    assert row, "an aggregate has a row"
    return row


async def list_requests(auction: uuid.UUID) -> list[Request]:
    """List the latest requests to bid in an auction, accepted or refused: no names, and no amounts."""
    return await fetch_rows(Request, SQL["list_requests"], auction)


async def list_own_sales(auction: uuid.UUID, partner: uuid.UUID) -> list[OwnSale]:
    """List a partner's awards to pay in an auction."""
    return await fetch_rows(OwnSale, SQL["list_own_sales"], auction, partner)


async def list_debts(partner: uuid.UUID) -> list[Debt]:
    """List a partner's present and past debts for awards unpaid in time, the latest first."""
    return await fetch_rows(Debt, SQL["list_debts"], partner)


async def list_offers() -> list[OfferRow]:
    """List offers that can be auctioned, with their sealed releases, the latest first."""
    return await fetch_rows(OfferRow, SQL["list_offers"])

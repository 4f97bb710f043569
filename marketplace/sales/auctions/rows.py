"""Auctions, lots and bids as typed rows that rules, kinds, queries and actions share."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

from msgspec import Struct

from marketplace.catalogue.licences.policies import LicenceText

State = Literal["open", "closed", "awarded", "cancelled"]
Phase = Literal["announced", "open", "closing", "closed", "awarded", "cancelled"]


class AuctionTerms(Struct, frozen=True):
    """The fixed part of an auction; see `tables.Auction` for each column."""

    id: uuid.UUID
    kind: str
    offer: uuid.UUID
    licence_terms: str
    months: int
    currency: str
    reserve_minor: int
    licences: int
    price_rule: str
    steps_from_minor: list[int]
    steps_minor: list[int]
    window_seconds: int
    extension_seconds: int
    opens_at: dt.datetime
    scheduled_close_at: dt.datetime
    exclusive_from: dt.datetime | None
    exclusive_to: dt.datetime | None
    pay_within_hours: int
    salt: bytes
    unsecured_minor: int
    most_extension_seconds: int


class AuctionNow(AuctionTerms, frozen=True):
    """An auction with the columns that jobs and bids change: its state, and its lead's columns."""

    state: State
    root: str | None
    cancelled_reason: str | None
    closes_at: dt.datetime
    bid_count: int
    leader: uuid.UUID | None
    leading_maximum_minor: int | None
    price_minor: int | None


class LockedAuction(AuctionNow, frozen=True):
    """An auction with its row locked since `locked_at`, an instant of the database's clock."""

    locked_at: dt.datetime


class AuctionForBids(LockedAuction, frozen=True):
    """A locked auction with, for each bid in turn, why its partner may not bid, as a key."""

    refusals: list[str | None]


class AuctionPage(AuctionNow, frozen=True):
    """An auction as people and machines see it, at the database's instant `now`."""

    forgone_minor: int
    computation: str
    deposit_minor: int
    dataset: str
    title_fr: str
    title_en: str
    lines_fr: str
    lines_en: str
    sectors: list[str]
    now: dt.datetime
    phase: Phase

    @property
    def licence(self) -> LicenceText:
        """Return the text of the licence that is auctioned."""
        return LicenceText(self.lines_fr, self.lines_en, self.sectors)


class Lot(Struct, frozen=True):
    """A lot by its release, with its reserve."""

    release: uuid.UUID
    reserve_minor: int


class Bid(Struct, frozen=True):
    """A bid as stored; see `tables.Bid` for each column."""

    id: uuid.UUID
    auction: uuid.UUID
    partner: uuid.UUID
    pseudonym: str
    position: int | None
    received_at: dt.datetime
    maximum_minor: int | None
    sealed: bytes | None
    commitments: list[str]
    answer: str
    price_minor: int | None
    closes_at: dt.datetime
    covered_minor: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the bid counts."""
        return self.position is not None

"""Queries of subscriptions: a partner's own, with the orders of each."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.catalogue.licences.policies import LicenceText
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, paged
from marketplace.core.statements import load_statements
from marketplace.sales.subscriptions.tables import Subscription

SQL: Final = load_statements(__package__)


class SubscriptionRow(LicenceText, frozen=True):
    """A subscription with its licence and its number of ordered releases.

    `locked_minor` is the highest price of one, in cents before VAT.
    """

    id: uuid.UUID
    partner: uuid.UUID
    dataset: str
    title_fr: str
    title_en: str
    cadence: str
    locked_minor: int
    currency: str
    releases: int
    pay_by: str
    state: str
    began_at: dt.datetime
    ended_at: dt.datetime | None
    promised_days: int
    promised_coverage_micro: int
    terms: str
    """The code of its licence's terms."""
    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]
    ordered: int


class ReleaseOfSubscription(Struct, frozen=True):
    """A release that a subscription handled, with its order; or why it was not sold, as JSON."""

    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str
    purchase_order: uuid.UUID | None
    number: str | None
    state: str | None
    total_minor: int | None
    refusal: str
    at: dt.datetime
    credit_minor: int | None
    """The credit for its shortfall, VAT included."""
    days_late: int | None
    """Days begun after the last promised one; 0 if it was in time."""
    coverage_micro: int | None
    """The share of lines that consent, in millionths; …"""
    sold_coverage_micro: int | None
    """… and the one with which it was sold."""

    @property
    def is_short(self) -> bool:
        """Return whether it covers fewer lines than were sold."""
        return (self.coverage_micro or 0) < (self.sold_coverage_micro or 0)


async def list_own(partner: uuid.UUID) -> list[SubscriptionRow]:
    """Return a partner's subscriptions, the latest first."""
    return await fetch_rows(SubscriptionRow, SQL["list_own"], partner, None, None)


async def list_page(partner: uuid.UUID, after: uuid.UUID | None) -> Paged[SubscriptionRow]:
    """Return one page of a partner's subscriptions after one of them, the latest first.

    Raises NotFound for another's.
    """
    rows = await fetch_rows(SubscriptionRow, SQL["list_own"], partner, after, PAGE_SIZE + 1)
    if after and not rows:
        await get_own(after, partner)
    return paged(rows, 1)


async def get_own(subscription: uuid.UUID, partner: uuid.UUID) -> SubscriptionRow:
    """Return a partner's own subscription; raises NotFound for any other."""
    return existing(
        await fetch_row(SubscriptionRow, SQL["get_own"], subscription, partner),
        NotFound("There is no such subscription."),
    )


async def find_open(partner: uuid.UUID, dataset: str) -> uuid.UUID | None:
    """Return a partner's subscription to a dataset that has not ended, or None."""
    its = (Subscription.partner == partner) & (Subscription.dataset == dataset) & (Subscription.state != "ended")
    return await fetch_scalar(uuid.UUID, Subscription.select(Subscription.id).where(its))


async def list_releases(subscription: uuid.UUID) -> list[ReleaseOfSubscription]:
    """Return a subscription's releases, the latest period first."""
    return await fetch_rows(ReleaseOfSubscription, SQL["list_releases"], subscription)

"""Statements: a subscriber's year to the millionth, and what a partner's licence did for the people in it, never who.

A year's statement adds up by itself: what was there when it began, each month's movements, what is there at its end.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.earnings.queries import contributions, list_months, list_shares
from marketplace.earnings.rules import people_about
from marketplace.errors import NotFound
from marketplace.web.formats import PARIS

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    import asyncpg

PAGES_OF_SHARES = 20
"""A statement names as many shares as these pages hold; its months hold them all."""


def year_bounds(year: int) -> tuple[dt.datetime, dt.datetime]:
    """Return when a year begins in Paris, and when the next one does."""
    return dt.datetime(year, 1, 1, tzinfo=PARIS), dt.datetime(year + 1, 1, 1, tzinfo=PARIS)


async def get_year(subscriber: int, year: int) -> dict[str, Any]:
    """Return a subscriber's year: balances at both ends, months, shares by licence, payouts; in micro-euros and cents.

    Refuses a year in which nothing moved.
    """
    if not dt.MINYEAR < year < dt.MAXYEAR:
        raise NotFound("Nothing moved in {year}.", year=year)
    start, end = year_bounds(year)
    months = await list_months(subscriber, year)
    if not months:
        raise NotFound("Nothing moved in {year}.", year=year)
    shares, more = await _shares_of(subscriber, start, end)
    return {
        "year": year,
        "line": subscriber,
        "months": months,
        "opening": await _standing(subscriber, start),
        "closing": await _standing(subscriber, end),
        "shares": shares,
        "more_shares": more,
        "payouts": await _payouts_of(subscriber, start, end),
    }


async def _standing(subscriber: int, until: dt.datetime) -> dict[str, int]:
    row = await fetch_one(
        """SELECT coalesce(sum(held_micro), 0)::bigint AS held_micro, coalesce(sum(payable_micro), 0)::bigint AS payable_micro
           FROM accrual JOIN share_run ON share_run.id = accrual.run WHERE accrual.subscriber = $1 AND share_run.at < $2""",
        subscriber, until,
    )  # fmt: skip
    assert row, "a sum is one row"
    return dict(row)


async def _shares_of(subscriber: int, start: dt.datetime, end: dt.datetime) -> tuple[list[dict[str, Any]], bool]:
    """Return the shares of licences sold in between, the latest first, and whether there are more than are named."""
    mine, found = await contributions(subscriber), list[dict[str, Any]]()
    for page in range(1, PAGES_OF_SHARES + 1):
        paged = await list_shares(subscriber, page, mine)
        found += [row for row in paged.rows if start <= row["sold_at"] < end]
        if not paged.more or (paged.rows and paged.rows[-1]["sold_at"] < start):
            return found, False
    return found, True


async def _payouts_of(subscriber: int, start: dt.datetime, end: dt.datetime) -> Sequence[asyncpg.Record]:
    return await fetch(
        """SELECT payout.amount_minor, payout.state, payout_run.sent_at
           FROM payout JOIN payout_run ON payout_run.id = payout.run
           WHERE payout.subscriber = $1 AND payout_run.sent_at >= $2 AND payout_run.sent_at < $3
           ORDER BY payout_run.sent_at, payout.id""",
        subscriber, start, end,
    )  # fmt: skip


async def get_licence_statement(partner: uuid.UUID, order: uuid.UUID) -> dict[str, Any]:
    """Return what a partner's licence did for the people in it: pool, rates, and about how many were paid.

    Never who, and never how many exactly. Refuses another partner's order, and one that has no licence.
    """
    row = await fetch_one(
        """SELECT purchase_order.id AS "order", purchase_order.number, purchase_order.partner, licence.sold_at,
                  licence.hold_until, licence.cancelled_at, licence.net_minor, licence.currency,
                  licence.subscribers_basis_points, licence.operator_basis_points,
                  10000 - licence.subscribers_basis_points - licence.operator_basis_points AS platform_basis_points,
                  dataset.title_fr, dataset.title_en, dataset.area, release.period_from, release.period_to, company,
                  licence_split.*, ended.at AS ended_at
           FROM purchase_order
           JOIN partner ON partner.id = purchase_order.partner
           JOIN licence ON licence.purchase_order = purchase_order.id
           JOIN release ON release.id = licence.release JOIN dataset ON dataset.code = release.dataset
           LEFT JOIN licence_split ON licence_split.licence = licence.id
           LEFT JOIN share_run AS ended ON ended.id = licence_split.ended_by
           WHERE purchase_order.id = $1 AND purchase_order.partner = $2""",
        order, partner,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such licence.")
    found = dict(row)
    people = found.pop("people")
    for exact in (
        "total_weight",
        "cutoff_remainder",
        "cutoff_position",
        "topped_up",
        "top_up_each_micro",
        "top_up_position",
    ):
        found.pop(exact, None)
    top_up = (found.get("top_up_operator_minor") or 0) + (found.get("top_up_platform_minor") or 0)
    return found | {"people_about": people_about(people) if people else None, "top_up_minor": top_up}

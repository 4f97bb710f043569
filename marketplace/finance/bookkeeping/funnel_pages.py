"""How prices become sales, for each dataset: priced, bought, and the money of the books."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.web.pages import page
from marketplace.finance.bookkeeping import business_queries
from marketplace.finance.bookkeeping.business_pages import days_of
from marketplace.finance.bookkeeping.business_rules import AHEAD_DAYS, sales_ahead
from marketplace.money.ledger import chart
from marketplace.money.ledger.base_pages import Text  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.people.identity.guards import expect, staff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPANS: Final = (30, 90, 365)
"""Usual numbers of days that the page is asked for."""
PROVIDERS: Final = [staff("steward", "finance", "auditor")]


class Step(Struct, frozen=True):
    """A dataset on its way from a price to money: how often, and cents before VAT, less what went back."""

    code: str
    title_fr: str
    title_en: str
    quoted: int
    bought: int
    net_minor: int
    due_releases: int
    due_minor: int
    """What subscriptions still bring, at the most."""
    ahead: tuple[int, int] | None
    """Between which two numbers the sales of the next days are likely to lie; None: it is too new to say."""

    @property
    def ahead_minor(self) -> tuple[int, int]:
        """What they would bring at the mean of what was paid, in cents before VAT."""
        mean, (low, high) = self.net_minor / self.bought if self.bought else 0, self.ahead or (0, 0)
        return round(low * mean), round(high * mean)


def steps_of(
    priced: Sequence[business_queries.PricedRow],
    revenue: Sequence[business_queries.RevenueRow],
    prospects: Mapping[str, business_queries.Prospect],
    days: tuple[dt.date, dt.date],
) -> list[Step]:
    """Return each dataset's steps, the most money first, without those that nobody asked the price of or bought.

    days: the first and the last that all is of; sales are forecast from those on which the dataset had something to sell.
    """
    sold = {row.key: row for row in revenue}
    rows = []
    for row in priced:
        its, prospect = sold.get(row.code), prospects.get(row.code)
        since = max(days[0], prospect.sold_since.date()) if prospect else days[1]
        known = (days[1] - since).days + 1
        rows.append(
            Step(
                *(row.code, row.title_fr, row.title_en, row.quoted),
                bought=its.orders if its else 0,
                net_minor=its.net_minor if its else 0,
                due_releases=prospect.due_releases if prospect else 0,
                due_minor=prospect.due_minor if prospect else 0,
                ahead=sales_ahead(its.orders if its else 0, known) if known >= AHEAD_DAYS else None,
            )
        )
    some = [row for row in rows if row.quoted or row.bought]
    return sorted(some, key=lambda row: (-row.net_minor, -row.quoted, row.code))


@get("/staff/funnel", guards=PROVIDERS, opt=expect("steward", "finance", "auditor"))
async def funnel(since: Text = "", until: Text = "") -> Template:
    """Show how prices become sales; the money is that of the account of licences sold, to the cent."""
    first, last = days_of(since, until)
    start, end = business_queries.bounds_of(first, last)
    revenue = await business_queries.list_revenue("dataset", first, last)
    priced = await business_queries.list_priced(start, end)
    steps = steps_of(priced, revenue, await business_queries.list_prospects(), (first, last))
    other = await business_queries.moved_on(chart.LICENCES_SOLD, first, last) - sum(row.net_minor for row in revenue)
    return page(
        "bookkeeping/funnel.html",
        since=first,
        until=last,
        steps=steps,
        other_minor=other,
        ahead=AHEAD_DAYS,
        spans=[(days, last - dt.timedelta(days=days - 1)) for days in SPANS if days <= last.toordinal()],
    )


ROUTES = [funnel]

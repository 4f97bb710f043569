"""How interest becomes sales, for each dataset: seen, asked about, priced, bought, and the money of the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.business import queries
from marketplace.business.pages import days_of
from marketplace.business.rules import AHEAD_DAYS, sales_ahead
from marketplace.identity.guards import expect, staff
from marketplace.interest.actions import write_counts
from marketplace.interest.queries import list_interest, list_reasons
from marketplace.interest.rules import REASONS
from marketplace.ledger import chart
from marketplace.ledger.base_pages import Text  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.pages import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.interest.queries import InterestRow, ReasonRow

SPANS: Final = (30, 90, 365)
"""Usual numbers of days that the page is asked for."""
PROVIDERS: Final = [staff("steward", "finance", "auditor")]


class Step(Struct, frozen=True):
    """A dataset on its way from a look to money: how often, and cents before VAT, less what went back."""

    code: str
    title_fr: str
    title_en: str
    seen: int
    previewed: int
    quoted: int
    bought: int
    net_minor: int
    due_releases: int
    due_minor: int
    """What subscriptions still bring, at the most."""
    ahead: tuple[int, int] | None
    """Between which two numbers the sales of the next days are likely to lie; None: it is too new to say."""
    reasons: Sequence[tuple[str, int]]
    """Why it was not bought, the most frequent first: a code of REASONS, and how often."""

    @property
    def ahead_minor(self) -> tuple[int, int]:
        """What they would bring at the mean of what was paid, in cents before VAT."""
        mean, (low, high) = self.net_minor / self.bought if self.bought else 0, self.ahead or (0, 0)
        return round(low * mean), round(high * mean)


def steps_of(
    interest: Sequence[InterestRow],
    revenue: Sequence[queries.RevenueRow],
    reasons: Sequence[ReasonRow],
    prospects: Mapping[str, queries.Prospect],
    days: tuple[dt.date, dt.date],
) -> list[Step]:
    """Return each dataset's steps, the most money first, without those that nobody looked at, priced or bought.

    days: the first and the last that all is of; sales are forecast from those on which the dataset had something to sell.
    """
    sold = {row.key: row for row in revenue}
    rows = []
    for row in interest:
        its, prospect = sold.get(row.code), prospects.get(row.code)
        since = max(days[0], prospect.sold_since.date()) if prospect else days[1]
        known = (days[1] - since).days + 1
        rows.append(
            Step(
                *(row.code, row.title_fr, row.title_en, row.seen, row.previewed, row.quoted),
                bought=its.orders if its else 0,
                net_minor=its.net_minor if its else 0,
                due_releases=prospect.due_releases if prospect else 0,
                due_minor=prospect.due_minor if prospect else 0,
                ahead=sales_ahead(its.orders if its else 0, known) if known >= AHEAD_DAYS else None,
                reasons=[(one.reason, one.times) for one in reasons if one.code == row.code],
            )
        )
    some = [row for row in rows if row.seen or row.previewed or row.quoted or row.bought]
    return sorted(some, key=lambda row: (-row.net_minor, -row.seen, row.code))


@get("/staff/funnel", guards=PROVIDERS, opt=expect("steward", "finance", "auditor"))
async def funnel(since: Text = "", until: Text = "") -> Template:
    """Show how interest becomes sales; the money is that of the account of licences sold, to the cent."""
    first, last = days_of(since, until)
    start, end = queries.bounds_of(first, last)
    await write_counts()
    revenue = await queries.list_revenue("dataset", first, last)
    interest, reasons = await list_interest(first, last, start, end), await list_reasons(start, end)
    steps = steps_of(interest, revenue, reasons, await queries.list_prospects(), (first, last))
    other = await queries.moved_on(chart.LICENCES_SOLD, first, last) - sum(row.net_minor for row in revenue)
    return page(
        "business/funnel.html",
        since=first,
        until=last,
        steps=steps,
        other_minor=other,
        reasons=REASONS,
        ahead=AHEAD_DAYS,
        spans=[(days, last - dt.timedelta(days=days - 1)) for days in SPANS if days <= last.toordinal()],
    )


ROUTES = [funnel]

"""How interest becomes sales, for each dataset: seen, asked about, priced, bought, and the money of the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.business import queries
from marketplace.business.pages import days_of
from marketplace.identity.guards import expect, staff
from marketplace.interest.actions import write_counts
from marketplace.interest.queries import list_interest, list_reasons
from marketplace.interest.rules import REASONS
from marketplace.ledger import chart
from marketplace.ledger.base_pages import Text  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.pages import page

if TYPE_CHECKING:
    from marketplace.interest.queries import InterestRow, ReasonRow

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
    reasons: Sequence[tuple[str, int]]
    """Why it was not bought, the most frequent first: a code of REASONS, and how often."""


def steps_of(
    interest: Sequence[InterestRow], revenue: Sequence[queries.RevenueRow], reasons: Sequence[ReasonRow]
) -> list[Step]:
    """Return each dataset's steps, the most money first, without those that nobody looked at, priced or bought."""
    sold = {row.key: row for row in revenue}
    rows = [
        Step(
            *(row.code, row.title_fr, row.title_en, row.seen, row.previewed, row.quoted),
            sold[row.code].orders if row.code in sold else 0,
            sold[row.code].net_minor if row.code in sold else 0,
            [(one.reason, one.times) for one in reasons if one.code == row.code],
        )
        for row in interest
    ]
    some = [row for row in rows if row.seen or row.previewed or row.quoted or row.bought]
    return sorted(some, key=lambda row: (-row.net_minor, -row.seen, row.code))


@get("/staff/funnel", guards=PROVIDERS, opt=expect("steward", "finance", "auditor"))
async def funnel(since: Text = "", until: Text = "") -> Template:
    """Show how interest becomes sales; the money is that of the account of licences sold, to the cent."""
    first, last = days_of(since, until)
    start, end = queries.bounds_of(first, last)
    await write_counts()
    revenue = await queries.list_revenue("dataset", first, last)
    steps = steps_of(await list_interest(first, last, start, end), revenue, await list_reasons(start, end))
    other = await queries.moved_on(chart.LICENCES_SOLD, first, last) - sum(row.net_minor for row in revenue)
    return page("business/funnel.html", since=first, until=last, steps=steps, other_minor=other, reasons=REASONS)


ROUTES = [funnel]

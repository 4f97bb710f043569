"""The business in figures: charts with their tables, and the journal behind each number; each table as a file too."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.consent.switches.rules import SECTORS
from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web.formats import paris_day, percent_basis_points
from marketplace.core.web.i18n import gettext, language
from marketplace.core.web.pages import PageNumber, localised
from marketplace.core.web.sorting import Columns, euros, in_order, list_file
from marketplace.finance.bookkeeping import business_queries
from marketplace.finance.bookkeeping.business_rules import AGES
from marketplace.finance.bookkeeping.revenue_entries import (
    KINDS,
    MOST_SORTED,
    BehindRow,
    Number,
    list_all_behind,
    list_behind,
)
from marketplace.finance.bookkeeping.years import FIRST_YEAR, LAST_YEAR
from marketplace.money.ledger import chart
from marketplace.money.ledger.base_pages import READERS, Text, books_page, kind_label
from marketplace.money.ledger.words import title_of
from marketplace.people.identity.guards import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Key = Annotated[str, QueryParameter(name="key", max_length=100)]
HEADINGS: Final = {
    "dataset": "Dataset",
    "partner": "Partner",
    "sector": "Sector",
    "way": "Way of selling",
    "vat": "VAT rule",
}
SOMETHING: Final = {
    "posted": "At the posted price",
    "auction": "By auction",
    "subscription": "By subscription",
    "": "Sector not stated",
    "domestic": "France",
    "overseas": "Overseas France",
    "overseas_exempt": "Overseas France, exempt",
    "reverse_charge": "Reverse charge",
    "unverified": "VAT number not confirmed",
    "outside_eu": "Outside the EU",
}
"""What keys that are no names are, in words."""
SORTS: Final[dict[str, Callable[[business_queries.RevenueRow], Any]]] = {
    "net": lambda row: -row.net_minor,
    "name": lambda row: _name("", row).lower(),
    "orders": lambda row: -row.orders,
    "vat": lambda row: -row.vat_minor,
}
SHOWN: Final = 12
"""Columns of a chart."""
BEHIND_COLUMNS: Final[Columns[BehindRow]] = {
    "Date": lambda row: paris_day(row.at),
    "Entry": lambda row: row.entry,
    "Kind": lambda row: kind_label(row.kind),
    "Order": lambda row: row.number,
    "Before VAT": lambda row: euros(row.net_minor),
    "VAT": lambda row: euros(row.vat_minor),
}


def days_of(since: str, until: str) -> tuple[dt.date, dt.date]:
    """Return the days asked for, both included; the last twelve months where none are."""
    today = paris_day(clock.now())
    try:
        last = dt.date.fromisoformat(until) if until else today
        first = dt.date.fromisoformat(since) if since else last.replace(year=last.year - 1, day=1)
    except ValueError:
        raise Invalid("That is not a day: {day}.", day=(since + " " + until)[:30]) from None
    if last < first:
        raise Invalid("The last day must not be before the first.")
    if not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR:
        raise Invalid("That is not a day: {day}.", day=(since + " " + until)[:30])
    return first, last


def _side(side: str) -> str:
    if side not in business_queries.SIDES:
        raise Invalid("Revenue is not shown by that.")
    return side


def _name(side: str, row: business_queries.RevenueRow) -> str:
    """Return what a row of revenue is called."""
    if name := localised(row, "name"):
        return name
    rule, _, rate = row.key.partition(" ")
    if side == "vat" and rate:
        return f"{gettext(SOMETHING[rule])} {percent_basis_points(int(rate))}"
    if side == "sector" and row.key in SECTORS:
        return SECTORS[row.key].filled(language.get(), {})
    return gettext(SOMETHING[row.key]) if row.key in SOMETHING else row.key


@get("/finance/business", guards=READERS, opt=expect("finance", "auditor"))
async def business(by: Text = "dataset", since: Text = "", until: Text = "", sort: Text = "") -> Template:
    """Show revenue by one side, VAT, the subscribers' part over time, what is owed by age, and the cash to come."""
    side, (first, last) = _side(by), days_of(since, until)
    revenue, vat = (
        await business_queries.list_revenue(side, first, last),
        await business_queries.list_revenue("vat", first, last),
    )
    moved = [
        await business_queries.moved_on(account, first, last) for account in (chart.LICENCES_SOLD, chart.VAT_COLLECTED)
    ]
    return books_page(
        "bookkeeping/business.html",
        by=side,
        since=first,
        until=last,
        sort=sort,
        sides=HEADINGS,
        revenue=in_order(revenue, sort, SORTS),
        name=_name,
        bars=[(_name(side, row), row.net_minor) for row in revenue[:SHOWN] if row.net_minor > 0],
        vat=vat,
        other_revenue=moved[0] - sum(row.net_minor for row in revenue),
        other_vat=moved[1] - sum(row.vat_minor for row in vat),
        months=await business_queries.list_months(first, last),
        owed=await business_queries.list_owed(paris_day(clock.now())),
        ages=AGES,
        cash=await business_queries.get_cash(),
        ahead=await business_queries.count_ordered_ahead(),
        accounts={"sold": chart.LICENCES_SOLD, "vat": chart.VAT_COLLECTED, "shares": chart.SUBSCRIBERS_SHARES},
        title_of=title_of,
    )


@get("/finance/business.csv", guards=READERS, opt=expect("finance", "auditor"))
async def business_file(by: Text = "dataset", since: Text = "", until: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out revenue by one side as a file for a spreadsheet."""
    side, (first, last) = _side(by), days_of(since, until)
    rows = in_order(await business_queries.list_revenue(side, first, last), sort, SORTS)
    columns: Columns[business_queries.RevenueRow] = {
        "Which": lambda row: _name(side, row),
        "Orders": lambda row: row.orders,
        "Before VAT": lambda row: euros(row.net_minor),
        "VAT": lambda row: euros(row.vat_minor),
    }
    return list_file(f"revenue-{side}-{first}-{last}.csv", columns, rows)


@get("/finance/business/behind", guards=READERS, opt=expect("finance", "auditor"))
async def behind(
    *,
    by: Text = "dataset",
    key: Key = "",
    since: Text = "",
    until: Text = "",
    which: Text = "",
    sort: Text = "",
    page_number: PageNumber = 1,
) -> Template:
    """Show the entries behind a number of revenue, and their sum."""
    side, (first, last) = _side(by), days_of(since, until)
    found = [row for row in await business_queries.list_revenue(side, first, last) if row.key == key]
    is_sorted = not found or found[0].orders <= MOST_SORTED
    return books_page(
        "bookkeeping/behind.html",
        name=_name(side, found[0]) if found else key,
        by=side,
        key=key,
        which=which,
        sort=sort,
        kinds=KINDS,
        side=HEADINGS[side],
        row=found[0] if found else None,
        since=first,
        until=last,
        most_sorted=None if is_sorted else MOST_SORTED,
        entries=await list_behind(
            Number(side, key, first, last), which, sort if is_sorted or sort == "oldest" else "", page_number
        ),
    )


@get("/finance/business/behind.csv", guards=READERS, opt=expect("finance", "auditor"))
async def behind_file(
    *, by: Text = "dataset", key: Key = "", since: Text = "", until: Text = "", which: Text = "", sort: Text = ""
) -> Response[bytes]:
    """Hand out the entries behind a number as a file for a spreadsheet, narrowed and sorted as their page is."""
    side, (first, last) = _side(by), days_of(since, until)
    return list_file(
        f"behind-{side}-{first}-{last}.csv",
        BEHIND_COLUMNS,
        await list_all_behind(Number(side, key, first, last), which, sort),
    )


ROUTES = [business, business_file, behind, behind_file]

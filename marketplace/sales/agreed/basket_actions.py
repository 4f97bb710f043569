"""Ordering several releases at once: each signed, ordered and charged as a sale of its own.

Each line is an order with its own licence and invoice, and pays its own contributors. All of it is one transaction.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.offers.rules import PricedRelease
from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.datasets.releases.queries import list_revocations
from marketplace.money.payments.queries import find_saved_method
from marketplace.sales.orders.actions import check_second, close_pages, order_subscribed
from marketplace.sales.orders.invoices import find_billing
from marketplace.sales.orders.queries import find_held, find_paying, get_email
from marketplace.sales.orders.settling import settle_paid
from marketplace.sales.orders.tables import Order

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.people.spending.rules import Spender

LARGEST: Final = 24
"""So many releases are ordered at once at most."""
CHANGED: Final = "A price has changed since: look at the basket again."


class Line(Struct, frozen=True):
    """One release of a basket: its price of today for a length of licence, in cents before VAT."""

    release: PricedRelease
    terms: str
    months: int
    amount_minor: int


async def read_lines(releases: Sequence[uuid.UUID], months: int = 0, *, now: dt.datetime | None = None) -> list[Line]:
    """Return a basket's lines, the latest period first; what is not on sale any more is left out.

    months: the length of licence that is wanted; 0: each offer's own. now: None: this
    instant.
    """
    chosen = list(dict.fromkeys(releases))
    if len(chosen) > LARGEST:
        raise Invalid("Order {most} releases at once at most.", most=LARGEST, field="releases")
    gone = await list_revocations(chosen)
    rows = [row for row in await list_priced_releases(chosen) if row.id not in gone]
    prices = await catalogue.prices_for(rows, months=months, now=now or clock.now())
    return [
        Line(release=row, terms=offer.terms, months=offer.months, amount_minor=one.amount_minor)
        for row in rows
        if row.id in prices
        for offer, one in (prices[row.id],)
    ]


async def order(
    partner: uuid.UUID,
    releases: Sequence[uuid.UUID],
    *,
    by: Spender,
    total_minor: int,
    basket: uuid.UUID,
    months: int = 0,
    terms: Sequence[str] | None = None,
    on_credit: bool = False,
    reason: str = "",
) -> None:
    """Order a basket and charge the saved method, a charge a line, or owe each line on credit; the same id orders once.

    by: who of the partner orders. total_minor: what the partner saw, in cents before VAT; another total today is refused, so that nobody pays what they
    did not see. months: as of `read_lines`. terms: those of the lines that were seen; others today are refused too.
    reason: why the partner buys again what it has, or is paying; kept with those orders alone. Without one such a release
    is refused, and so are a partner without an address for invoices, and one without a saved method, or,
    on credit, what is beyond its limit: all of it, not a line.
    """
    if not releases:
        raise Conflict("Nothing of this basket is on sale.")
    orders = {release: uuid.uuid5(basket, f"order {release}") for release in releases}
    await close_pages(partner, releases)
    now = clock.now()
    async with transaction():
        await lock(f"basket {basket}")
        is_one = (Order.partner == partner) & Order.id.is_in(list(orders.values()))
        if made := await Order.count().where(is_one):
            if made < len(orders):
                raise Conflict("This basket was ordered already, with other releases: look at your orders.")
            return
        lines = await read_lines(releases, months, now=now)
        _check_seen(lines, total_minor, terms)
        if not on_credit and await find_saved_method(partner) is None:
            raise Conflict("Save a card or bank account first: each release is paid by it.")
        if await find_billing(partner) is None:
            raise Conflict("Write first where your invoices are addressed.")
        email, quotes = await get_email(partner), {}
        had = await list_had(partner, [line.release.id for line in lines])
        for line in lines:
            release = line.release.id
            await check_second(partner, release, 0, reason)
            quotes[release] = uuid.uuid5(basket, f"quote {release}")
            await catalogue.quote(partner, release, quote_id=quotes[release], months=line.months, now=now)
        await _check_signed(list(quotes.values()), total_minor)
        for line in lines:
            release = line.release.id
            why = reason if release in had else ""
            pay_by = "invoice" if on_credit else "charge"
            await order_subscribed(
                partner, quotes[release], by=by, order_id=orders[release], email=email, reason=why, pay_by=pay_by
            )
    if on_credit:
        await settle_paid()


async def list_had(partner: uuid.UUID, releases: Sequence[uuid.UUID]) -> dict[uuid.UUID, str | dt.datetime]:
    """Return which of these a partner has, with the end of its licence, or is paying, with the order's number."""
    had: dict[uuid.UUID, str | dt.datetime] = {}
    for release in releases:
        if number := await find_paying(partner, release, 0):
            had[release] = number
        elif licensed := await find_held(partner, release, 0, clock.now()):
            had[release] = licensed.ends_at
    return had


def _check_seen(lines: Sequence[Line], total_minor: int, terms: Sequence[str] | None) -> None:
    """Refuse lines that are not those the partner saw; terms: None where it saw none."""
    if not lines:
        raise Conflict("Nothing of this basket is on sale.")
    if sum(line.amount_minor for line in lines) != total_minor:
        raise Conflict(CHANGED)
    if terms is not None and [line.terms for line in lines] != list(terms):
        raise Conflict("A licence has changed since: look at the basket again.")


async def _check_signed(quotes: Sequence[uuid.UUID], total_minor: int) -> None:
    """Refuse prices that changed while they were signed."""
    signed = await fetch_scalar(int, "SELECT sum(amount_minor)::bigint FROM quote WHERE id = ANY($1)", list(quotes))
    if signed != total_minor:
        raise Conflict(CHANGED)

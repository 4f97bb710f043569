"""Ordering several releases at once: priced together, one order, one charge or credit, one invoice.

Each release has its own quote and licence, and pays its own contributors. All of it is one transaction.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.offers.rules import PricedRelease
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid, existing
from marketplace.core.locks import lock
from marketplace.datasets.releases.queries import list_revocations
from marketplace.money.payments.queries import find_saved_method
from marketplace.sales.orders.actions import check_second, close_pages, order_subscribed
from marketplace.sales.orders.invoices import find_billing
from marketplace.sales.orders.queries import find_held, find_paying, get_email, list_lots
from marketplace.sales.orders.settling import settle_paid
from pricing.order import price

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.people.spending.rules import Spender

LARGEST: Final = 24
"""So many releases are ordered at once at most."""


class Line(Struct, frozen=True):
    """One release of a basket: its part of the basket's price of today, for a length of licence, in cents before VAT."""

    release: PricedRelease
    terms: str
    months: int
    amount_minor: int
    alone_minor: int
    """What it costs in an order of its own."""


class Basket(Struct, frozen=True):
    """Releases priced together: a line a release, and the price of the whole; None: nothing of it is on sale."""

    lines: list[Line]
    together: catalogue.Together | None

    @property
    def total_minor(self) -> int:
        """What the basket costs, in cents before VAT."""
        return sum(line.amount_minor for line in self.lines)


async def read_basket(releases: Sequence[uuid.UUID], months: int = 0, *, now: dt.datetime | None = None) -> Basket:
    """Return a basket, its latest period first; what is not on sale any more is left out.

    months: the length of licence that is wanted; 0: each offer's own. now: None: this
    instant. Refuses more than LARGEST, and releases that are sold in several currencies.
    """
    chosen, now = list(dict.fromkeys(releases)), now or clock.now()
    if len(chosen) > LARGEST:
        raise Invalid("Order {most} releases at once at most.", most=LARGEST, field="releases")
    gone = await list_revocations(chosen)
    rows = [row for row in await list_priced_releases(chosen) if row.id not in gone]
    together = await catalogue.price_together(rows, months=months, now=now)
    if together is None:
        return Basket([], None)
    priced = together.priced
    lines = [
        Line(release, offer.terms, offer.months, part, price(priced.law, [lot]).amount_minor)
        for (release, offer), part, lot in zip(together.lots, priced.parts_minor, priced.lots, strict=True)
    ]
    return Basket(lines, together)


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
) -> uuid.UUID:
    """Order a basket by one charge of the saved method, or on credit, and return the order; the same id orders once.

    by: who of the partner orders. total_minor: what the partner saw, in cents before VAT; another total today is refused, so that nobody pays what they
    did not see. months: as of `read_basket`. terms: those of the lines that were seen; others today are refused too.
    reason: why the partner buys again what it has, or is paying. Without one such a release
    is refused, and so are a partner without an address for invoices, and one without a saved method, or,
    on credit, what is beyond its limit.
    """
    if not releases:
        raise Conflict("Nothing of this basket is on sale.")
    order_id = uuid.uuid5(basket, "order")
    await close_pages(partner, releases)
    now = clock.now()
    async with transaction():
        await lock(f"baskets {partner}")
        if made := {lot.release for lot in await list_lots(partner, order_id)}:
            if made != set(releases):
                raise Conflict("This basket was ordered already, with other releases: look at your orders.")
            return order_id
        seen = await read_basket(releases, months, now=now)
        together = existing(seen.together, Conflict("Nothing of this basket is on sale."))
        _check_seen(seen, total_minor, terms)
        if not on_credit and await find_saved_method(partner) is None:
            raise Conflict("Save a card or bank account first: the order is paid by it.")
        if await find_billing(partner) is None:
            raise Conflict("Write first where your invoices are addressed.")
        for line in seen.lines:
            await check_second(partner, line.release.id, 0, reason)
        why = reason if await list_had(partner, [line.release.id for line in seen.lines]) else ""
        quotes = [uuid.uuid5(basket, f"quote {line.release.id}") for line in seen.lines]
        await catalogue.quote_together(partner, together, quotes, now)
        email, pay_by = await get_email(partner), "invoice" if on_credit else "charge"
        await order_subscribed(partner, quotes, by=by, order_id=order_id, email=email, reason=why, pay_by=pay_by)
    if on_credit:
        await settle_paid()
    return order_id


async def list_had(partner: uuid.UUID, releases: Sequence[uuid.UUID]) -> dict[uuid.UUID, str | dt.datetime]:
    """Return which of these a partner has, with the end of its licence, or is paying, with the order's number."""
    had: dict[uuid.UUID, str | dt.datetime] = {}
    for release in releases:
        if number := await find_paying(partner, release, 0):
            had[release] = number
        elif licensed := await find_held(partner, release, 0, clock.now()):
            had[release] = licensed.ends_at
    return had


def _check_seen(seen: Basket, total_minor: int, terms: Sequence[str] | None) -> None:
    """Refuse a basket that is not what the partner saw; terms: None where it saw none."""
    if seen.total_minor != total_minor:
        raise Conflict("A price has changed since: look at the basket again.")
    if terms is not None and [line.terms for line in seen.lines] != list(terms):
        raise Conflict("A licence has changed since: look at the basket again.")

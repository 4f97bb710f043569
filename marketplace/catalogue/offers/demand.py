"""The day's demand multiplier of a sheet: drawn once a day from sales and bids, recorded, the same for everyone.

A multiplier stays for at least seven days and then moves by one step, so that waiting for a lower one gains little. It
is learnt from sold licences and from bids that auctions revealed; requests for prices change nothing.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.queries import SQL, list_priced_offers, list_starts
from marketplace.catalogue.offers.tables import DemandDraw, Offer, PostedSale, Quote
from marketplace.catalogue.sheets.queries import get_law
from marketplace.core.database import fetch_rows, fetch_scalar, select, transaction
from marketplace.core.facts.actions import state_hidden
from marketplace.core.locks import lock
from pricing.agreed import is_posted
from pricing.demand import NEUTRAL_BASIS_POINTS, RevealedBid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.core.database import Values


class PastDraw(Struct, frozen=True):
    """The demand multiplier of a UTC day, in basis points, and the evidence for it."""

    day: dt.date
    demand_basis_points: int
    sales: int
    days: int
    bids: int
    is_shut: bool
    """Whether an exclusive window prevented partners from buying."""


class DaySale(Struct, frozen=True):
    """What a partner paid or owes at a day's posted price, converted to neutral demand, in cents."""

    day: dt.date
    partner: str
    neutral_minor: int


class ObservedValue(Struct, frozen=True):
    """A partner's bid and the reserve, as the demand multipliers that would give these posted prices."""

    value_basis_points: int
    reserve_basis_points: int


class SignedPrice(Struct, frozen=True):
    """A quote of a posted price: its document, and its amount in cents before VAT."""

    id: uuid.UUID
    amount_minor: int
    document: bytes


async def find_draw(sheet: str, now: dt.datetime) -> int | None:
    """Return a sheet's demand multiplier of the UTC day of `now`, or None if there is none yet."""
    of_day = (DemandDraw.sheet == sheet) & (DemandDraw.day == now.astimezone(dt.UTC).date())
    return await fetch_scalar(int, DemandDraw.select(DemandDraw.demand_basis_points).where(of_day))


async def draw_of_day(sheet: str, now: dt.datetime) -> int:
    """Return a sheet's demand multiplier of the UTC day of `now`; draw and record it if there is none yet."""
    day = now.astimezone(dt.UTC).date()
    drawn = await find_draw(sheet, now)
    if drawn is not None:
        return drawn
    async with transaction():
        await lock(f"demand {sheet}")
        past = await fetch_rows(PastDraw, SQL["list_past_draws"], sheet, day)
        multiplier, evidence = await _posted_on(sheet, past, day)
        draw = DemandDraw(
            id=uuid.uuid4(),
            sheet=sheet,
            day=day,
            demand_basis_points=multiplier,
            drawn_at=now,
            sales=evidence.sales,
            days=evidence.days,
            bids=evidence.bids,
        )
        await DemandDraw.insert(draw).on_conflict(action="DO NOTHING", target=(DemandDraw.sheet, DemandDraw.day))
        drawn = await find_draw(sheet, now)
        on_sale = Offer.select(Offer.id).where(Offer.sheet == sheet, Offer.withdrawn_at.is_null()).output(as_list=True)
        for offer in await on_sale:
            await state_price(offer, now)
    assert drawn is not None, "it was drawn above"
    return drawn


async def state_price(offer: uuid.UUID, now: dt.datetime) -> None:
    """State today's inputs of an offer's price for the log, inside the transaction that changes them.

    They are those of now, and those of each version of its sheet and each law of volume that starts later today. An
    offer whose demand of the day is not drawn yet has no price; the draw states it.
    """
    today = now.astimezone(dt.UTC).date()
    midnight = dt.datetime.combine(today + dt.timedelta(days=1), dt.time(), dt.UTC)
    dataset = await fetch_scalar(str, Offer.select(Offer.dataset).where(Offer.id == offer))
    for instant in [now, *await list_starts(offer, now, midnight)]:
        for one in await list_priced_offers([dataset] if dataset else [], instant):
            if one.id == offer and one.demand_basis_points is not None:
                law = await get_law(one.currency, instant)
                stated = rules.logged_price(one, law, today.isoformat())
                await state_hidden("price_inputs", f"{offer} {today.isoformat()}", stated)


async def _posted_on(sheet: str, past: Sequence[PastDraw], day: dt.date) -> tuple[int, rules.Evidence]:
    """Return the multiplier to post on a day, and the evidence for it."""
    multipliers = [(one.day, one.demand_basis_points) for one in past]
    if not past:
        return NEUTRAL_BASIS_POINTS, rules.Evidence()
    if not rules.may_move(multipliers, day):
        return past[-1].demand_basis_points, rules.Evidence(past[-1].sales, past[-1].days, past[-1].bids)
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    since = midnight - rules.DEMAND_REMEMBERS
    on_sale = [(one.day, one.demand_basis_points) for one in past if not one.is_shut and one.day >= since.date()]
    sales = await fetch_rows(DaySale, SQL["list_posted_sales"], sheet, since, midnight)
    bids = await fetch_rows(ObservedValue, SQL["list_observed_values"], sheet, since)
    target = rules.draw_of(
        on_sale,
        [(one.day, one.partner, one.neutral_minor) for one in sales],
        day,
        np.random.default_rng(),
        [RevealedBid(one.value_basis_points, one.reserve_basis_points) for one in bids],
    )
    return rules.next_multiplier(multipliers, target, day), rules.Evidence(len(sales), len(on_sale), len(bids))


async def record_posted_sales(sold: Mapping[uuid.UUID, tuple[dt.datetime, uuid.UUID | None]]) -> None:
    """Record sold quotes, inside the transaction that settles them; demand learns from them.

    sold: for each quote the instant, and its sale on credit, or None for a paid one. An award of an auction and an
    offer to one partner alone are no sales at a posted price.
    """
    rows = select(SignedPrice, Quote).where(Quote.id.is_in(list(sold)), Quote.auction.is_null())
    if quotes := [one for one in await fetch_rows(SignedPrice, rows) if is_posted(one.document)]:
        sales = [
            PostedSale(
                quote=one.id,
                sold_at=sold[one.id][0],
                credit_sale=sold[one.id][1],
                neutral_minor=rules.neutral_minor(one.document, one.amount_minor),
            )
            for one in quotes
        ]
        await PostedSale.insert(*sales).on_conflict(action="DO NOTHING", target=PostedSale.quote)


async def retract_sales(quotes: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Remove refunded sales from demand's evidence, inside the transaction that refunds their whole price."""
    if quotes:
        returned: Values = {PostedSale.returned_at: now}
        await PostedSale.update(returned).where(PostedSale.quote.is_in(list(quotes)), PostedSale.returned_at.is_null())

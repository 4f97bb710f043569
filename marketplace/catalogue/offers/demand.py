"""The day's demand multipliers of a market: posted once a day, recorded, the same for everyone.

They follow from sold licences, days on sale and bids that auctions revealed, and from nothing else: requests for prices
change nothing, and nothing is drawn at random. `multipliers` has the rule.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.catalogue.offers import multipliers, rules
from marketplace.catalogue.offers.multipliers import DEMAND_REMEMBERS, Posted, Sale
from marketplace.catalogue.offers.queries import SQL, list_priced_offers, list_starts
from marketplace.catalogue.offers.tables import DemandDraw, Offer, PostedSale, Quote
from marketplace.catalogue.sheets.queries import get_law
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, select, transaction
from marketplace.core.facts.actions import state_hidden
from marketplace.core.locks import lock
from pricing.agreed import is_posted
from pricing.demand import RevealedBid, believed, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from piccolo.custom_types import Combinable

    from marketplace.catalogue.offers.multipliers import Learnt
    from marketplace.core.database import Values
    from pricing.demand import Believed


class DayDraw(Struct, frozen=True):
    """The demand multipliers of a UTC day, in basis points; `own` is JSON, by group of zones."""

    day: dt.date
    demand_basis_points: int
    own: str

    def posted(self, *, is_shut: bool = False) -> Posted:
        """Return them as the rule has them."""
        return Posted(self.day, self.demand_basis_points, json.loads(self.own), is_shut)


class PastDraw(DayDraw, frozen=True):
    """The same with the evidence for them."""

    sales: int
    days: int
    bids: int
    is_shut: bool
    """Whether an exclusive window prevented partners from buying."""


class DaySale(Struct, frozen=True):
    """What a partner paid or owes at a day's posted price, converted to neutral demand, in cents, and what it was for."""

    day: dt.date
    partner: str
    neutral_minor: int
    groups: list[str]
    points: list[int]

    def sale(self) -> Sale:
        """Return it as the rule has it."""
        whole = sum(self.points)
        parts = {group: points / whole for group, points in zip(self.groups, self.points, strict=True)}
        return Sale(self.day, self.partner, self.neutral_minor, parts)


class ObservedValue(Struct, frozen=True):
    """A partner's bid and the reserve, as the demand multipliers that would give these posted prices."""

    value_basis_points: int
    reserve_basis_points: int


class History(Struct, frozen=True):
    """What a market posted before a day, and what was sold and bid in the year before it."""

    past: list[Posted]
    sales: list[Sale]
    bids: list[RevealedBid]
    groups: list[str]

    def learnt(self, day: dt.date) -> Learnt:
        """Return the evidence on a day."""
        return multipliers.learn(self.past, self.sales, self.bids, day, self.groups)


class SignedPrice(Struct, frozen=True):
    """A quote of a posted price: its document, and its amount in cents before VAT."""

    id: uuid.UUID
    amount_minor: int
    document: bytes


async def find_posted(sheet: str, now: dt.datetime) -> Posted | None:
    """Return a market's demand multipliers of the UTC day of `now`, or None if there are none yet."""
    of_day = (DemandDraw.sheet == sheet) & (DemandDraw.day == now.astimezone(dt.UTC).date())
    drawn = await fetch_row(DayDraw, select(DayDraw, DemandDraw).where(of_day))
    return drawn.posted() if drawn else None


async def post_demand(sheet: str, now: dt.datetime) -> Posted:
    """Return a market's demand multipliers of the UTC day of `now`; post and record them if there are none yet.

    The prices that follow are stated for the log in the same transaction, all of them in one statement.
    """
    if posted := await find_posted(sheet, now):
        return posted
    day = now.astimezone(dt.UTC).date()
    async with transaction():
        await lock(f"demand {sheet}")
        past = await fetch_rows(PastDraw, SQL["list_past_draws"], sheet, day)
        posted, evidence = await _posted_on(sheet, past, day)
        draw = DemandDraw(
            id=uuid.uuid4(),
            sheet=sheet,
            day=day,
            demand_basis_points=posted.market,
            own=json.dumps(dict(posted.own)),
            drawn_at=now,
            sales=evidence.sales,
            days=evidence.days,
            bids=evidence.bids,
        )
        await DemandDraw.insert(draw).on_conflict(action="DO NOTHING", target=(DemandDraw.sheet, DemandDraw.day))
        await state_prices(Offer.sheet == sheet, now)
        recorded = await find_posted(sheet, now)
    assert recorded is not None, "it was posted above"
    return recorded


async def state_prices(which: Combinable, now: dt.datetime) -> None:
    """State today's inputs of the prices of some offers for the log, inside the transaction that changes them.

    They are those of now, and those of each version of a sheet and each law of volume that starts later today. An
    offer whose demand of the day is not posted yet has no price; posting it states that.
    """
    today = now.astimezone(dt.UTC).date()
    midnight = dt.datetime.combine(today + dt.timedelta(days=1), dt.time(), dt.UTC)
    offers = await Offer.select(Offer.id, Offer.dataset).where(which, Offer.withdrawn_at.is_null())
    datasets = [offer["dataset"] for offer in offers]
    stated = []
    for instant in [now, *await list_starts([offer["id"] for offer in offers], now, midnight)]:
        priced = [one for one in await list_priced_offers(datasets, instant) if one.demand_basis_points is not None]
        laws = {currency: await get_law(currency, instant) for currency in {one.currency for one in priced}}
        stated += [
            (f"{one.id} {today}", rules.logged_price(one, laws[one.currency], today.isoformat())) for one in priced
        ]
    await state_hidden("price_inputs", stated)


async def get_history(sheet: str, day: dt.date) -> History:
    """Return what a market posted before a day, and what was sold and bid in the year before it."""
    return await _history(sheet, await fetch_rows(PastDraw, SQL["list_past_draws"], sheet, day), day)


async def list_beliefs(sheet: str, now: dt.datetime) -> list[tuple[str | None, int, Believed]]:
    """Return what is believed of a market's demand on the UTC day of `now`: (group of zones, level posted, belief).

    The first is the market's, of every group without its own (None).
    """
    day = now.astimezone(dt.UTC).date()
    known, posted = await get_history(sheet, day), await find_posted(sheet, now)
    learnt = known.learnt(day)
    levels = [nearest((posted or multipliers.post([], [], [], day)).of(name)) for name in learnt.names]
    return [
        (name, level, believed(learnt.demand, row, level))
        for row, (name, level) in enumerate(zip(learnt.names, levels, strict=True))
    ]


async def _history(sheet: str, past: Sequence[PastDraw], day: dt.date) -> History:
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    since = midnight - DEMAND_REMEMBERS
    sales = await fetch_rows(DaySale, SQL["list_posted_sales"], sheet, since, midnight)
    bids = await fetch_rows(ObservedValue, SQL["list_observed_values"], sheet, since)
    return History(
        [one.posted(is_shut=one.is_shut) for one in past],
        [one.sale() for one in sales],
        [RevealedBid(one.value_basis_points, one.reserve_basis_points) for one in bids],
        await fetch_column(str, SQL["list_groups"], sheet, midnight),
    )


async def _posted_on(sheet: str, past: Sequence[PastDraw], day: dt.date) -> tuple[Posted, rules.Evidence]:
    """Return the multipliers to post on a day, and the evidence for them."""
    if not past:
        return multipliers.post([], [], [], day), rules.Evidence()
    before = [one.posted(is_shut=one.is_shut) for one in past]
    if not multipliers.may_move(before, day):
        last = past[-1]
        return multipliers.post(before, [], [], day), rules.Evidence(last.sales, last.days, last.bids)
    known = await _history(sheet, past, day)
    on_sale = sum(not one.is_shut and one.day >= day - DEMAND_REMEMBERS for one in past)
    evidence = rules.Evidence(len(known.sales), on_sale, len(known.bids))
    return multipliers.post(known.past, known.sales, known.bids, day, known.groups), evidence


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
                **rules.neutral_sale(one.document, one.amount_minor)._asdict(),
            )
            for one in quotes
        ]
        await PostedSale.insert(*sales).on_conflict(action="DO NOTHING", target=PostedSale.quote)


async def retract_sales(quotes: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Remove refunded sales from demand's evidence, inside the transaction that refunds their whole price."""
    if quotes:
        returned: Values = {PostedSale.returned_at: now}
        await PostedSale.update(returned).where(PostedSale.quote.is_in(list(quotes)), PostedSale.returned_at.is_null())

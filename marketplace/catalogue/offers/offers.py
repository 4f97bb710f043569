"""An offer before and after today: its price if it were made now, and changes planned for a later day."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from marketplace.catalogue.offers import actions, menu, rules
from marketplace.catalogue.offers.demand import draw_of_day
from marketplace.catalogue.offers.queries import SQL, list_priced_levels, list_priced_offers, list_priced_releases
from marketplace.catalogue.offers.rules import PricedRelease
from marketplace.catalogue.offers.tables import Offer, OfferChange
from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, Refusal, existing
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.datasets.pictures.pictures import draw_missing
from pricing.quote import PricedQuote, price

if TYPE_CHECKING:
    from marketplace.core.database import Values


async def draw_pictures() -> int:
    """Draw the missing pictures of datasets on sale, before anybody visits; a job. Return how many are stored.

    A dataset that is not on sale is drawn only if something on sale depends on it: otherwise nobody sees its map, which
    would still count among the few that its area may have.
    """
    on_sale = await fetch_scalar(list, "SELECT array_agg(dataset) FROM offer WHERE withdrawn_at IS NULL")
    return await draw_missing(set(on_sale or ()))


class Foreseen(Struct, frozen=True):
    """An offer as it would be if it were made now."""

    release: PricedRelease | None
    """The latest release that is published or passed the gate; None: there is nothing to price yet."""
    prices: list[tuple[int, PricedQuote]]
    """Each accuracy level of it with its price, the finest first; empty without a price."""
    refusals: list[Refusal]
    """Why the offer could not be made, or would have no price."""


class PlannedChange(Struct, frozen=True):
    """A planned change of an offer; amounts are in cents, `refusal` is JSON of a sentence and its fields."""

    id: uuid.UUID
    dataset: str
    terms: str
    full_worth_minor: int
    worth_days: int
    floor_minor: int
    cap_minor: int
    starts_at: dt.datetime
    planned_by: str
    planned_at: dt.datetime
    outcome: str
    ended_at: dt.datetime | None
    refusal: str | None

    @property
    def stated(self) -> rules.StatedOffer:
        """Return the planned offer."""
        return rules.StatedOffer(self.terms, self.full_worth_minor, self.worth_days, self.floor_minor, self.cap_minor)


class _UndoneError(Exception):
    """Rolls a trial back."""


async def foresee(dataset: str, stated: rules.StatedOffer) -> Foreseen:
    """Return an offer's price of today, and why it could not be made; saves nothing.

    The offer is made and rolled back, so the page shows what making it would do.
    """
    rules.check_offer(stated)
    now = clock.now()
    is_open = (Offer.dataset == dataset) & Offer.withdrawn_at.is_null()
    if offer := await fetch_scalar(uuid.UUID, Offer.select(Offer.id).where(is_open)):
        await draw_of_day(offer, now)  # The demand of today is drawn once, and stays.
    release = await fetch_row(PricedRelease, SQL["find_latest_priced"], dataset)
    prices: list[tuple[int, PricedQuote]] = []
    refusals: list[Refusal] = []
    with contextlib.suppress(_UndoneError):
        async with transaction():
            await lock("offers")
            await actions.write_offer(dataset, stated, now)
            try:
                prices = await _prices(release, now) if release else []
            except Conflict as refused:
                refusals.append(refused)
            try:
                await menu.audit(dataset, now)
            except Conflict as refused:
                refusals.append(refused)
            raise _UndoneError
    return Foreseen(release, prices, refusals)


async def _prices(release: PricedRelease, now: dt.datetime) -> list[tuple[int, PricedQuote]]:
    """Return the price of each accuracy level of a release, as if it were published."""
    offer = existing(
        next(iter(await list_priced_offers([release.dataset], now)), None), Conflict("This release is not for sale.")
    )
    if offer.demand_basis_points is None:
        offer = replace(offer, demand_basis_points=rules.NEUTRAL)
    published = replace(release, state="sealed")
    levels = [(0, published)] + [
        (one.level, rules.coarser(published, one)) for one in await list_priced_levels(release.id)
    ]
    operator = settings().operator_basis_points
    return [
        (level, price(rules.price_inputs(row, offer, operator_basis_points=operator, now=now))) for level, row in levels
    ]


async def price_if_published(release: uuid.UUID) -> PricedQuote:
    """Return a release's price of today under its dataset's open offer, if it were published.

    Refuses a release without a price, and a dataset without an open offer.
    """
    row = existing(
        next(iter(await list_priced_releases([release])), None), NotFound("There is no such release in the catalogue.")
    )
    [(_, finest), *_] = await _prices(row, clock.now())
    return finest


async def plan_change(
    dataset: str, stated: rules.StatedOffer, starts_at: dt.datetime, *, change: uuid.UUID, by: str
) -> None:
    """Plan an offer's change at a later instant; the same `change` (a form's id) again plans nothing more.

    Refuses a second plan while one waits, and a dataset that is not on sale.
    """
    rules.check_offer(stated)
    now = clock.now()
    async with transaction():
        await lock("offers")
        if await OfferChange.exists().where(OfferChange.id == change):
            return
        if starts_at <= now:
            raise Invalid("A planned change begins later than now.", field="starts_at")
        if not await Offer.exists().where(Offer.dataset == dataset, Offer.withdrawn_at.is_null()):
            raise Conflict("{dataset} is not on sale: put it on sale first.", dataset=dataset)
        if await OfferChange.exists().where(OfferChange.dataset == dataset, OfferChange.outcome == ""):
            raise Conflict("A change of this offer is planned already: cancel it first.")
        await OfferChange.insert(
            OfferChange(
                id=change,
                dataset=dataset,
                terms=stated.terms,
                full_worth_minor=stated.full_worth_minor,
                worth_days=stated.worth_days,
                floor_minor=stated.floor_minor,
                cap_minor=stated.cap_minor,
                starts_at=starts_at,
                planned_by=by,
                planned_at=now,
            )
        )


async def cancel_change(change: uuid.UUID) -> str:
    """Cancel a planned change and return its dataset; repeating it changes nothing. Refuses a change that was made."""
    async with transaction():
        await lock("offers")
        row = await get_change(change)
        if row.outcome not in {"", "cancelled"}:
            raise Expired("That change was made already, or refused.")
        if not row.outcome:
            await _end(change, "cancelled")
    return row.dataset


async def get_change(change: uuid.UUID) -> PlannedChange:
    """Return a planned change; refuses NotFound."""
    return existing(
        await fetch_row(PlannedChange, select(PlannedChange, OfferChange).where(OfferChange.id == change)),
        NotFound("There is no such planned change."),
    )


async def cancel_changes_of(dataset: str) -> None:
    """Cancel the planned changes of a dataset's offer, as the offer is withdrawn."""
    ended: Values = {OfferChange.outcome: "cancelled", OfferChange.ended_at: clock.now()}
    await OfferChange.update(ended).where(OfferChange.dataset == dataset, OfferChange.outcome == "")


async def make_changes() -> int:
    """Make the planned changes that are due, each in its own transaction, and return how many; a job.

    A change that the menu's audit refuses is not made, and stores the reason. A change of a withdrawn offer is
    cancelled.
    """
    made = 0
    is_due = (OfferChange.outcome == "") & (OfferChange.starts_at <= clock.now())
    due = OfferChange.select(OfferChange.id).where(is_due).order_by(OfferChange.starts_at).output(as_list=True)
    for change in await due:
        async with transaction():
            await lock("offers")
            row = await fetch_row(
                PlannedChange, select(PlannedChange, OfferChange).where(OfferChange.id == change, is_due)
            )
            if row is None:
                continue
            if not await Offer.exists().where(Offer.dataset == row.dataset, Offer.withdrawn_at.is_null()):
                await _end(change, "cancelled")
                continue
            try:
                await actions.list_offer(
                    row.dataset,
                    terms=row.terms,
                    full_worth_minor=row.full_worth_minor,
                    worth_days=row.worth_days,
                    floor_minor=row.floor_minor,
                    cap_minor=row.cap_minor,
                )
            except Refusal as refused:
                await _end(change, "refused", refused)
            else:
                await _end(change, "made")
                made += 1
    return made


async def _end(change: uuid.UUID, outcome: str, refused: Refusal | None = None) -> None:
    stated = {"sentence": refused.sentence, "fields": refused.fields} if refused else None
    ended: Values = {
        OfferChange.outcome: outcome,
        OfferChange.ended_at: clock.now(),
        OfferChange.refusal: json.dumps(stated, default=str) if stated else None,
    }
    await OfferChange.update(ended).where(OfferChange.id == change)


async def list_changes(dataset: str) -> list[PlannedChange]:
    """Return the planned changes of a dataset's offer, the latest planned first, also those that were made."""
    rows = select(PlannedChange, OfferChange).where(OfferChange.dataset == dataset)
    return await fetch_rows(PlannedChange, rows.order_by(OfferChange.planned_at, ascending=False).limit(20))

"""Stating what things on sale cost: a sheet's next version, a law of volume, and the points of what is published.

Each states the prices that follow for the public log, in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.demand import state_price
from marketplace.catalogue.offers.queries import list_priced_offers
from marketplace.catalogue.offers.tables import Offer
from marketplace.catalogue.sheets.actions import count_points, foresee_points, state_law, state_version
from marketplace.catalogue.sheets.queries import list_history, list_laws
from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.locks import lock
from marketplace.datasets.releases.actions import note_changes

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from piccolo.custom_types import Combinable

    from marketplace.catalogue.sheets.rules import Document
    from marketplace.people.identity.actors import Actor
    from pricing.sheet import Law


async def state_sheet(
    sheet: str,
    document: Document,
    who: Actor,
    *,
    version: uuid.UUID,
    starts_at: dt.datetime | None = None,
    follows: int | None = None,
) -> None:
    """State a sheet's next version, and the prices that follow from it for the log; the same id again changes nothing.

    Refuses as `sheets.actions.state_version` does, and a version by which what is on sale would have no price.
    """
    async with transaction():
        await lock("offers")
        if any(one.id == version for one in await list_history(sheet)):
            return
        await state_version(sheet, document, who, version=version, starts_at=starts_at, follows=follows)
        is_on_sale = (Offer.sheet == sheet) & Offer.withdrawn_at.is_null()
        if datasets := await Offer.select(Offer.dataset).where(is_on_sale).output(as_list=True):
            await foresee_points(sheet, document, datasets)
            for offer in await list_priced_offers(datasets, clock.now()):
                rules.refuse_unpriced(document.rates, offer)
        await _state_prices(is_on_sale)


async def state_volume(law: Law, who: Actor, *, law_id: uuid.UUID, starts_at: dt.datetime | None = None) -> None:
    """State what all orders of a currency cost of what they are worth, and the prices that follow from it for the log.

    The same id again changes nothing. Refuses a start in the past.
    """
    async with transaction():
        await lock("offers")
        if any(one.id == law_id for one in await list_laws()):
            return
        await state_law(law, who, law_id=law_id, starts_at=starts_at)
        await _state_prices((Offer.currency == law.currency) & Offer.withdrawn_at.is_null())


async def _state_prices(is_on_sale: Combinable) -> None:
    """State today's inputs of the prices of some offers for the log, and note that their datasets changed."""
    now = clock.now()
    offers = await Offer.select(Offer.id, Offer.dataset).where(is_on_sale)
    for offer in offers:
        await state_price(offer["id"], now)
    await note_changes([offer["dataset"] for offer in offers])


async def count_published(dataset: str, at: dt.datetime) -> None:
    """Count the points of a release that is being sealed, inside the transaction that seals it; none without an offer."""
    query = Offer.select(Offer.sheet).where(Offer.dataset == dataset, Offer.withdrawn_at.is_null())
    if sheet := await fetch_scalar(str, query):
        await count_points(sheet, [dataset], at)

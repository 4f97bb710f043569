"""For how many months a dataset's licence may be bought besides its offer's own, each priced by its length."""

from __future__ import annotations

import uuid
from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from marketplace import clock
from marketplace.catalogue import menu
from marketplace.catalogue.queries import get_listing, list_lengths
from marketplace.catalogue.rules import RIGHTS, by_length
from marketplace.catalogue.tables import LicenceTerms, Offer, OfferLength
from marketplace.catalogue.uses import KeptTerms
from marketplace.database import fetch_row, fetch_scalar, select, transaction
from marketplace.errors import Conflict, Invalid
from marketplace.locks import lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.rules import PricedOffer

MOST_LENGTHS = 5
WORTH = ("full_worth_minor", "worth_days", "floor_minor", "cap_minor")
"""What an offer says that its dataset is worth."""


async def set_lengths(dataset: str, terms: Sequence[str]) -> None:
    """Sell a dataset under these terms too, and under no others besides its own; quotes signed before stay.

    Refuses a dataset that is not on sale, terms that differ from the offer's in more than their months, and a menu on
    which something could be had for less by buying other things.
    """
    chosen, now = sorted(set(terms)), clock.now()
    if len(chosen) > MOST_LENGTHS:
        raise Invalid("Choose {most} lengths at most.", most=MOST_LENGTHS, field="lengths")
    async with transaction():
        await lock("offers")
        query = Offer.select(Offer.id).where(Offer.dataset == dataset, Offer.withdrawn_at.is_null())
        offer = await fetch_scalar(uuid.UUID, query)
        if offer is None:
            raise Conflict("This dataset is not on sale.")
        await OfferLength.delete().where(OfferLength.offer == offer)
        fit = await LicenceTerms.count().where(LicenceTerms.code.is_in(chosen or [""])) == len(chosen)
        if fit and chosen:
            await OfferLength.insert(*(OfferLength(id=uuid.uuid4(), offer=offer, terms=code) for code in chosen))
            fit = sorted(one.terms for one in await list_lengths([dataset])) == chosen
        if not fit:
            raise Invalid(
                "Other lengths are terms that differ from the offer's in their months alone.", field="lengths"
            )
        await menu.audit(dataset, now)


async def sold_under(dataset: str, terms: str) -> str:
    """Return these terms where a dataset is sold under them too, else its offer's own."""
    known = {one.terms for one in await list_lengths([dataset])}
    return terms if terms in known else (await get_listing(dataset)).terms


async def under_locked(offer: PricedOffer, terms: str, began: PricedOffer | None = None) -> PricedOffer:
    """Return an offer under terms that a price was locked for: those that it is sold under today change nothing of it.

    began: the offer of the day that it was locked, where that is known. Where today's is for fewer uses, a lesser right or
    shorter terms alone, it is worth what that one was: what is paid for those is no price of the others.
    """
    kept = await fetch_row(KeptTerms, select(KeptTerms, LicenceTerms).where(LicenceTerms.code == terms))
    assert kept, "terms once stated are kept"
    uses = ((offer.purposes, kept.purposes), (offer.countries, kept.countries))
    is_for_all = all(not today or (own and set(own) <= set(today)) for today, own in uses)
    longest = max(one.months or inf for one in by_length(offer, await list_lengths([offer.dataset])))
    is_for_all &= RIGHTS[offer.usage_right] >= RIGHTS[kept.usage_right] and longest >= (kept.months or inf)
    if began and not is_for_all:
        offer = replace(offer, **{name: getattr(began, name) for name in WORTH})
    return replace(offer, terms=terms, **asdict(kept))


async def under(offer: PricedOffer, terms: str) -> PricedOffer | None:
    """Return an offer under one of the terms that it is sold under; None where these are not among them."""
    lengths = await list_lengths([offer.dataset]) if terms != offer.terms else []
    return next((one for one in by_length(offer, lengths) if one.terms == terms), None)

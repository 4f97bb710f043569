"""Lengths of licence that a dataset is sold for besides its offer's own, each with its price."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from marketplace.catalogue.offers.queries import get_listing, list_lengths
from marketplace.catalogue.offers.rules import by_length
from marketplace.catalogue.offers.tables import LicenceTerms, Offer, OfferLength
from marketplace.catalogue.offers.uses import KeptTerms
from marketplace.core.database import fetch_row, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, existing
from marketplace.core.locks import lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.rules import PricedOffer

MOST_LENGTHS = 5


async def set_lengths(dataset: str, terms: Sequence[str]) -> None:
    """Sell a dataset under its own terms and these, and under no others; signed quotes stay.

    Refuses a dataset that is not on sale, and terms that differ from the offer's in more than their months.
    """
    chosen = sorted(set(terms))
    if len(chosen) > MOST_LENGTHS:
        raise Invalid("Choose {most} lengths at most.", most=MOST_LENGTHS, field="lengths")
    async with transaction():
        await lock("offers")
        query = Offer.select(Offer.id).where(Offer.dataset == dataset, Offer.withdrawn_at.is_null())
        offer = existing(await fetch_scalar(uuid.UUID, query), Conflict("This dataset is not on sale."))
        await OfferLength.delete().where(OfferLength.offer == offer)
        fit = await LicenceTerms.count().where(LicenceTerms.code.is_in(chosen or [""])) == len(chosen)
        if fit and chosen:
            await OfferLength.insert(*(OfferLength(id=uuid.uuid4(), offer=offer, terms=code) for code in chosen))
            fit = sorted(one.terms for one in await list_lengths([dataset])) == chosen
        if not fit:
            raise Invalid(
                "Other lengths are terms that differ from the offer's in their months alone.", field="lengths"
            )


async def sold_under(dataset: str, terms: str) -> str:
    """Return these terms if a dataset is also sold under them, else its offer's own."""
    known = {one.terms for one in await list_lengths([dataset])}
    return terms if terms in known else (await get_listing(dataset)).terms


async def under_locked(offer: PricedOffer, terms: str) -> PricedOffer:
    """Return an offer under the terms for which a price was locked; the terms of today change nothing."""
    kept = await fetch_row(KeptTerms, select(KeptTerms, LicenceTerms).where(LicenceTerms.code == terms))
    assert kept, "terms once stated are kept"
    return replace(offer, terms=terms, **asdict(kept))


async def under_terms(offer: PricedOffer, terms: str) -> PricedOffer | None:
    """Return an offer under one of its terms; None if it is not sold under these."""
    lengths = await list_lengths([offer.dataset]) if terms != offer.terms else []
    return next((one for one in by_length(offer, lengths) if one.terms == terms), None)

"""Making a private offer, withdrawing it, and quoting under it: a percent of its own things alone.

Nothing public knows of one: no page, no count, no log, and demand learns nothing from what is bought under it. What it
takes off comes off the operator's part alone, so contributors are paid, and see, what they would without it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers import queries as catalogue_queries
from marketplace.catalogue.offers.rules import check_length
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.tables import Partner
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.agreed.private_queries import get_private_offer
from marketplace.sales.agreed.private_tables import PrivateOffer, PrivateQuote
from marketplace.sales.message_kinds import PRIVATE_OFFER_MADE
from pricing.agreed import BASIS_POINTS_IN_ALL, share_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor
    from marketplace.sales.agreed.private_queries import PrivateOfferRow
    from pricing.order import Priced

MOST_PERCENT_OFF: Final = 50
LONGEST: Final = dt.timedelta(days=92)
BASIS_POINTS_A_PERCENT: Final = 100


class Price(Struct, frozen=True):
    """What a release costs everybody and one partner today, in cents before VAT, under a licence of so many months."""

    months: int
    posted_minor: int
    own_minor: int


async def offer(
    who: Actor,
    partner: uuid.UUID,
    dataset: str,
    *,
    percent_off: int,
    ends_at: dt.datetime,
    offer_id: uuid.UUID,
    months: Sequence[int] = (),
) -> None:
    """Offer a dataset to one vetted partner for so many percent less, until an instant; the same id offers once.

    months: the lengths of licence it is for; none: the dataset's own.
    """
    now, basis_points = clock.now(), (100 - percent_off) * BASIS_POINTS_A_PERCENT
    most = most_percent_off()
    if not 0 < percent_off <= most:
        raise Invalid(
            "Take between 1 and {most} percent off: it comes off the operator’s part alone.",
            most=most,
            field="percent_off",
        )
    if not now < ends_at <= now + LONGEST:
        raise Invalid("It ends later than now, within {days} days.", days=LONGEST.days, field="ends_on")
    if not await Partner.exists().where(Partner.id == partner, Partner.vetted_at.is_not_null()):
        raise Invalid("Choose a vetted partner.", field="partner")
    async with transaction():
        await lock("offers")
        if await PrivateOffer.exists().where(PrivateOffer.id == offer_id):
            return
        is_open = (PrivateOffer.withdrawn_at.is_null()) & (PrivateOffer.ends_at > now)
        is_same = (PrivateOffer.partner == partner) & (PrivateOffer.dataset == dataset)
        if await PrivateOffer.exists().where(is_same, is_open):
            raise Conflict("That partner has such an offer: withdraw it first.")
        stated = sorted(set(months)) or [await _own_months(dataset, now)]
        for length in stated:
            check_length(length)
        await PrivateOffer.insert(
            PrivateOffer(
                id=offer_id,
                partner=partner,
                dataset=dataset,
                basis_points=basis_points,
                operator_basis_points=settings().operator_basis_points,
                months=stated,
                made_by=who.name,
                made_at=now,
                ends_at=ends_at,
            )
        )
        after = {"dataset": dataset, "percent_off": percent_off, "months": stated, "ends_at": ends_at.isoformat()}
        await note_action(who, "private_offer_made", partner, after=after)
        await send(PRIVATE_OFFER_MADE, offer_id, [Recipient("partner", str(partner))], dataset=dataset)


def most_percent_off() -> int:
    """Return the most that a private offer takes off, in percent: at most half, and never more than the operator's part."""
    return min(MOST_PERCENT_OFF, settings().operator_basis_points // BASIS_POINTS_A_PERCENT)


async def withdraw(who: Actor, offer_id: uuid.UUID) -> None:
    """Withdraw a private offer: quotes signed under it stay good until they expire."""
    row = await get_private_offer(offer_id)
    withdrawn: Values = {PrivateOffer.withdrawn_at: clock.now()}
    async with transaction():
        is_open = (PrivateOffer.id == offer_id) & PrivateOffer.withdrawn_at.is_null()
        if await PrivateOffer.update(withdrawn).where(is_open).returning(PrivateOffer.id):
            await note_action(who, "private_offer_withdrawn", row.partner, after={"dataset": row.dataset})


async def quote(partner: uuid.UUID, offer_id: uuid.UUID, *, quote_id: uuid.UUID, months: int = 0) -> None:
    """Sign the private price of the dataset's latest release; the same id is the same quote.

    months: which of the offer's lengths; 0: its first. Refuses another partner's offer, one that ended, and a length that
    it is not for.
    """
    row = await get_private_offer(offer_id)
    if row.partner != partner:
        raise NotFound("There is no such private offer.")
    async with transaction():
        now = clock.now()
        row = await get_private_offer(offer_id)
        if not row.is_open(now):
            raise Expired("This private offer has ended.")
        if BASIS_POINTS_IN_ALL - row.basis_points > settings().operator_basis_points:
            raise Conflict("This private offer takes off more than the operator’s part is now: ask for another.")
        prices = await prices_of(row)
        price = existing(
            next((one for one in prices if months in {0, one.months}), None),
            Invalid("This offer is not for so long; choose one of the lengths shown.", field="months"),
        )
        listing = await catalogue_queries.get_listing(row.dataset)
        agreed = {"private_basis_points": row.basis_points}
        await catalogue.quote(partner, listing.latest, quote_id=quote_id, agreed=agreed, months=price.months)
        kept = PrivateQuote(quote=quote_id, private_offer=offer_id)
        await PrivateQuote.insert(kept).on_conflict(action="DO NOTHING", target=PrivateQuote.quote)


async def prices_of(row: PrivateOfferRow) -> list[Price]:
    """Return what the latest release costs today for each of an offer's lengths, the shortest first."""
    listing = await catalogue_queries.get_listing(row.dataset)
    release = await catalogue_queries.find_listed_release(listing.latest)
    assert release
    found = [
        Price(months, priced.amount_minor, _part(priced, row.basis_points))
        for months in row.months
        for _, priced in (await catalogue.prices_for([release], months=months, now=clock.now())).values()
    ]
    if not found:
        raise Conflict("This release is not for sale.")
    return found


def _part(priced: Priced, basis_points: int) -> int:
    """Return what of a price is paid, in cents, not under the least charge."""
    return share_of(priced.amount_minor, basis_points, priced.law.least_minor)


async def _own_months(dataset: str, now: dt.datetime) -> int:
    """Return the length of a dataset's own licence; refuses what is not on sale."""
    terms = existing(
        next(iter(await catalogue_queries.list_priced_offers([dataset], now)), None),
        NotFound("There is no dataset {dataset} in the catalogue.", dataset=dataset),
    )
    return terms.months

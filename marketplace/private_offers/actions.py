"""Making a private offer, withdrawing it, and quoting under it; the menu is audited with it each time.

Nothing public knows of one: no page, no count, no log, and demand learns nothing from what is bought under it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue import menu
from marketplace.catalogue import queries as catalogue_queries
from marketplace.catalogue.rules import PricedRelease
from marketplace.database import fetch_rows, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.identity.tables import Partner
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import private_offer_made
from marketplace.messages.rules import Recipient
from marketplace.private_offers.queries import get_private_offer
from marketplace.private_offers.tables import PrivateOffer, PrivateQuote
from pricing.agreed import share_of

if TYPE_CHECKING:
    import uuid

    from marketplace.database import Values
    from marketplace.identity.actors import Actor
    from marketplace.private_offers.queries import PrivateOfferRow

LEAST, MOST = 5_000, 9_900
"""What of the price a partner pays at least and at most, in basis points."""
LONGEST: Final = dt.timedelta(days=92)
BASIS_POINTS_A_PERCENT: Final = 100


async def offer(
    who: Actor, partner: uuid.UUID, dataset: str, *, percent_off: int, ends_at: dt.datetime, offer_id: uuid.UUID
) -> None:
    """Offer a dataset to one vetted partner for so many percent less, until an instant; the same id offers once.

    Refuses with the cheapest combination where the partner could have something on sale for less with it.
    """
    now, basis_points = clock.now(), (100 - percent_off) * BASIS_POINTS_A_PERCENT
    if not LEAST <= basis_points <= MOST:
        raise Invalid("Take between 1 and 50 percent off.", field="percent_off")
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
        offered = await _prices(partner, dataset, basis_points, ends_at, now)
        await PrivateOffer.insert(
            PrivateOffer(
                id=offer_id,
                partner=partner,
                dataset=dataset,
                basis_points=basis_points,
                made_by=who.name,
                made_at=now,
                ends_at=ends_at,
            )
        )
        await menu.audit(dataset, now, offered)
        after = {"dataset": dataset, "percent_off": percent_off, "ends_at": ends_at.isoformat()}
        await note_action(who, "private_offer_made", partner, after=after)
        await send(private_offer_made.KIND, offer_id, [Recipient("partner", str(partner))], dataset=dataset)


async def withdraw(who: Actor, offer_id: uuid.UUID) -> None:
    """Withdraw a private offer: quotes signed under it stay good until they expire."""
    row = await get_private_offer(offer_id)
    withdrawn: Values = {PrivateOffer.withdrawn_at: clock.now()}
    async with transaction():
        is_open = (PrivateOffer.id == offer_id) & PrivateOffer.withdrawn_at.is_null()
        if await PrivateOffer.update(withdrawn).where(is_open).returning(PrivateOffer.id):
            await note_action(who, "private_offer_withdrawn", row.partner, after={"dataset": row.dataset})


async def quote(partner: uuid.UUID, offer_id: uuid.UUID, *, quote_id: uuid.UUID) -> None:
    """Sign the private price of the dataset's latest release, with its audit; the same id is the same quote.

    Refuses another partner's offer, and one that ended.
    """
    row = await get_private_offer(offer_id)
    if row.partner != partner:
        raise NotFound("There is no such private offer.")
    async with transaction():
        await lock("offers")
        now = clock.now()
        row = await get_private_offer(offer_id)
        if not row.is_open(now):
            raise Expired("This private offer has ended.")
        listing = await catalogue_queries.get_listing(row.dataset)
        agreed = {"private_basis_points": row.basis_points}
        await catalogue.quote(partner, listing.latest, quote_id=quote_id, agreed=agreed)
        signed = PrivateQuote(quote=quote_id, private_offer=offer_id)
        await PrivateQuote.insert(signed).on_conflict(action="DO NOTHING", target=PrivateQuote.quote)
        await menu.audit(row.dataset, now, partner=partner)


async def price_of(row: PrivateOfferRow) -> tuple[int, int]:
    """Return today's price of the latest release, and what of it the partner pays, in cents before VAT."""
    listing = await catalogue_queries.get_listing(row.dataset)
    release = await catalogue_queries.find_listed_release(listing.latest)
    assert release
    priced = await catalogue.price_now(release, now=clock.now())
    return priced.amount_minor, share_of(priced.amount_minor, row.basis_points, priced.inputs.floor_minor)


async def _prices(
    partner: uuid.UUID, dataset: str, basis_points: int, ends_at: dt.datetime, now: dt.datetime
) -> list[menu.HeldQuote]:
    """Return what every release of a dataset would cost the partner, as prices that it holds."""
    terms = next(iter(await catalogue_queries.list_priced_offers([dataset], now)), None)
    if terms is None:
        raise NotFound("There is no dataset {dataset} in the catalogue.", dataset=dataset)
    releases = await fetch_rows(PricedRelease, catalogue_queries.SQL["list_menu_releases"], [dataset])
    prices = await catalogue.prices_now(releases, now=now)
    return [
        menu.HeldQuote(
            partner,
            release,
            0,
            share_of(priced.amount_minor, basis_points, priced.inputs.floor_minor),
            ends_at,
            terms.usage_right,
            terms.months,
        )
        for release, priced in prices.items()
    ]

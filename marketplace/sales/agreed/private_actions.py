"""Making a private offer, withdrawing it, and quoting under it; the menu is audited with it each time.

Nothing public knows of one: no page, no count, no log, and demand learns nothing from what is bought under it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers import menu
from marketplace.catalogue.offers import queries as catalogue_queries
from marketplace.catalogue.offers.rules import PricedRelease
from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.companies import list_accounts
from marketplace.people.identity.tables import Partner
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.agreed.audit_actions import audit_agreed, least_of
from marketplace.sales.agreed.private_queries import get_private_offer
from marketplace.sales.agreed.private_tables import PrivateOffer, PrivateQuote
from marketplace.sales.message_kinds import PRIVATE_OFFER_MADE
from pricing.agreed import share_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor
    from marketplace.sales.agreed.private_queries import PrivateOfferRow
    from pricing.quote import PricedQuote

LEAST, MOST = 5_000, 9_900
"""What of the price a partner pays at least and at most, in basis points."""
LONGEST: Final = dt.timedelta(days=92)
BASIS_POINTS_A_PERCENT: Final = 100


class Price(Struct, frozen=True):
    """What a release costs everybody and one partner today, in cents before VAT, under a licence of so many months."""

    terms: str
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

    months: the lengths of licence it is for, each among those that the dataset is sold for; none: its own length. Refuses
    with the cheapest combination where the partner could have something on sale for less with it.
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
        stated = sorted(set(months)) or [await _own_months(dataset, now)]
        offered = await _prices(
            partner, dataset, stated, now, basis_points=basis_points, until=ends_at, are_promises_met=False
        )
        await PrivateOffer.insert(
            PrivateOffer(
                id=offer_id,
                partner=partner,
                dataset=dataset,
                basis_points=basis_points,
                months=stated,
                made_by=who.name,
                made_at=now,
                ends_at=ends_at,
            )
        )
        buyer = menu.Buyer(await list_accounts(partner), least_of(offered), is_today=False)
        await menu.audit(dataset, now, offered, buyer=buyer)
        after = {"dataset": dataset, "percent_off": percent_off, "months": stated, "ends_at": ends_at.isoformat()}
        await note_action(who, "private_offer_made", partner, after=after)
        await send(PRIVATE_OFFER_MADE, offer_id, [Recipient("partner", str(partner))], dataset=dataset)


async def withdraw(who: Actor, offer_id: uuid.UUID) -> None:
    """Withdraw a private offer: quotes signed under it stay good until they expire."""
    row = await get_private_offer(offer_id)
    withdrawn: Values = {PrivateOffer.withdrawn_at: clock.now()}
    async with transaction():
        is_open = (PrivateOffer.id == offer_id) & PrivateOffer.withdrawn_at.is_null()
        if await PrivateOffer.update(withdrawn).where(is_open).returning(PrivateOffer.id):
            await note_action(who, "private_offer_withdrawn", row.partner, after={"dataset": row.dataset})


async def quote(partner: uuid.UUID, offer_id: uuid.UUID, *, quote_id: uuid.UUID, months: int = 0) -> None:
    """Sign the private price of the dataset's latest release, with its audit; the same id is the same quote.

    months: which of the offer's lengths; 0: its first. Refuses another partner's offer, one that ended, and a length that
    it is not for, or that the dataset is not sold for any more.
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
        prices = await prices_of(row)
        price = existing(
            next((one for one in prices if months in {0, one.months}), None),
            Invalid("This dataset is not sold for so long; choose one of the lengths shown.", field="months"),
        )
        listing = await catalogue_queries.get_listing(row.dataset)
        agreed = {"private_basis_points": row.basis_points}
        await catalogue.quote(partner, listing.latest, quote_id=quote_id, agreed=agreed, terms=price.terms)
        kept = PrivateQuote(quote=quote_id, private_offer=offer_id)
        await PrivateQuote.insert(kept).on_conflict(action="DO NOTHING", target=PrivateQuote.quote)
        lengths = [one.months for one in prices]
        offered = await _prices(partner, row.dataset, lengths, now, basis_points=row.basis_points, until=row.ends_at)
        await audit_agreed(partner, row.dataset, now, offered, quotes=[quote_id])
        # It is for the latest alone: the others may be as posted.
        of_latest = [one for one in offered if one.release == listing.latest]
        await audit_agreed(partner, row.dataset, now, of_latest, quotes=[quote_id])


async def prices_of(row: PrivateOfferRow) -> list[Price]:
    """Return what the latest release costs today for each of an offer's lengths that it is still sold for, the shortest first."""
    listing = await catalogue_queries.get_listing(row.dataset)
    release = await catalogue_queries.find_listed_release(listing.latest)
    assert release
    found = [
        Price(terms.terms, terms.months, priced.amount_minor, _part(priced, row.basis_points))
        for months in row.months or [0]
        for terms, priced in (await catalogue.prices_for([release], months=months, now=clock.now())).values()
        if months in {0, terms.months}
    ]
    if not found:
        raise Conflict("This release is not for sale.")
    return found


def _part(priced: PricedQuote, basis_points: int) -> int:
    """Return what of a price is paid, in cents, not under its floor."""
    return share_of(priced.amount_minor, basis_points, priced.inputs.floor_minor)


async def _own_months(dataset: str, now: dt.datetime) -> int:
    """Return the length of a dataset's own licence; refuses what is not on sale."""
    terms = existing(
        next(iter(await catalogue_queries.list_priced_offers([dataset], now)), None),
        NotFound("There is no dataset {dataset} in the catalogue.", dataset=dataset),
    )
    return terms.months


async def _prices(
    partner: uuid.UUID,
    dataset: str,
    stated: Sequence[int],
    now: dt.datetime,
    *,
    basis_points: int,
    until: dt.datetime,
    are_promises_met: bool = True,
) -> list[menu.HeldQuote]:
    """Return what every release of a dataset would cost the partner for each length, as prices that it holds.

    are_promises_met: as of `catalogue.prices_for`.
    """
    own = await _own_months(dataset, now)
    known = sorted({own, *(one.months for one in await catalogue_queries.list_lengths([dataset]))})
    if not set(stated) <= set(known):
        raise Invalid(
            "This dataset is sold for so many months: {months}. Write one or more of them.",
            months=", ".join(map(str, known)),
            field="months",
        )
    releases = await fetch_rows(PricedRelease, catalogue_queries.SQL["list_menu_releases"], [dataset])
    found = []
    for months in stated:
        prices = await catalogue.prices_for(releases, months=months, now=now, are_promises_met=are_promises_met)
        for release, (terms, priced) in prices.items():
            amount, licence = (
                _part(priced, basis_points),
                (terms.usage_right, terms.months, terms.purposes, terms.countries),
            )
            found.append(menu.HeldQuote(partner, release, 0, amount, until, *licence))
    return found

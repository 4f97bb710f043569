"""Actions of the catalogue: state licence terms, list a dataset, quote a price, learn demand."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from marketplace.catalogue.licences.policies import RIGHTS
from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.demand import draw_of_day, state_price
from marketplace.catalogue.offers.queries import (
    count_quotes,
    find_listed_release,
    find_quote_subject,
    is_reserved,
    list_levels,
    list_priced_offers,
    list_priced_releases,
)
from marketplace.catalogue.offers.tables import (
    ExclusiveWindow,
    LicenceTerms,
    ObservedBid,
    Offer,
    Quote,
)
from marketplace.catalogue.offers.uses import KeptTerms, check_use
from marketplace.catalogue.sheets.actions import count_points
from marketplace.catalogue.sheets.queries import get_law, get_sheet, list_points
from marketplace.catalogue.sheets.rules import Rates
from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.signing import sign
from marketplace.datasets.releases.queries import get_dataset, list_revocations
from pricing.agreed import amount_of, holding_of
from pricing.order import Lot, Priced, price, under

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from piccolo.columns import Column

    from marketplace.catalogue.offers.queries import ListedRelease
    from pricing.sheet import Law, Points


class PricedEdition(Struct, frozen=True):
    """One accuracy level on sale: 0 is the release itself; its noise variance is in millionths."""

    level: int
    noise_variance_micro: int
    error_people: int
    row_count: int
    priced: Priced


class Locked(Struct, frozen=True):
    """What a subscription locked: the law and the terms of a price, the licence, and the most that a release costs."""

    priced: Priced
    most_minor: int
    """In cents before VAT."""
    terms: str


class Together(Struct, frozen=True):
    """What releases cost in one order: each with its offer, in the order of the price's lots."""

    lots: list[tuple[rules.PricedRelease, rules.PricedOffer]]
    priced: Priced


class TooManyQuotes(Conflict):
    """A partner requested too many prices within a day."""


class StatedTerms(Struct, frozen=True):
    """The content of licence terms."""

    lines_fr: str
    lines_en: str
    months: int
    usage_right: str
    purposes: list[str]
    countries: list[str]


async def define_terms(
    code: str,
    *,
    months: int,
    lines_fr: str,
    lines_en: str,
    right: str = "publish",
    purposes: Sequence[str] = (),
    countries: Sequence[str] = (),
) -> str:
    """State licence terms in five lines a language and return their code; the same ones again change nothing.

    right: the allowed use, one of `policies.RIGHTS`. A licence's price rises with it and with the months. purposes,
    countries: the only allowed ones, see `catalogue.licences.policies`. Refuses to change stated terms: another version
    needs another code.
    """
    if right not in RIGHTS:
        raise Invalid("There is no such right of use.")
    rules.check_terms(code, months)
    stated = StatedTerms(lines_fr, lines_en, months, right, list(purposes), list(countries))
    terms = LicenceTerms(code=code, **asdict(stated))
    await LicenceTerms.insert(terms).on_conflict(action="DO NOTHING", target=LicenceTerms.code)
    if await fetch_row(StatedTerms, select(StatedTerms, LicenceTerms).where(LicenceTerms.code == code)) != stated:
        raise Conflict(
            "Terms once stated never change, and {code} are stated already: give the new ones another code.", code=code
        )
    return code


async def list_offer(dataset: str, *, terms: str, sheet: str) -> None:
    """Put every sealed release of a dataset up for sale on its market's sheet; listing it again replaces its terms.

    Refuses terms and a sheet that there are not, and a dataset that counts other figures than the sheet's market.
    """
    now = clock.now()
    async with transaction():
        await lock("offers")
        declared = await get_dataset(dataset)
        if not await LicenceTerms.exists().where(LicenceTerms.code == terms):
            raise NotFound("There are no licence terms {terms}.", terms=terms)
        market = await get_sheet(sheet)
        counts = (declared.product, declared.grain, declared.zone_table, declared.h3_resolution)
        if counts != (market.product, market.grain, market.zone_table, market.h3_resolution):
            raise Invalid("{dataset} counts other figures than the price sheet {sheet}.", dataset=dataset, sheet=sheet)
        await count_points(sheet, [dataset], now)
        offer = Offer(
            id=uuid.uuid4(), dataset=dataset, terms=terms, sheet=sheet, currency=market.currency, listed_at=now
        )
        changed: list[Column] = [Offer.terms, Offer.sheet, Offer.currency, Offer.withdrawn_at]
        await Offer.insert(offer).on_conflict(action="DO UPDATE", target=Offer.dataset, values=changed)
        listed = await fetch_scalar(uuid.UUID, Offer.select(Offer.id).where(Offer.dataset == dataset))
        for stated in await list_priced_offers([dataset], now):
            rules.refuse_unpriced(msgspec.json.decode(stated.rates, type=Rates), stated)
        await state_price(listed or offer.id, now)


async def withdraw_offer(dataset: str) -> None:
    """Stop selling a dataset; sold licences stay."""
    await Offer.update({Offer.withdrawn_at: clock.now()}).where(Offer.dataset == dataset, Offer.withdrawn_at.is_null())


async def price_now(release: rules.PricedRelease, *, now: dt.datetime) -> Priced:
    """Return today's price of a release, the same for every partner. Refuses a release that is not for sale."""
    offer = (await _offers([release.dataset], now)).get(release.dataset)
    return (await _priced([(release, 0, offer)], now))[0]


async def prices_now(releases: Sequence[rules.PricedRelease], *, now: dt.datetime) -> dict[uuid.UUID, Priced]:
    """Return today's price of each release that is for sale."""
    return {release: priced for release, (_, priced) in (await prices_for(releases, now=now)).items()}


async def prices_by_length(release: rules.PricedRelease, *, now: dt.datetime) -> list[tuple[int, Priced]]:
    """Return today's price of some lengths of licence in months, the shortest first, the offer's own among them."""
    offer = (await _offers([release.dataset], now)).get(release.dataset)
    if offer is None:
        return []
    lengths = sorted({offer.months, *rules.LENGTHS_SHOWN})
    prices = await _priced([(release, 0, rules.lasting(offer, months)) for months in lengths], now)
    return list(zip(lengths, prices, strict=True))


async def prices_for(
    releases: Sequence[rules.PricedRelease],
    *,
    months: int = 0,
    now: dt.datetime,
    stated_at: dt.datetime | None = None,
) -> dict[uuid.UUID, tuple[rules.PricedOffer, Priced]]:
    """Return today's price of each release for sale, with the offer whose price it is.

    months: the wanted length of licence; 0: the offer's own. stated_at: when the sheet's version and the law of volume
    are in force; None: now.
    """
    lots, laws = await _lots(releases, months, now, stated_at)
    return {release.id: (offer, price(laws[offer.currency], [lot])) for release, offer, lot in lots}


async def price_together(
    releases: Sequence[rules.PricedRelease], *, months: int = 0, now: dt.datetime
) -> Together | None:
    """Return what the releases cost today in one order, without those that are not for sale; None: none is.

    months: as in `prices_for`. Refuses releases that are sold in several currencies.
    """
    lots, laws = await _lots(releases, months, now)
    if len({offer.currency for _, offer, _ in lots}) > 1:
        raise Conflict("These releases are sold in different currencies: order those of each currency on their own.")
    if not lots:
        return None
    law = laws[lots[0][1].currency]
    return Together([(release, offer) for release, offer, _ in lots], price(law, [lot for _, _, lot in lots]))


async def _lots(
    releases: Sequence[rules.PricedRelease], months: int, now: dt.datetime, stated_at: dt.datetime | None = None
) -> tuple[list[tuple[rules.PricedRelease, rules.PricedOffer, Lot]], dict[str, Law]]:
    """Return what is for sale of some releases, each with its offer and its lot, and the law of volume by currency."""
    offers = await _offers([release.dataset for release in releases], now, stated_at)
    wanted = [
        (release, 0, rules.lasting(offer, months)) for release in releases if (offer := offers.get(release.dataset))
    ]
    points, laws = await _points(wanted, stated_at or now)
    lots = []
    for release, level, offer in wanted:
        with contextlib.suppress(Conflict):
            lot = rules.lot_of(release, offer, points.get((offer.sheet, release.id, level)), now)
            lots.append((release, offer, lot))
    return lots, laws


Wanted: TypeAlias = "tuple[rules.PricedRelease, int, rules.PricedOffer | None]"
"""A release at an accuracy level, and the offer that it is sold under."""


async def _priced(wanted: Sequence[Wanted], now: dt.datetime, companies: tuple[str, ...] = ()) -> list[Priced]:
    """Return the price of each; refuses one that is not for sale."""
    points, laws = await _points(wanted, now)
    found = []
    for release, level, offer in wanted:
        sold = existing(offer, Conflict("This release is not for sale."))
        if companies and sold.usage_right != "resell":
            raise Invalid("This licence does not allow passing the figures on.", field="companies")
        lot = rules.lot_of(release, sold, points.get((sold.sheet, release.id, level)), now, companies)
        found.append(price(laws[sold.currency], [lot]))
    return found


async def _points(
    wanted: Sequence[Wanted], now: dt.datetime
) -> tuple[dict[tuple[str, uuid.UUID, int], Points], dict[str, Law]]:
    """Return the points of what is wanted, by sheet, release and level, and the law of volume by currency."""
    sheets = {offer.sheet for _, _, offer in wanted if offer}
    currencies = {offer.currency for _, _, offer in wanted if offer}
    points = await list_points(sheets, {release.id for release, _, _ in wanted}) if sheets else {}
    return points, {currency: await get_law(currency, now) for currency in currencies}


async def _offers(
    datasets: Sequence[str], now: dt.datetime, stated_at: dt.datetime | None = None
) -> dict[str, rules.PricedOffer]:
    """Return the open offers of some datasets, by code, each with its draw of the day; stated_at: as in `prices_for`."""
    offers = await list_priced_offers(datasets, now, stated_at=stated_at)
    if undrawn := {offer.sheet for offer in offers if offer.demand_basis_points is None}:
        for sheet in sorted(undrawn):  # The first read of the day draws these sheets' demand.
            await draw_of_day(sheet, now)
        offers = await list_priced_offers(datasets, now, stated_at=stated_at)
    return {one.dataset: one for one in offers}


async def editions_now(release: ListedRelease, *, now: dt.datetime) -> list[PricedEdition]:
    """Return every accuracy level of a release with its price, the finest first; prices never rise with noise."""
    offer = (await _offers([release.dataset], now)).get(release.dataset)
    levels = await list_levels(release.id)
    finest, *coarser = await _priced([(release, level, offer) for level in [0, *(one.level for one in levels)]], now)
    return [
        PricedEdition(0, release.noise_variance_micro, release.error_people, release.row_count, finest),
        *(
            PricedEdition(one.level, one.noise_variance_micro, one.error_people, one.row_count, priced)
            for one, priced in zip(levels, coarser, strict=True)
        ),
    ]


async def quote(
    partner: uuid.UUID,
    release: uuid.UUID,
    *,
    quote_id: uuid.UUID,
    level: int = 0,
    is_held: bool = False,
    agreed: Mapping[str, int] | None = None,
    locked: Locked | None = None,
    months: int = 0,
    companies: Sequence[str] = (),
    now: dt.datetime | None = None,
) -> uuid.UUID:
    """Sign a price of `now`, for a vetted partner, and return the quote; the same id again is the same quote.

    level: 0 for the release itself, else of an edition. is_held: for thirty days, at an extra charge. agreed: other
    parts of the amount, see `pricing.agreed`. locked: what a subscription locked. months: the length of the
    licence; 0: the offer's own. companies: all that may use it, at the price of a licence each. Refuses a release not on
    sale, and more than rules.QUOTES_A_DAY.
    """
    now, named = now or clock.now(), rules.read_companies(companies)
    names = {*(agreed or {}), *(["most_minor"] if locked else []), *(["holding_minor"] if is_held else []), *named}
    asked = (partner, release, level, frozenset(names))
    if await _is_asked_again(quote_id, asked, months):
        return quote_id
    sold = await _on_sale(release, level)
    offer = (await _offers([sold.dataset], now)).get(sold.dataset)
    if offer:
        offer = await _under(offer, locked.terms) if locked else rules.lasting(offer, months)
    [priced] = await _priced([(sold, level, offer)], now, named)
    assert offer
    await check_use(partner, offer.terms, sold.dataset)
    await _refuse_reserved(partner, offer.id, now, now + rules.HOLD_LASTS if is_held else now)
    stated = dict(agreed or {})
    if locked:
        stated["most_minor"] = min(locked.most_minor, under(locked.priced, priced))
    if is_held:
        stated["holding_minor"] = holding_of(priced.amount_minor)
    signed = _quote_of(quote_id, partner, release, offer, now)
    signed.level, signed.amount_minor = level, amount_of(priced, stated)
    if is_held:
        signed.expires_at = now + rules.HOLD_LASTS
    await _sign_and_save(signed, priced, offer, stated)
    return quote_id


async def quote_together(partner: uuid.UUID, together: Together, quotes: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Sign the price of each lot of an order, for a vetted partner, as these quotes; all are ordered together or not at all.

    together: the order's price at `now`. Refuses what another partner holds exclusively, uses that were refused, and
    more than rules.QUOTES_A_DAY.
    """
    for lot, (quote_id, (release, offer)) in enumerate(zip(quotes, together.lots, strict=True)):
        await check_use(partner, offer.terms, release.dataset)
        await _refuse_reserved(partner, offer.id, now, now)
        signed = _quote_of(quote_id, partner, release.id, offer, now)
        signed.amount_minor = amount_of(together.priced, {"lot": lot})
        await _sign_and_save(signed, together.priced, offer, {"lot": lot})


def _quote_of(
    quote_id: uuid.UUID, partner: uuid.UUID, release: uuid.UUID, offer: rules.PricedOffer, now: dt.datetime
) -> Quote:
    """Return a quote of a release by an offer, without its amount, document and signature."""
    return Quote(
        id=quote_id,
        partner=partner,
        offer=offer.id,
        release=release,
        level=0,
        currency=offer.currency,
        quoted_at=now,
        expires_at=now + rules.QUOTE_LASTS,
        terms=offer.terms,
        months=offer.months,
    )


async def _sign_and_save(signed: Quote, priced: Priced, offer: rules.PricedOffer, agreed: Mapping[str, int]) -> None:
    """Write the document of a quote, sign it and save it."""
    signed.document = rules.write_document(
        signed.id,
        partner=signed.partner,
        release=signed.release,
        level=signed.level,
        offer=offer.id,
        priced=priced,
        quoted_at=signed.quoted_at,
        expires_at=signed.expires_at,
        evidence=offer.evidence,
        agreed=agreed,
    )
    signed.signature = sign(signed.document, settings().signing_key)
    await _save(signed, signed.quoted_at)


async def _under(offer: rules.PricedOffer, terms: str) -> rules.PricedOffer:
    """Return an offer under the terms for which a price was locked or announced; those of today change nothing."""
    kept = await fetch_row(KeptTerms, select(KeptTerms, LicenceTerms).where(LicenceTerms.code == terms))
    assert kept, "terms once stated are kept"
    return replace(offer, terms=terms, **asdict(kept))


async def _refuse_reserved(partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime, until: dt.datetime) -> None:
    if await is_reserved(offer, partner, now, until):
        raise Conflict("Another partner holds this dataset exclusively for now.")


async def _save(signed: Quote, now: dt.datetime) -> None:
    """Save a signed quote, unless its id exists or its partner requested too many within a day."""
    asked = (signed.partner, signed.release, signed.level, rules.asked_in(signed.document))
    async with transaction():
        await lock(f"quotes {signed.partner}")
        if await _is_asked_again(signed.id, asked):
            return
        if signed.expires_at - now > rules.QUOTE_LASTS:
            # Announcing an exclusive window locks the offer too: the second of the two sees the first.
            await fetch_scalar(uuid.UUID, Offer.select(Offer.id).where(Offer.id == signed.offer).lock_rows("SHARE"))
            await _refuse_reserved(signed.partner, signed.offer, now, signed.expires_at)
        if await count_quotes(signed.partner, now - rules.DAY) >= rules.QUOTES_A_DAY:
            raise TooManyQuotes(
                "You asked for {most} quotes within a day; ask again tomorrow.", most=rules.QUOTES_A_DAY
            )
        if not await Quote.insert(signed).on_conflict(action="DO NOTHING", target=Quote.id).returning(Quote.id):
            await _is_asked_again(signed.id, asked)


async def _on_sale(release: uuid.UUID, level: int) -> rules.PricedRelease:
    """Return a price's release; refuse a recalled one, and an unknown accuracy level."""
    row = existing(await find_listed_release(release), NotFound("There is no such release in the catalogue."))
    if await list_revocations([release]):
        raise Conflict("This release was called back and is no longer for sale.")
    if level and not any(one.level == level for one in await list_levels(release)):
        raise NotFound("There is no such edition of this release.")
    return row


async def _is_asked_again(
    quote_id: uuid.UUID, asked: tuple[uuid.UUID, uuid.UUID, int, frozenset[str]], months: int = 0
) -> bool:
    """Return whether the quote exists; refuse if it is another partner's or for something else."""
    known = await find_quote_subject(quote_id)
    same = known is None or known.asked == asked
    if not same or (known and months not in {0, known.months}):
        raise Conflict("That quote already exists; go back, reload the page and try again.")
    return known is not None


async def reserve_window(window: uuid.UUID, offer: uuid.UUID, starts_at: dt.datetime, ends_at: dt.datetime) -> None:
    """Quote nobody between two instants, half-open, until the window is awarded."""
    reserved = ExclusiveWindow(id=window, offer=offer, starts_at=starts_at, ends_at=ends_at)
    await ExclusiveWindow.insert(reserved).on_conflict(action="DO NOTHING", target=ExclusiveWindow.id)


async def grant_window(
    window: uuid.UUID, offer: uuid.UUID, partner: uuid.UUID | None, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Let only one partner buy an offer between two instants, half-open; None: the window is free again."""
    await ExclusiveWindow.delete().where(ExclusiveWindow.id == window)
    if partner is not None:
        granted = ExclusiveWindow(id=window, offer=offer, partner=partner, starts_at=starts_at, ends_at=ends_at)
        await ExclusiveWindow.insert(granted)


async def refresh_demand() -> None:
    """Draw the multiplier of the day of every sheet on which something is for sale; a job."""
    now = clock.now()
    on_sale = Offer.select(Offer.sheet).where(Offer.withdrawn_at.is_null()).distinct().output(as_list=True)
    for sheet in await on_sale:
        await draw_of_day(sheet, now)


async def record_observed_bids(
    auction: uuid.UUID,
    *,
    offer: uuid.UUID,
    release: uuid.UUID,
    terms: str,
    months: int,
    reserve_minor: int,
    bids: Mapping[uuid.UUID, int],
) -> None:
    """Store partners' bids for a licence of a release under these terms, of so many months, once a transcript revealed them.

    bids: partner → its highest bid in cents. Demand learns from them as from prices that each would have paid. It
    learns nothing if demand cannot move the price: the release is not for sale under these terms, or is worth less than
    the least charge.
    """
    if not bids:
        return
    now = clock.now()
    [row] = await list_priced_releases([release])
    known = (await _offers([row.dataset], now)).get(row.dataset)
    with contextlib.suppress(Conflict):
        if known is None or known.terms != terms:
            return
        [priced] = await _priced([(row, 0, rules.lasting(known, months))], now)
        worth = rules.worth_before_demand(priced)
        if worth < priced.law.least_minor:
            return
        await ObservedBid.insert(
            *(
                ObservedBid(
                    id=uuid.uuid4(),
                    offer=offer,
                    auction=auction,
                    partner=partner,
                    value_basis_points=rules.value_of_bid(amount_minor, worth),
                    reserve_basis_points=rules.value_of_bid(reserve_minor, worth),
                    observed_at=now,
                )
                for partner, amount_minor in bids.items()
            )
        ).on_conflict(action="DO NOTHING", target=(ObservedBid.auction, ObservedBid.partner))

"""The menu that a partner can reach, and its audit: nothing on it may be had for less by buying other things on it.

The menu is each accuracy level of each sealed release on sale, at today's price, of all datasets whose cells compare: what
they count, by which zones, times and bands. A part is a set of zones over a span of time, and some hours and bands of it, as
fine as the menu needs.
A partner that holds prices below the posted ones may combine both, so its menu is audited until these lapse.

Prices move by themselves. Those of one dataset move together, so what held of its menu goes on holding. Where several
compare, each with a floor, a half-life and a demand of its own, the menu is audited for all time to come, and no demand is
posted that would let one dataset's prices be undercut by another's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import accumulate, pairwise
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.queries import SQL, list_lengths, list_priced_offers
from marketplace.catalogue.offers.rules import EditionFigures, PricedRelease
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.errors import Cents, Conflict
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.formats import paris_day
from marketplace.datasets.builds.cells_file import Keys
from marketplace.datasets.pictures.published_cells import PublishedCells, RecordedFile, read_published
from marketplace.datasets.pictures.queries import segmented
from marketplace.datasets.releases.queries import get_dataset, key_zones
from marketplace.privacy.product_registry import PRODUCTS
from pricing.audit import Limits
from pricing.menus import Listed, overlapping
from pricing.quote import PriceInputs, price
from pricing.refusals import TooHard
from pricing.undercuts import Undercut, find_undercut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


MOST_NAMED: Final = 6
"""So many things of a combination are named in a sentence."""
DAY_SECONDS: Final = 86_400
TOO_MANY: Final = "Not listed: there are too many releases over the same days to show that none undercuts another."
UNDERCUT: Final = (
    "Not listed: {target} would cost {price}, but who buys {basket} has as much for {cost}, or nearly as much."
)
UNDERCUT_LATER: Final = "Not listed: {target} would cost {price}, but who buys {basket} has as much for {cost}, or nearly as much, on {when}."
IN_TURN: Final = (
    "Not listed: {target} would cost {price}, but who buys {basket} in turn has as much for {cost}, or nearly as much."
)
IN_TURN_LATER: Final = "Not listed: {target} would cost {price}, but who buys {basket} in turn has as much for {cost}, or nearly as much, from {when} on."
UNPROMISED: Final = "Not listed: were contributors promised nothing, {target} would cost {price}, but who buys {basket} would have as much for {cost}, or nearly as much."
UNPROMISED_LATER: Final = "Not listed: were contributors promised nothing, {target} would cost {price}, but who buys {basket} would have as much for {cost}, or nearly as much, on {when}."
UNPROMISED_IN_TURN: Final = "Not listed: were contributors promised nothing, {target} would cost {price}, but who buys {basket} in turn would have as much for {cost}, or nearly as much."
UNPROMISED_IN_TURN_LATER: Final = "Not listed: were contributors promised nothing, {target} would cost {price}, but who buys {basket} in turn would have as much for {cost}, or nearly as much, from {when} on."
SENTENCES: Final = {
    (False, False, False): UNDERCUT,
    (False, True, False): UNDERCUT_LATER,
    (True, False, False): IN_TURN,
    (True, True, False): IN_TURN_LATER,
    (False, False, True): UNPROMISED,
    (False, True, True): UNPROMISED_LATER,
    (True, False, True): UNPROMISED_IN_TURN,
    (True, True, True): UNPROMISED_IN_TURN_LATER,
}
"""What is bought in turn, what will be so later, what is so without promises to contributors → the sentence."""
NOTHING_KNOWN: Final = PublishedCells(None, None)
TOLERANCES: Final = (Fraction(0), Fraction(1, 10_000), Fraction(1, 100), Fraction(1, 10))
"""So much worse a combination may be, when it is cheaper by more than that; the least one is what rounding adds."""


class LastDraw(Struct, frozen=True):
    """The latest demand multiplier of an offer, in basis points."""

    offer: uuid.UUID
    demand_basis_points: int


class MenuLevel(EditionFigures, frozen=True):
    """A coarser accuracy level of a release; its noise variance is in millionths."""

    release: uuid.UUID
    level: int


class PublishedZones(Struct, frozen=True):
    """How many cells of each zone of its dataset, ascending, and day a release publishes at an accuracy level."""

    release: uuid.UUID
    level: int
    published_by_zone: list[int]
    cells_sha256: str
    hours_by_day: list[int]


class HeldQuote(Struct, frozen=True):
    """A posted price, in cents before VAT, that a partner may still order at, with the licence it is for."""

    partner: uuid.UUID
    release: uuid.UUID
    level: int
    amount_minor: int
    expires_at: dt.datetime
    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]
    """Of the licence; empty: any."""


class Buyer(NamedTuple):
    """Who is to buy, a company's accounts, and the least that is signed, in cents, of releases at a level for so many months.

    A way counts that uses one of those.

    instead: what other lengths would cost with as much off: licences of its release alone undercut one only below that.
    is_today: it buys today, and not as long as it holds prices.
    """

    partners: Sequence[uuid.UUID]
    signed: Mapping[tuple[uuid.UUID, int, int], int]
    instead: Mapping[tuple[uuid.UUID, int, int], int] = MappingProxyType({})
    is_today: bool = True


class Item(Struct, frozen=True):
    """One thing on the menu: a release at an accuracy level, under a licence, for a price in cents."""

    release: PricedRelease
    level: int
    ends_at: dt.datetime
    """The end of the last day with a figure."""
    inputs: PriceInputs
    amount_minor: int
    usage_right: str
    months: int
    limits: Limits
    held_until: dt.datetime | None = None
    is_posted: bool = True
    """Anybody may buy it, later too; what is held alone, its partner once."""
    is_signed: bool = False
    """Its price is one of those that are audited: a combination without any of them was there before."""
    instead_minor: int | None = None
    """What it would cost with as much off as what is signed: licences of its release alone undercut it only below that."""

    @property
    def key(self) -> tuple[uuid.UUID, int, str, int, Limits]:
        """What tells it from anything else, apart from its price."""
        return self.release.id, self.level, self.usage_right, self.months, self.limits

    def is_like(self, other: Item) -> bool:
        """Return whether it has the same right and length as another one, and somebody may buy either for the same use."""
        return (self.usage_right, self.months) == (other.usage_right, other.months) and self.limits.meet(other.limits)

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """When its period begins, and its last day with a figure ends."""
        return self.release.period_from, self.ends_at

    @property
    def name(self) -> str:
        """Dataset, first and last day, and what else tells it apart."""
        first, last = self.release.period_from, self.ends_at - dt.timedelta(seconds=1)
        words = [self.release.dataset, f"{paris_day(first)}/{paris_day(last)}"]
        words += [f"± {self.level}"] if self.level else []
        words += [f"({self.held_until:%Y-%m-%d %H:%M} UTC)"] if self.held_until else []
        return " ".join(words)


async def audit_published(dataset: str, now: dt.datetime) -> None:
    """Refuse a menu on which a release that is being published undercuts something, or is undercut; in that transaction.

    A dataset that is not on sale adds nothing to a menu: it is audited when it is listed.
    """
    await lock("offers")
    if await list_priced_offers([dataset], now):
        await audit(dataset, now)


async def audit(
    dataset: str,
    now: dt.datetime,
    also: Sequence[HeldQuote] = (),
    *,
    buyer: Buyer | None = None,
    promised: Sequence[rules.PricedOffer] = (),
) -> None:
    """Refuse, with the cheapest combination, a menu on which something could be had for less; in the listing's transaction.

    Only what compares with the releases of `dataset` is looked at: the rest is as it was. also: prices a partner is to have.
    buyer: it alone is to buy, so that what others hold is not on its menu; None: anybody, also later. promised:
    offers of the day on which its price was promised: what undercut nothing beside those is not refused for a later rise.
    """
    compared = await _compared(dataset, now, {})
    if not (posted := await asyncio.to_thread(compared.posted, now)):
        return
    quotes = await fetch_rows(HeldQuote, SQL["list_held_quotes"], [one.id for one in compared.releases], now)
    lower = [*quotes, *also]
    try:
        await asyncio.to_thread(_refuse_undercuts, posted, lower, compared, now, buyer)
    except Conflict:
        earlier = {
            offer.dataset: replace(offer, promised_minor=0) for offer in promised if offer.dataset in compared.offers
        }
        if not earlier:
            raise
        compared = compared._replace(offers={**compared.offers, **earlier})
        posted = await asyncio.to_thread(compared.posted, now)
        await asyncio.to_thread(_refuse_undercuts, posted, lower, compared, now, buyer)
    if buyer is None and len(compared.offers) > 1:
        await asyncio.to_thread(_refuse_undercut, posted, compared, now, until=None)


async def may_post(dataset: str, multiplier: int, now: dt.datetime) -> bool:
    """Return whether a dataset's prices may follow a demand multiplier: whether nothing posted could then, or later, be had for less.

    What partners hold is left aside: an earlier price that is still good keeps nobody from posting another.
    """
    compared = await _compared(dataset, now, {dataset: multiplier})
    if len(compared.offers) > 1 and (posted := await asyncio.to_thread(compared.posted, now)):
        try:
            await asyncio.to_thread(_refuse_undercut, posted, compared, now, until=None)
        except Conflict:
            return False
    return True


class _Compared(NamedTuple):
    """What is on sale of a dataset and of those whose cells compare with its own."""

    offers: Mapping[str, rules.PricedOffer]
    releases: Sequence[PricedRelease]
    levels: Mapping[uuid.UUID, Sequence[MenuLevel]]
    zones: Mapping[str, Sequence[str]]
    """Of each dataset, ascending, where there are several."""
    half_life: int
    """In seconds."""
    lengths: Sequence[rules.Length] = ()
    """Of licences, besides the offers' own: each is on the menu, too."""
    published: Mapping[tuple[uuid.UUID, int], NDArray[np.int64]] = MappingProxyType({})
    """Of each release and level, the cells of zones × days, where there are several datasets and it is known."""
    between_zones: bool = False
    cells: Mapping[tuple[uuid.UUID, int], PublishedCells] = MappingProxyType({})
    """Of each release and level, what its file has, where there are several datasets and that says more."""
    is_promised: bool = False
    """Today promises to contributors raise what is looked at without them."""

    def posted(self, now: dt.datetime) -> list[Item]:
        """Return what is on sale at an instant, with today's demand."""
        return [
            item
            for release in self.releases
            for offer in rules.by_length(self.offers[release.dataset], self.lengths)
            for item in _items(release, self.levels.get(release.id, ()), offer, now)
        ]


async def list_compared_offers(dataset: str, now: dt.datetime) -> list[rules.PricedOffer]:
    """Return the offers of a dataset and of those whose cells compare with its own, with the day's demand.

    Without promises to contributors, which begin and end, and meanwhile raise all of them to one amount at least: what costs
    no less than something does not then, either.
    """
    return [replace(offer, promised_minor=0) for offer in await _list_offers(dataset, now)]


async def _list_offers(dataset: str, now: dt.datetime) -> list[rules.PricedOffer]:
    codes = await fetch_scalar(list, SQL["list_comparable_datasets"], dataset, segmented())
    return await _drawn(await list_priced_offers(codes or [], now), now)


async def _compared(dataset: str, now: dt.datetime, multipliers: Mapping[str, int]) -> _Compared:
    """Read what compares with a dataset; `multipliers` are what demand is to be of some."""
    listed = await _list_offers(dataset, now)
    offers = {offer.dataset: replace(offer, promised_minor=0) for offer in listed}
    is_promised = any(offer.promised_minor for offer in listed)
    codes = sorted(offers)
    for code in multipliers.keys() & offers.keys():
        offers[code] = replace(offers[code], demand_basis_points=multipliers[code])
    releases = await fetch_rows(PricedRelease, SQL["list_menu_releases"], codes)
    levels: dict[uuid.UUID, list[MenuLevel]] = defaultdict(list)
    for level in await fetch_rows(MenuLevel, SQL["list_menu_levels"], [release.id for release in releases]):
        levels[level.release].append(level)
    zones = {code: await key_zones(code) for code in codes} if len(codes) > 1 else {}
    of_release = {release.id: release for release in releases if zones}
    rows = await fetch_rows(PublishedZones, SQL["list_published_zones"], list(of_release))
    published = {
        (row.release, row.level): np.array(row.published_by_zone).reshape(-1, len(row.hours_by_day)) for row in rows
    }
    half_life = offers[dataset].half_life_days * DAY_SECONDS if dataset in offers else DAY_SECONDS
    product = PRODUCTS[(await get_dataset(dataset)).product]
    cells = await read_published(await _files(dataset, zones, of_release, rows))
    known = {key: _if_all(one, published[key]) for key, one in cells.items()}
    between, lengths = product.is_between_zones, await list_lengths(codes)
    return _Compared(offers, releases, levels, zones, half_life, lengths, published, between, known, is_promised)


async def _files(
    dataset: str,
    zones: Mapping[str, Sequence[str]],
    releases: Mapping[uuid.UUID, PricedRelease],
    rows: Sequence[PublishedZones],
) -> dict[tuple[uuid.UUID, int], RecordedFile]:
    """Return the files of releases that compare with a dataset, where they say more than is noted; rows: what is noted."""
    terms = await get_dataset(dataset)
    product, is_hourly = PRODUCTS[terms.product], terms.grain == "hour"
    segments = sorted(product.segments or terms.age_bands)  # one order for all that compare
    files = {}
    for row in rows if is_hourly or len(segments) > 1 or product.is_between_zones else ():
        release = releases[row.release]
        steps = range(sum(row.hours_by_day) + 1) if is_hourly else [*accumulate(row.hours_by_day, initial=0)]
        keys = Keys(zones[release.dataset], release.period_from, steps, segments, product.is_between_zones)
        files[row.release, row.level] = RecordedFile(keys, row.cells_sha256)
    return files


def _if_all(cells: PublishedCells, published: NDArray[np.int64]) -> PublishedCells:
    """Return what a file has, without its hours and segments where these are not of all cells that are published."""
    is_all = cells.cells is not None and cells.cells.sum() == published.sum()
    return cells if is_all else cells._replace(cells=None)


async def _drawn(offers: Sequence[rules.PricedOffer], now: dt.datetime) -> list[rules.PricedOffer]:
    """Return offers with the day's multiplier; with the last one where it is not drawn yet, neutral where none was."""
    undrawn = [offer.id for offer in offers if offer.demand_basis_points is None]
    if not undrawn:
        return list(offers)
    last = await fetch_rows(LastDraw, SQL["list_last_draws"], undrawn, now.astimezone(dt.UTC).date())
    known = {offer.id: offer.demand_basis_points for offer in offers if offer.id not in undrawn}
    multipliers = dict.fromkeys(undrawn, rules.NEUTRAL) | {row.offer: row.demand_basis_points for row in last} | known
    return [replace(offer, demand_basis_points=multipliers[offer.id]) for offer in offers]


def _items(
    release: PricedRelease, levels: Sequence[MenuLevel], offer: rules.PricedOffer, now: dt.datetime
) -> Iterable[Item]:
    """Yield what is on sale of one release, the finest first; nothing where it has no price."""
    operator = settings().operator_basis_points
    for level, row in [(0, release), *((one.level, rules.coarser(release, one)) for one in levels)]:
        try:
            inputs = rules.price_inputs(row, offer, operator_basis_points=operator, now=now)
        except Conflict:
            return
        ends_at = release.period_from + inputs.period_hours * rules.HOUR
        amount, limits = (
            price(inputs).amount_minor,
            Limits(*map(frozenset, (offer.purposes, offer.sectors, offer.countries))),
        )
        yield Item(release, level, ends_at, inputs, amount, offer.usage_right, offer.months, limits)


def _refuse_undercuts(
    posted: Sequence[Item], quotes: Sequence[HeldQuote], compared: _Compared, now: dt.datetime, buyer: Buyer | None
) -> None:
    """Refuse items of the posted menu, and of each partner's, or of a buyer's, of which one could be had for less."""
    if buyer:
        posted = [
            replace(one, instead_minor=buyer.instead.get((one.release.id, one.level, one.months))) for one in posted
        ]
        quotes = [replace(one, partner=buyer.partners[0]) for one in quotes if one.partner in buyer.partners]
    else:
        _refuse_undercut(posted, compared, now)
    is_today = buyer is not None and buyer.is_today
    for menu, since, until in _menus(posted, quotes, now, buyer.signed if buyer else None):
        if not (is_today and since):
            _refuse_undercut(menu, compared, now, since=since, until=0 if is_today else until)


def _menus(
    posted: Sequence[Item],
    quotes: Sequence[HeldQuote],
    now: dt.datetime,
    signed: Mapping[tuple[uuid.UUID, int, int], int] | None = None,
) -> Iterable[tuple[list[Item], int, int]]:
    """Yield the menus of partners that hold prices below the posted ones, each with in how many seconds it begins and ends.

    What a partner may have at two prices is there at the lower one, which the posted one may be in time: so is what is posted
    for other uses, where it may be bought for the same one. What it holds under another licence is there besides. signed: as
    of `Buyer`; None: all are audited.
    """
    menu, of_edition = {item.key: item for item in posted}, defaultdict[tuple[uuid.UUID, int], list[Item]](list)
    for item in posted:
        of_edition[item.release.id, item.level].append(item)
    of_partner: dict[uuid.UUID, list[tuple[int, Item]]] = defaultdict(list)
    for quote in sorted(quotes, key=lambda quote: -quote.amount_minor):
        if not (same := of_edition.get((quote.release, quote.level))):
            continue
        limits = Limits(frozenset(quote.purposes), same[0].limits.sectors, frozenset(quote.countries))
        licence = {"usage_right": quote.usage_right, "months": quote.months, "limits": limits}
        price = {"amount_minor": quote.amount_minor, "held_until": quote.expires_at}
        least = 0 if signed is None else signed.get((quote.release, quote.level, quote.months), inf)
        price["is_signed"] = quote.amount_minor >= least
        other = replace(same[0], is_posted=False, **licence, **price)
        lower = [one for one in same if one.amount_minor > quote.amount_minor and one.is_like(other)]
        lasts = max(int((quote.expires_at - now).total_seconds()), 1)
        had = [replace(item, **price) for item in lower] + ([other] if other.key not in menu else [])
        of_partner[quote.partner] += [(lasts, item) for item in had]
    for own in of_partner.values():
        for since, until in pairwise(sorted({0, *(lasts for lasts, _ in own)})):
            yield list((menu | {lower.key: lower for lasts, lower in own if lasts >= until}).values()), since, until


def _refuse_undercut(
    menu: Sequence[Item], compared: _Compared, now: dt.datetime, *, since: int = 0, until: int | None = 0
) -> None:
    """Refuse items of which one could be had for less by buying others: now or, as prices fall, between two numbers of seconds.

    until: None: ever.
    """
    is_partners, at = any(item.held_until for item in menu), int(now.timestamp())
    for items in overlapping(menu):
        listed = _listed(items, compared)
        signed = {one.name for one, item in zip(listed, items, strict=True) if item.is_signed}
        if is_partners and not signed:
            continue  # as it was
        try:
            found = find_undercut(listed, compared.half_life, at, TOLERANCES, since=since, until=until, using=signed)
        except TooHard:
            raise Conflict(TOO_MANY) from None
        if found:
            is_long = len({item.months for item in items}) > 1
            names = {
                one.name: f"{item.name} · {item.months or '∞'} m" if is_long else item.name
                for one, item in zip(listed, items, strict=True)
            }
            raise _undercut(names, found, now, is_promised=compared.is_promised)


def _undercut(names: Mapping[str, str], found: Undercut, now: dt.datetime, *, is_promised: bool) -> Conflict:
    """Return the refusal that names what is found."""
    times = Counter(names[name] for name in found.way.basket)
    basket = [f"{name} × {number}" if number > 1 else name for name, number in times.items()]
    more = [f"+ {len(basket) - MOST_NAMED}"] if len(basket) > MOST_NAMED else []
    words = {
        "target": names[found.way.target],
        "price": Cents(found.price_minor),
        "basket": ", ".join(basket[:MOST_NAMED] + more),
        "cost": Cents(found.way.cost_minor),
    }
    if found.seconds:
        words["when"] = f"{now.astimezone(dt.UTC) + dt.timedelta(seconds=found.seconds):%Y-%m-%d %H:%M} UTC"
    return Conflict(SENTENCES[any(found.way.starts), bool(found.seconds), is_promised], **words)


def _listed(items: Sequence[Item], compared: _Compared) -> list[Listed]:
    """Return items as `pricing.menus` sells them."""
    ranks = sorted(set(rules.RIGHTS.values()))
    return [
        Listed(
            " ".join(map(str, item.key)),
            item.amount_minor,
            item.inputs,
            int(item.release.period_from.timestamp()),
            str(item.release.id),
            item.release.dataset,
            compared.zones.get(item.release.dataset, ()),
            compared.published.get((item.release.id, item.level)),
            compared.between_zones,
            cells.pairs,
            ranks.index(rules.RIGHTS[item.usage_right]),
            item.months,
            item.held_until is not None,
            item.is_posted,
            f"{item.release.id} {item.level}",
            cells.cells,
            item.limits,
            item.instead_minor,
        )
        for item in items
        for cells in (compared.cells.get((item.release.id, item.level), NOTHING_KNOWN),)
    ]

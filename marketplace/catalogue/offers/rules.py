"""Rules of prices and quotes: a price's inputs, a quote's content, who can check it, how demand learns.

A price depends on published metadata only: figures of the release's row, the offer's terms, the day's draw and the
clock. A quote's document has all of it, so that anyone can recompute the price and check the signature.

Source: RFC 8785, JSON Canonicalization Scheme; RFC 8032, Ed25519.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import rfc8785
from msgspec import Struct
from msgspec.structs import asdict, replace

from marketplace.core import signing
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import full_hour
from marketplace.privacy.specification import STEPS
from pricing import quote as pricing
from pricing.agreed import stated_holding
from pricing.demand import Draw, Reaction, approach, draw, learn_bids, learn_days, nearest, new_demand, usual_payment
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from pricing.demand import RevealedBid

QUOTE_LASTS: Final = dt.timedelta(minutes=15)
HOLD_LASTS: Final = dt.timedelta(days=30)
"""How long a price may be held, for an extra charge: a company decides in weeks."""
BETWEEN_HOLDS: Final = dt.timedelta(days=30)
"""How long a partner cannot hold a dataset's price after one lapsed. A hold delays a steward who wants to change the
offer or to auction it exclusively, and nobody may do that for ever without buying.
"""
MOST_LEFT: Final = 3
"""Most unpaid pages for choosing a transfer that a company may leave, of one dataset in that time: each held the price.
"""
NEUTRAL: Final = 10_000
MICRO: Final = 10**6
DEMAND_GRID: Final = tuple(round(NEUTRAL * 1.05**power) for power in range(-14, 15))
"""The multipliers of a draw, in basis points: half of worth to twice as much, evenly in ratio. Posted ones lie between.
"""
DEMAND_LASTS: Final = dt.timedelta(days=7)
"""How long a multiplier stays at least, so that waiting for a lower one gains at most one step."""
DEMAND_REMEMBERS: Final = dt.timedelta(days=365)
"""How long demand learns from a sale or a bid."""
QUOTES_A_DAY: Final = 50
"""Signed prices of a partner within a day: enough for every release of a catalogue, too few to overload the site."""
PERSON_VARIANCE_MICRO: Final = 250_000
"""The largest variance of one yes-or-no, in millionths."""
PRIOR_OBSERVATIONS: Final = 40
"""A buyer's prior knowledge of a zone, in people observed."""
SURVEY_PEOPLE: Final = 3_000
"""A buyer's knowledge of the whole area without the data, as that of a national survey of so many people."""
UNSEEN_SQUARED_MICRO: Final = 25
"""The squared correlation, in millionths, between being counted and consenting, assumed without an age band that shows
it: 0.005 squared, what Meng (2018) found for voters. With it, 2.3 million people of 230 million count as about 400.
"""
ASSOCIATION_SQUARED_MICRO: Final = 2_500
"""The squared correlation assumed between being counted and the differences of age bands in consenting: 0.05 squared.
"""
RIGHTS: Final[Mapping[str, int]] = MappingProxyType({"internal": 6_000, "publish": 8_000, "resell": 10_000})
"""The worth of a licence's right of use in basis points of the widest one, narrow to wide: use inside the company;
publishing, also in products; passing the figures on.
"""
MOST_WORTH_DAYS: Final = 366
"""A full worth is stated for at most a year."""
LARGEST_CAP_MINOR: Final = 100_000_000_000
LONGEST_LICENCE_MONTHS: Final = 120
TERMS_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)
FEE_BASIS_POINTS: Final = 500
FEE_FIXED_MINOR: Final = 50
"""The assumed fee of a payment before it is known, as a part of the price before VAT: well above Stripe's."""


class PricedRelease(Struct, frozen=True):
    """The inputs of a release's price: published figures."""

    id: uuid.UUID
    dataset: str
    state: str
    period_from: dt.datetime
    period_to: dt.datetime
    latest_event_at: dt.datetime | None
    key_count: int
    row_count: int
    consenting: int
    population: int
    noise_variance_micro: int
    consenting_by_band: list[int]
    population_by_band: list[int]
    hours_by_day: list[int]
    published_by_day: list[int]


class EditionFigures(Struct, frozen=True):
    """The inputs in which a coarser edition's price differs from its release's."""

    noise_variance_micro: int
    row_count: int
    hours_by_day: list[int]
    published_by_day: list[int]


class Evidence(Struct, frozen=True):
    """The evidence for a demand multiplier, published with it."""

    sales: int = 0
    """Licences paid at posted prices in the year before, …"""
    days: int = 0
    """… on so many days, …"""
    bids: int = 0
    """… and bids that auctions revealed in that year, one for each partner and quarter."""

    @property
    def is_learnt(self) -> bool:
        """Whether anything was sold or bid; otherwise demand is neutral."""
        return self.sales + self.bids > 0


NOTHING_LEARNT: Final = Evidence()


class PricedOffer(Struct, frozen=True):
    """The inputs of a price besides the release: the offer's terms, the day's draw and promises to contributors."""

    id: uuid.UUID
    dataset: str
    terms: str
    usage_right: str
    months: int
    grain: str
    currency: str
    full_worth_minor: int
    worth_days: int
    floor_minor: int
    cap_minor: int
    half_life_days: int
    demand_basis_points: int | None
    """None until the day's multiplier is drawn."""
    promised_minor: int
    """The possible cost of promises to contributors for one licence, of its dataset or of any that overlaps with it."""
    demand_sales: int | None = None
    demand_days: int | None = None
    demand_bids: int | None = None
    purposes: list[str] = []
    countries: list[str] = []
    """Countries that the terms allow; empty: any."""
    sectors: list[str] = []
    """Sectors of buyers that the dataset allows; empty: any."""

    @property
    def evidence(self) -> Evidence:
        """The evidence for the day's multiplier."""
        return Evidence(self.demand_sales or 0, self.demand_days or 0, self.demand_bids or 0)


class Length(Struct, frozen=True):
    """Terms of another number of months under which a dataset is also sold."""

    dataset: str
    terms: str
    months: int


def by_length(offer: PricedOffer, lengths: Iterable[Length]) -> list[PricedOffer]:
    """Return an offer under each of its terms, the shortest first; lengths: of any datasets."""
    others = [replace(offer, terms=one.terms, months=one.months) for one in lengths if one.dataset == offer.dataset]
    return sorted([offer, *others], key=lambda one: one.months)


def logged_price(offer: PricedOffer, day: str) -> dict[str, str | int]:
    """Return the log's statement about an offer's price on a day: all inputs except the release."""
    assert offer.demand_basis_points is not None, "the day's multiplier is drawn before"
    return {
        "offer": str(offer.id),
        "dataset": offer.dataset,
        "day": day,
        "terms": offer.terms,
        "usage_right": offer.usage_right,
        "months": offer.months,
        "currency": offer.currency,
        "full_worth_minor": offer.full_worth_minor,
        "worth_days": offer.worth_days,
        "floor_minor": offer.floor_minor,
        "cap_minor": offer.cap_minor,
        "half_life_days": offer.half_life_days,
        "demand_basis_points": offer.demand_basis_points,
        "promised_minor": offer.promised_minor,
    }


class StatedOffer(Struct, frozen=True):
    """An offer as a steward states it; amounts are in cents, the full worth is of `worth_days` days."""

    terms: str
    full_worth_minor: int
    worth_days: int
    floor_minor: int
    cap_minor: int


def check_offer(stated: StatedOffer) -> None:
    """Refuse an offer whose price could not be computed."""
    if not 0 < stated.floor_minor <= stated.cap_minor or stated.full_worth_minor <= 0:
        raise Invalid("An offer needs a worth, and a floor above zero that is not above its cap.")
    if max(stated.cap_minor, stated.full_worth_minor) > LARGEST_CAP_MINOR:
        raise Invalid("A worth and a cap are a thousand million euros at most.")
    if not 1 <= stated.worth_days <= MOST_WORTH_DAYS:
        raise Invalid("The full worth is stated for between 1 and {days} days.", days=MOST_WORTH_DAYS)


def check_terms(code: str, months: int) -> None:
    """Refuse a code of licence terms that is no slug, and a licence that lasts no month or more than ten years."""
    if not TERMS_CODE.fullmatch(code):
        raise Invalid("The code of licence terms is written in small letters, digits and hyphens, such as standard-1.")
    if not 1 <= months <= LONGEST_LICENCE_MONTHS:
        raise Invalid("A licence lasts between 1 and {months} months.", months=LONGEST_LICENCE_MONTHS)


def next_version(code: str) -> str:
    """Return the code of the next version of licence terms: standard-1 → standard-2."""
    name, _, version = code.rpartition("-")
    return f"{name}-{int(version) + 1}" if name and version.isdecimal() else f"{code}-2"


def price_inputs(
    release: PricedRelease, offer: PricedOffer, *, operator_basis_points: int, now: dt.datetime
) -> pricing.PriceInputs:
    """Gather the inputs of a price, all of them published.

    The period ends with the last day that has a figure. Its age is counted to the last full hour, so that simultaneous
    partners see the same price, and all prices change together. With a promise to contributors, the floor is high
    enough for the operator's part, which pays for it, to cover it after the payment's fee. The day's multiplier is
    drawn before. Refuses a release that is not sealed or has no figures, and a promise above the cap.
    """
    if release.state != "sealed" or not release.row_count or release.latest_event_at is None:
        raise Conflict("This release is not for sale.")
    assert offer.demand_basis_points is not None, "the day's multiplier is drawn before"
    floor = offer.floor_minor
    if offer.promised_minor:
        after_fee = pricing.covering_floor(offer.promised_minor, max(operator_basis_points, 1))
        floor = max(floor, -(-(after_fee + FEE_FIXED_MINOR) * NEUTRAL // (NEUTRAL - FEE_BASIS_POINTS)))
    if floor > offer.cap_minor:
        raise Conflict("This release is not for sale: what contributors were promised is above the highest price.")
    cells_at_once = max(release.key_count // _times(release.period_to - release.period_from, offer.grain), 1)
    days, ends_at = _days(release, cells_at_once, offer.grain)
    people = max(release.consenting, 1)
    return pricing.PriceInputs(
        currency=offer.currency,
        full_worth_minor=offer.full_worth_minor,
        worth_days=offer.worth_days,
        days=days,
        bands=_bands(release),
        cells_at_once=cells_at_once,
        people=people,
        population=max(release.population, people),
        association_squared_micro=ASSOCIATION_SQUARED_MICRO,
        unseen_squared_micro=UNSEEN_SQUARED_MICRO,
        variance_micro=PERSON_VARIANCE_MICRO,
        noise_variance_micro=release.noise_variance_micro,
        prior_observations=PRIOR_OBSERVATIONS,
        survey_people=SURVEY_PEOPLE,
        age_seconds=max(int((full_hour(now) - ends_at).total_seconds()), 0),
        half_life_days=offer.half_life_days,
        right_basis_points=RIGHTS[offer.usage_right],
        term_months=offer.months,
        demand_basis_points=offer.demand_basis_points,
        floor_minor=floor,
        cap_minor=offer.cap_minor,
    )


def _days(release: PricedRelease, cells_at_once: int, grain: str) -> tuple[tuple[pricing.Day, ...], dt.datetime]:
    """Return the published figures of each day up to the last one with a figure, and the end of that day."""
    last = max(at for at, cells in enumerate(release.published_by_day) if cells)
    hours, published = release.hours_by_day[: last + 1], release.published_by_day[: last + 1]
    ends_at = release.period_from + sum(hours) * HOUR
    declared = [cells_at_once * _times(each * HOUR, grain) for each in hours]
    days = zip(hours, published, declared, strict=True)
    return tuple(pricing.Day(length, min(cells, most), most) for length, cells, most in days), ends_at


def _bands(release: PricedRelease) -> tuple[pricing.Band, ...]:
    """Return the consenting share of each age band that has people."""
    both = zip(release.consenting_by_band, release.population_by_band, strict=True)
    return tuple(pricing.Band(people, population) for people, population in both if population)


def _times(period: dt.timedelta, grain: str) -> int:
    """Return the number of hours, days or weeks of a period; two of them a year are an hour shorter or longer."""
    return max(round(period / STEPS[grain]), 1)


def coarser(release: PricedRelease, edition: EditionFigures) -> PricedRelease:
    """Return the inputs of a coarser edition's price: the release's, with the edition's noise and published cells."""
    return replace(
        release,
        noise_variance_micro=edition.noise_variance_micro,
        row_count=edition.row_count,
        hours_by_day=edition.hours_by_day,
        published_by_day=edition.published_by_day,
    )


def write_document(
    quote: uuid.UUID,
    *,
    partner: uuid.UUID,
    release: uuid.UUID,
    offer: uuid.UUID,
    priced: pricing.PricedQuote,
    quoted_at: dt.datetime,
    expires_at: dt.datetime,
    level: int = 0,
    evidence: Evidence = NOTHING_LEARNT,
    agreed: Mapping[str, int] = MappingProxyType({}),
) -> bytes:
    """Return a quote's canonical bytes: partner, release, the price's steps and its end.

    evidence: for the demand in the price. agreed: other parts of the amount, see `amount_of`.
    """
    return rfc8785.dumps(
        dict(agreed)
        | {
            "quote": str(quote),
            "partner": str(partner),
            "release": str(release),
            "level": level,
            "offer": str(offer),
            "quoted_at": quoted_at.isoformat(),
            "expires_at": expires_at.isoformat(),
            "price": json.loads(pricing.canonical(priced)),
            "demand": asdict(evidence),
        }
    )


def verify(document: bytes, signature: bytes, key: str) -> None:
    """Refuse a document without a valid signature by the hex public `key`."""
    try:
        is_signed = signing.verify(document, signature, bytes.fromhex(key))
    except ValueError:  # not hex
        is_signed = False
    if not is_signed:
        raise Invalid("This quote was changed, or was not signed by Partage.")


def recompute(document: bytes, signature: bytes, key: str) -> pricing.PricedQuote:
    """Check a quote's signature, recompute its price from its own content and return it."""
    verify(document, signature, key)
    try:
        return pricing.from_canonical(rfc8785.dumps(json.loads(document)["price"]))
    except (PricingRefusal, ValueError, KeyError, TypeError):
        raise Invalid("This quote does not say how its price came about.") from None


def evidence_of(document: bytes) -> Evidence:
    """Return the evidence for the demand in a quote's price, from its document."""
    return Evidence(**json.loads(document)["demand"])


def neutral_minor(document: bytes, amount_minor: int) -> int:
    """Return a quote's payment without its hold, at neutral demand; floor and cap are ignored."""
    return (
        (amount_minor - stated_holding(document))
        * NEUTRAL
        // max(int(json.loads(document)["price"]["inputs"]["demand_basis_points"]), 1)
    )


def worth_before_demand(priced: pricing.PricedQuote) -> int:
    """Return a price before demand multiplies it, in cents: all steps of its waterfall before that one."""
    names = [step.name for step in priced.waterfall]
    return sum(step.amount_minor for step in priced.waterfall[: names.index("demand")])


def value_of_bid(amount_minor: int, worth_minor: int) -> int:
    """Return the demand multiplier, in basis points, that makes a price equal a bid; floor and cap are ignored."""
    return NEUTRAL * amount_minor // worth_minor


def draw_of(
    past: Sequence[tuple[dt.date, int]],
    answers: Iterable[tuple[dt.date, str, float]],
    day: dt.date,
    rng: np.random.Generator,
    bids: Iterable[RevealedBid] = (),
) -> int:
    """Return the demand multiplier that the posted one approaches; neutral without sales and bids.

    past: the multipliers of earlier days on which partners could buy, by day. answers: (day, partner, paid) of quotes
    on those days; paid as `Reaction.paid`; unpaid ones are not used. bids: those that auctions revealed.
    """
    by_day: dict[dt.date, list[Reaction]] = {}
    for answered, partner, paid in answers:
        if paid:
            by_day.setdefault(answered, []).append(Reaction(partner, paid))
    of_grid = {multiplier: nearest(DEMAND_GRID, multiplier) for multiplier in {posted for _, posted in past}}
    state = learn_days(
        learn_bids(new_demand(DEMAND_GRID), bids),
        (
            (Draw(drawn.toordinal(), of_grid[multiplier]), by_day.get(drawn, ()))
            for drawn, multiplier in past
            if day - DEMAND_REMEMBERS <= drawn < day
        ),
        usual_payment(by_day.values()),
    )
    if state.is_unknown:
        return NEUTRAL
    return draw(state, day.toordinal(), rng).multiplier_basis_points


def may_move(past: Sequence[tuple[dt.date, int]], day: dt.date) -> bool:
    """Return whether the posted multiplier may change on a day: it was the same for DEMAND_LASTS.

    past: the multipliers of all earlier days, by day. The first day's is neutral, and stays as long.
    """
    if not past:
        return False
    same_since, posted = past[-1]
    for drawn, multiplier in reversed(past):
        if multiplier != posted:
            break
        same_since = drawn
    return day - same_since >= DEMAND_LASTS


def next_multiplier(past: Sequence[tuple[dt.date, int]], target: int, day: dt.date) -> int:
    """Return the multiplier posted on a day: the last one, or a step nearer to `target` if it may move."""
    if not past:
        return NEUTRAL
    posted = past[-1][1]
    return approach(posted, target) if may_move(past, day) else posted

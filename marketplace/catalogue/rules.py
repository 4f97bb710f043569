"""Rules of prices and quotes: what a price is computed from, what a quote says, who can check it, what demand learns.

A price depends on published metadata only: figures of the release's row, the offer's terms, the day's draw and the
clock. A quote's document holds all of it, so that anyone can compute the price again and check who signed it.

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

from marketplace import signing
from marketplace.errors import Conflict, Invalid
from marketplace.instants import full_hour
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
"""How long a price may be held, for a part of it: a company decides in weeks."""
BETWEEN_HOLDS: Final = dt.timedelta(days=30)
"""After a held price of a dataset lapsed, so long its partner holds none of it: a hold delays a steward who wants to change
the offer, or to auction it exclusively, and nobody may do that for ever without buying."""
MOST_LEFT: Final = 3
"""Pages on which a company could choose a transfer, of one dataset in that time, and that it left: each held the price."""
NEUTRAL: Final = 10_000
MICRO: Final = 10**6
DEMAND_GRID: Final = tuple(round(NEUTRAL * 1.05**power) for power in range(-14, 15))
"""What demand draws from, in basis points: half of worth to twice as much, evenly in ratio. Posted is what lies between."""
DEMAND_LASTS: Final = dt.timedelta(days=7)
"""How long a multiplier is the same at least, so that waiting for a lower one gains no more than one step."""
DEMAND_REMEMBERS: Final = dt.timedelta(days=365)
"""How long a sale, or a bid, teaches."""
QUOTES_A_DAY: Final = 50
"""How many prices a partner has signed within a day: enough for every release of a catalogue, too few to keep us busy."""
PERSON_VARIANCE_MICRO: Final = 250_000
"""The variance of one yes-or-no, in millionths, at its largest."""
PRIOR_OBSERVATIONS: Final = 40
"""What a buyer's own prior knowledge of a zone is worth, in people observed."""
SURVEY_PEOPLE: Final = 3_000
"""What a buyer knows of the whole area without the data: as much as a national survey of so many people says."""
UNSEEN_SQUARED_MICRO: Final = 25
"""The squared correlation, in millionths, that is assumed between being counted and consenting where no age band shows it:
0.005 squared, what Meng (2018) found of voters. With it, 2.3 million people of 230 million count as about 400."""
ASSOCIATION_SQUARED_MICRO: Final = 2_500
"""The squared correlation assumed between being counted and what sets age bands apart in consenting: 0.05 squared."""
RIGHTS: Final[Mapping[str, int]] = MappingProxyType({"internal": 6_000, "publish": 8_000, "resell": 10_000, "": 10_000})
"""What a licence's right of use is worth of the widest one, in basis points, narrow to wide: use inside the company;
publishing, also in products; passing the figures on. Empty: of terms stated before rights and terms were priced."""
MOST_WORTH_DAYS: Final = 366
"""A full worth is stated for a year at most."""
LARGEST_CAP_MINOR: Final = 100_000_000_000
LONGEST_LICENCE_MONTHS: Final = 120
TERMS_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)
FEE_BASIS_POINTS: Final = 500
FEE_FIXED_MINOR: Final = 50
"""What a payment's fee is reckoned at before it is known, of the price before VAT: well above what Stripe asks."""


class PricedRelease(Struct, frozen=True):
    """What the price of a release depends on: published figures."""

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
    """Empty of releases of which only `row_count` is known."""


class EditionFigures(Struct, frozen=True):
    """What is another price of a coarser edition than of its release."""

    noise_variance_micro: int
    row_count: int
    hours_by_day: list[int]
    published_by_day: list[int]


class Evidence(Struct, frozen=True):
    """What a demand multiplier was drawn from, published with it."""

    sales: int = 0
    """Licences paid at posted prices within the year before, …"""
    days: int = 0
    """… on so many days, …"""
    bids: int = 0
    """… and bids that auctions revealed in it, one a partner and quarter."""

    @property
    def is_learnt(self) -> bool:
        """Whether anything was sold or bid: without, demand is neutral."""
        return self.sales + self.bids > 0


NOTHING_LEARNT: Final = Evidence()


class PricedOffer(Struct, frozen=True):
    """What a price depends on besides the release: the offer's terms, the day's draw and promises to contributors."""

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
    """What promises to contributors may cost one licence, of its dataset or of any that overlaps with it."""
    demand_sales: int | None = None
    demand_days: int | None = None
    demand_bids: int | None = None
    purposes: list[str] = []
    countries: list[str] = []
    """Of its terms; empty: any."""
    sectors: list[str] = []
    """Of the dataset's buyers; empty: any."""

    @property
    def evidence(self) -> Evidence:
        """What the day's multiplier was drawn from."""
        return Evidence(self.demand_sales or 0, self.demand_days or 0, self.demand_bids or 0)


class Length(Struct, frozen=True):
    """Terms that a dataset is sold under besides its offer's own, for another number of months."""

    dataset: str
    terms: str
    months: int


def by_length(offer: PricedOffer, lengths: Iterable[Length]) -> list[PricedOffer]:
    """Return an offer under each of the terms it is sold under, the shortest first; lengths: of any datasets."""
    others = [replace(offer, terms=one.terms, months=one.months) for one in lengths if one.dataset == offer.dataset]
    return sorted([offer, *others], key=lambda one: one.months)


def logged_price(offer: PricedOffer, day: str) -> dict[str, str | int]:
    """Return what the log has of an offer's price on a day: all that it depends on beside the release."""
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
    """What a steward states of an offer; amounts are in cents, the full worth is of `worth_days` days."""

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
    """Return the code of the version after a code of licence terms: standard-1 → standard-2."""
    name, _, version = code.rpartition("-")
    return f"{name}-{int(version) + 1}" if name and version.isdecimal() else f"{code}-2"


def price_inputs(
    release: PricedRelease, offer: PricedOffer, *, operator_basis_points: int, now: dt.datetime
) -> pricing.PriceInputs:
    """Gather what a price depends on, all of it published.

    The period ends with the last day that has a figure, and its age is counted to the last full hour, so that partners who ask
    together see the same price, and all prices change together. Where contributors were promised something, the floor is such that the operator's part,
    which pays for it, covers it after the payment's fee. The day's multiplier is drawn before. Refuses a release that is
    not sealed or has no figures, and a promise above the cap.
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
        term_months=offer.months if offer.usage_right else 0,
        demand_basis_points=offer.demand_basis_points,
        floor_minor=floor,
        cap_minor=offer.cap_minor,
    )


def _days(release: PricedRelease, cells_at_once: int, grain: str) -> tuple[tuple[pricing.Day, ...], dt.datetime]:
    """Return what is published of each day up to the last with a figure, and when that ends.

    Where it is not known of each day, or not how long each is, one that is as long as the period stands for all.
    """
    assert release.latest_event_at is not None, "it has figures"
    hours, published = release.hours_by_day, release.published_by_day
    if any(published) and len(hours) == len(published):
        last = max(at for at, cells in enumerate(published) if cells)
        hours, published = hours[: last + 1], published[: last + 1]
        ends_at = release.period_from + sum(hours) * HOUR
    else:
        ends_at = release.period_to - max(release.period_to - release.latest_event_at, dt.timedelta()) // DAY * DAY
        hours, published = [max((ends_at - release.period_from) // HOUR, 1)], [release.row_count]
    declared = [cells_at_once * _times(each * HOUR, grain) for each in hours]
    days = zip(hours, published, declared, strict=True)
    return tuple(pricing.Day(length, min(cells, most), most) for length, cells, most in days), ends_at


def _bands(release: PricedRelease) -> tuple[pricing.Band, ...]:
    """Return who consents of each age band that has anybody."""
    both = zip(release.consenting_by_band, release.population_by_band, strict=True)
    return tuple(pricing.Band(people, population) for people, population in both if population)


def _times(period: dt.timedelta, grain: str) -> int:
    """Return how many times a period has: its hours, days or weeks, of which two a year are an hour shorter or longer."""
    return max(round(period / STEPS[grain]), 1)


def coarser(release: PricedRelease, edition: EditionFigures) -> PricedRelease:
    """Return what the price of a coarser edition depends on: the same, with the edition's noise and published cells."""
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
    """Return a quote's canonical bytes: who, what, how the price came about and until when it holds.

    evidence: what the demand in the price was drawn from. agreed: what else the amount is of, see `amount_of`.
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
    """Refuse a document that the holder of the hex public `key` did not sign."""
    try:
        is_signed = signing.verify(document, signature, bytes.fromhex(key))
    except ValueError:  # no hex
        is_signed = False
    if not is_signed:
        raise Invalid("This quote was changed, or was not signed by Partage.")


def recompute(document: bytes, signature: bytes, key: str) -> pricing.PricedQuote:
    """Check a quote's signature, compute its price again from its own contents and return it."""
    verify(document, signature, key)
    try:
        return pricing.from_canonical(rfc8785.dumps(json.loads(document)["price"]))
    except (PricingRefusal, ValueError, KeyError, TypeError):
        raise Invalid("This quote does not say how its price came about.") from None


def evidence_of(document: bytes) -> Evidence:
    """Return what the demand in a quote's price was drawn from, as its document says; earlier documents say nothing."""
    return Evidence(**json.loads(document).get("demand", {}))


def neutral_minor(document: bytes, amount_minor: int) -> int:
    """Return what was paid for a quote, but for holding it, as it would have been at neutral demand; floor and cap left aside."""
    return (
        (amount_minor - stated_holding(document))
        * NEUTRAL
        // max(int(json.loads(document)["price"]["inputs"]["demand_basis_points"]), 1)
    )


def worth_before_demand(priced: pricing.PricedQuote) -> int:
    """Return what a price is before demand multiplies it, in cents: all steps of its waterfall before that one."""
    names = [step.name for step in priced.waterfall]
    return sum(step.amount_minor for step in priced.waterfall[: names.index("demand")])


def value_of_bid(amount_minor: int, worth_minor: int) -> int:
    """Return the demand multiplier, in basis points, at which a price would have been a bid, floor and cap left aside."""
    return NEUTRAL * amount_minor // worth_minor


def draw_of(
    past: Sequence[tuple[dt.date, int]],
    answers: Iterable[tuple[dt.date, str, float]],
    day: dt.date,
    rng: np.random.Generator,
    bids: Iterable[RevealedBid] = (),
) -> int:
    """Return the demand multiplier that the posted one is to approach; neutral while nothing was sold and nobody bid.

    past: the multipliers of earlier days on which partners could buy, by day. answers: (day, partner, paid) of quotes
    given on those days; paid as `Reaction.paid`, and what was not paid teaches nothing. bids: those that auctions
    revealed.
    """
    by_day: dict[dt.date, list[Reaction]] = {}
    for answered, partner, paid in answers:
        by_day.setdefault(answered, []).append(Reaction(partner, paid))
    of_grid = {multiplier: nearest(DEMAND_GRID, multiplier) for _, multiplier in past}
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
    """Return the multiplier posted on a day: the last one, a step nearer to `target` where it may move."""
    if not past:
        return NEUTRAL
    posted = past[-1][1]
    return approach(posted, target) if may_move(past, day) else posted

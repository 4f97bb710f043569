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
from typing import TYPE_CHECKING, Any, Final

import msgspec
import rfc8785
from msgspec import Struct
from msgspec.structs import asdict, replace

from marketplace.catalogue.sheets import rules as sheets
from marketplace.core import signing
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import full_hour, months_later
from pricing import order as pricing
from pricing.agreed import stated_holding, stated_names
from pricing.demand import (
    NEUTRAL_BASIS_POINTS,
    Draw,
    Reaction,
    approach,
    draw,
    learn_bids,
    learn_days,
    nearest,
    new_demand,
    usual_payment,
)
from pricing.order import Licence, Lot
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from pricing.demand import RevealedBid
    from pricing.sheet import Law, Points

QUOTE_LASTS: Final = dt.timedelta(minutes=15)
HOLD_LASTS: Final = dt.timedelta(days=30)
"""How long a price may be held, for an extra charge: a company decides in weeks."""
MICRO: Final = 10**6
DEMAND_GRID: Final = tuple(round(NEUTRAL_BASIS_POINTS * 1.05**power) for power in range(-14, 15))
"""The multipliers of a draw, in basis points: half of worth to twice as much, evenly in ratio. Posted ones lie between.
"""
DEMAND_LASTS: Final = dt.timedelta(days=7)
"""How long a multiplier stays at least, so that waiting for a lower one gains at most one step."""
DEMAND_REMEMBERS: Final = dt.timedelta(days=365)
"""How long demand learns from a sale or a bid."""
QUOTES_A_DAY: Final = 50
"""Signed prices of a partner within a day: enough for every release of a catalogue, too few to overload the site."""
RIGHTS: Final[Mapping[str, int]] = MappingProxyType({"internal": 6_000, "publish": 8_000})
"""The worth of a licence's right of use in basis points of every right there is, narrow to wide: use inside the company;
publishing, also in products. Passing the figures on has no rate: each named company costs a use inside one.
"""
MOST_COMPANIES: Final = 100
LONGEST_COMPANY: Final = 200
LONGEST_LICENCE_MONTHS: Final = 120
LENGTHS_SHOWN: Final = (1, 3, 6, 12, 36, 60)
"""Months whose prices a page shows beside each other; any other length is priced alike."""
TERMS_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)


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
    """The inputs of a price besides a release's points: the offer's terms, its sheet as stated, the day's draw."""

    id: uuid.UUID
    dataset: str
    terms: str
    usage_right: str
    months: int
    currency: str
    sheet: str
    sha256: str
    """Of the sheet's version in force now."""
    rates: str
    """JSON, see `sheets.rules.Rates`."""
    groups: list[str]
    """The demand groups of the sheet and of its earlier versions."""
    demand_basis_points: int | None
    """None until the day's multiplier is drawn."""
    demand_sales: int | None = None
    demand_days: int | None = None
    demand_bids: int | None = None
    purposes: list[str] = []
    countries: list[str] = []
    """Countries that the terms allow; empty: any."""
    sectors: list[str] = []
    """Sectors of buyers that the dataset allows; empty: any."""

    @property
    def right(self) -> str:
        """The right that the sheet has a rate for: figures that are passed on are used inside a company."""
        return "internal" if self.usage_right == "resell" else self.usage_right

    @property
    def evidence(self) -> Evidence:
        """The evidence for the day's multiplier."""
        return Evidence(self.demand_sales or 0, self.demand_days or 0, self.demand_bids or 0)


def lasting(offer: PricedOffer, months: int) -> PricedOffer:
    """Return an offer for a licence of so many months, or for its own length for 0; refuses no month and over ten years."""
    if not months:
        return offer
    check_length(months)
    return replace(offer, months=months)


def logged_price(offer: PricedOffer, law: Law, day: str) -> dict[str, Any]:
    """Return the log's statement about an offer's price on a day: all inputs except the release's points."""
    assert offer.demand_basis_points is not None, "the day's multiplier is drawn before"
    rates: dict[str, Any] = json.loads(offer.rates)
    return rates | {
        "offer": str(offer.id),
        "dataset": offer.dataset,
        "day": day,
        "terms": offer.terms,
        "usage_right": offer.usage_right,
        "months": offer.months,
        "currency": offer.currency,
        "sheet": offer.sha256,
        "volume": law.volume,
        "least_minor": law.least_minor,
        "demand_basis_points": offer.demand_basis_points,
    }


def check_terms(code: str, months: int) -> None:
    """Refuse a code of licence terms that is no slug, and a licence that lasts no month or more than ten years."""
    if not TERMS_CODE.fullmatch(code):
        raise Invalid("The code of licence terms is written in small letters, digits and hyphens, such as standard-1.")
    check_length(months)


def check_length(months: int) -> None:
    """Refuse a licence that lasts no month or more than ten years."""
    if not 1 <= months <= LONGEST_LICENCE_MONTHS:
        raise Invalid("A licence lasts between 1 and {months} months.", months=LONGEST_LICENCE_MONTHS, field="months")


def read_length(written: str) -> int:
    """Return a length in months that a person wrote; 0 if they wrote none. Refuses like `check_length`."""
    text = written.strip()
    if not text:
        return 0
    months = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LONGEST_LICENCE_MONTHS)) else 0
    check_length(months)
    return months


def next_version(code: str) -> str:
    """Return the code of the next version of licence terms: standard-1 → standard-2."""
    name, _, version = code.rpartition("-")
    return f"{name}-{int(version) + 1}" if name and version.isdecimal() else f"{code}-2"


def read_companies(names: Iterable[str]) -> tuple[str, ...]:
    """Return the companies that a buyer names, each once whatever its capitals, in alphabetical order; refuses too many."""
    named = {name.casefold(): name for name in sorted(" ".join(one.split()) for one in names) if name}
    if len(named) > MOST_COMPANIES or max(map(len, named), default=0) > LONGEST_COMPANY:
        raise Invalid(
            "Name {most} companies at most, each in {longest} characters at most.",
            most=MOST_COMPANIES,
            longest=LONGEST_COMPANY,
            field="companies",
        )
    return tuple(named[key] for key in sorted(named))


def named_companies(document: bytes) -> list[str]:
    """Return the companies that may use what a quote's document prices; none: the buyer alone, or an auction's award."""
    lots = json.loads(document).get("price", {}).get("lots", [])
    return [company for _, _, licence, _ in lots for company in licence[-1]]


def asked_in(document: bytes) -> frozenset[str]:
    """Return what a quote's document states besides a posted price: fields of agreed terms, and named companies."""
    return stated_names(document) | frozenset(named_companies(document))


def lot_of(
    release: PricedRelease,
    offer: PricedOffer,
    points: Points | None,
    now: dt.datetime,
    companies: tuple[str, ...] = (),
) -> Lot:
    """Return what a price is of: a release's points in use from the last full hour on, for as long as the offer says.

    companies: all that may use it; empty: the buyer alone.
    Simultaneous partners see the same price, and all prices change together. The day's multiplier is drawn before.
    Refuses a release that is not sealed, has no figures, or has no points on the sheet.
    """
    if release.state != "sealed" or not release.row_count or points is None:
        raise Conflict("This release is not for sale.")
    assert offer.demand_basis_points is not None, "the day's multiplier is drawn before"
    demand = dict.fromkeys(offer.groups, offer.demand_basis_points)
    rates = msgspec.json.decode(offer.rates, type=sheets.Rates)
    begins = max(full_hour(now), release.period_to)
    since = max(_hour(begins), *(span.end for span in points.spans))
    until = _hour(months_later(begins, offer.months))
    licence = Licence(since, max(until, since + 1), offer.right, tuple(offer.purposes), companies)
    return Lot(str(release.id), sheets.terms_of(rates, offer.sha256, demand), licence, points)


def refuse_unpriced(rates: sheets.Rates, offer: PricedOffer) -> None:
    """Refuse rates of a sheet that have no price for an offer's right of use, or for a purpose of its terms."""
    if offer.right not in rates.rights:
        raise Invalid(
            "{terms} of {dataset} allow a use without a rate on the sheet.", terms=offer.terms, dataset=offer.dataset
        )
    if missing := sorted(set(offer.purposes) - rates.purposes.keys()):
        raise Invalid(
            "{terms} of {dataset} are for a purpose without a rate on the sheet: {purpose}.",
            terms=offer.terms,
            dataset=offer.dataset,
            purpose=missing[0],
        )


def _hour(instant: dt.datetime) -> int:
    """Return the whole hours since 1970."""
    return int(instant.timestamp()) // 3_600


def write_document(
    quote: uuid.UUID,
    *,
    partner: uuid.UUID,
    release: uuid.UUID,
    offer: uuid.UUID,
    priced: pricing.Priced,
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


def recompute(document: bytes, signature: bytes, key: str) -> pricing.Priced:
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
    """Return a quote's payment without its hold, at neutral demand; volume and least charge are ignored."""
    return (amount_minor - stated_holding(document)) * NEUTRAL_BASIS_POINTS // max(*demand_in(document), 1)


def demand_in(document: bytes) -> list[int]:
    """Return the demand multipliers that a quote's document states for what the quote is of."""
    stated = json.loads(document)
    _, terms, *_ = stated["price"]["lots"][stated.get("lot", 0)]
    return list(terms["demand"].values())


def worth_before_demand(priced: pricing.Priced) -> int:
    """Return a price before demand multiplies it, in cents: all steps of its waterfall before that one."""
    names = [step.name for step in priced.waterfall]
    return sum(step.amount_minor for step in priced.waterfall[: names.index("demand")])


def value_of_bid(amount_minor: int, worth_minor: int) -> int:
    """Return the demand multiplier, in basis points, that makes a price equal a bid; volume and least charge are ignored."""
    return NEUTRAL_BASIS_POINTS * amount_minor // worth_minor


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
        return NEUTRAL_BASIS_POINTS
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
        return NEUTRAL_BASIS_POINTS
    posted = past[-1][1]
    return approach(posted, target) if may_move(past, day) else posted

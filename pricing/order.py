"""What an order costs by its price sheets, and why.

The rule this file keeps: an order costs one exact sum over its figures and the hours of their use, then one concave law of
what that is worth, one rounding up to a cent and one least charge. All are the same for everything on the sheets. So
nothing can be had for less by any combination of other things (the theorems and their proofs are in the manual), a part
costs no more than its whole, and several orders together no less than one.

The canonical bytes hold the inputs, the waterfall, the amount and each lot's part of it. A signature on them covers the
whole explanation, and anybody can compute it again offline from its own contents (`from_canonical`). They state points by
day and demand group, and never by zone: which figures are withheld is for those who paid.

Public API not used by the marketplace: `amounts`.

Source: RFC 8785, JSON Canonicalization Scheme.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import rfc8785

from pricing.measure import ONE_OVER_LN_2, UNIT, Hours, worth_in_use
from pricing.money import SAFE_INTEGER, largest_remainder
from pricing.refusals import Empty, Mismatched, PricingRefusal, Tampered, TooLarge, UnknownRule
from pricing.sheet import FULL_RATE, MICRO, Law, Points, Span, Terms

RULE: Final = "sheet-1"
"""The rule that these prices follow, which every quote states."""
STEPS: Final = (
    *("full_worth", "published", "coverage", "accuracy", "evenness", "freshness"),
    *("right", "purposes", "term", "demand", "volume", "least_charge"),
)
_DAY_HOURS: Final = 24
_CENT: Final = MICRO * FULL_RATE**3 * _DAY_HOURS * UNIT * UNIT
"""What exact sums are multiples of: millionths, three rates, hours a day, what is left of a worth, and 1 / ln 2."""
_NO_FIGURE: Final = "these lots hold no published figure"
_NO_DEMAND: Final = "the sheet has no demand of {group}"


class Licence(NamedTuple):
    """From a whole hour up to another, in hours since 1970; until None: for good. purposes: empty: for any.

    companies: all that may use the figures, each at the cost of a licence of its own; empty: the buyer alone.
    """

    since: int
    until: int | None
    right: str
    purposes: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a waterfall: what it adds, in cents."""

    name: str
    amount_minor: int


class Lot(NamedTuple):
    """What an order has of one release, under one licence, by the terms of the release's sheet."""

    release: str
    terms: Terms
    licence: Licence
    points: Points


@dataclass(frozen=True, slots=True)
class Priced:
    """A price and its explanation, in cents: the steps of the waterfall sum exactly to it, and so do the lots' parts."""

    rule: str
    law: Law
    lots: tuple[Lot, ...]
    amount_minor: int
    waterfall: tuple[Step, ...]
    parts_minor: tuple[int, ...]


def price(law: Law, lots: Sequence[Lot]) -> Priced:
    """Return what lots cost in one order.

    Refuses Empty where they hold no published figure, OutOfRange for a licence that starts before its data have ended, Mismatched for a
    right, purpose or group that its sheet does not have, and TooLarge for a price above 2**53.
    """
    if not any(span.points for lot in lots for span in lot.points.spans):
        raise Empty(_NO_FIGURE)
    worths = [_worths(lot) for lot in lots]
    totals = [-(-sum(stage) // _CENT) for stage in zip(*worths, strict=True)]
    own = [stages[-1] for stages in worths]
    in_volume = _in_volume(law, sum(own))
    amount = _charged(max(in_volume, law.least_minor))
    _charged(max(totals))
    reached = pairwise([0, *totals, in_volume, amount])
    waterfall = tuple(Step(name, after - before) for name, (before, after) in zip(STEPS, reached, strict=True))
    return Priced(RULE, law, tuple(lots), amount, waterfall, _parts(amount, own))


def amounts(law: Law, lots: Sequence[Lot]) -> list[int]:
    """Return what each lot costs in an order of its own, in cents: the same as `price`, without its explanation.

    For menus of thousands: what a day is worth in use is computed once for all lots that share its licence's hours.
    Refuses Empty, OutOfRange and Mismatched as `price` does, and TooLarge for an amount alone.
    """
    in_use: dict[tuple[int, int, int | None], dict[tuple[int, int], int]] = {}
    found = []
    for lot in lots:
        terms, licence = lot.terms, lot.licence
        right, use = _rates(lot)
        days = in_use.setdefault((terms.half_life_hours, licence.since, licence.until), {})
        worth, number = 0, 0
        for start, end, group, points in lot.points.spans:
            if group not in terms.demand:
                raise Mismatched(_NO_DEMAND.format(group=group))
            if (start, end) not in days:
                hours = Hours(licence.since, licence.until)
                days[start, end] = worth_in_use(Hours(start, end), hours, terms.half_life_hours)
            number += points
            worth += points * terms.demand[group] * days[start, end]
        if not number:
            raise Empty(_NO_FIGURE)
        worth *= terms.worth_micro * terms.half_life_hours * ONE_OVER_LN_2 * right * use
        found.append(_charged(max(_in_volume(law, worth), law.least_minor)))
    return found


def later(priced: Priced, hours: int) -> Priced:
    """Return the same order's price when its licences begin so many hours later, at the same demand; before: negative.

    Refuses as `price` does.
    """

    def moved(licence: Licence) -> Licence:
        until = None if licence.until is None else licence.until + hours
        return licence._replace(since=licence.since + hours, until=until)

    return price(priced.law, [lot._replace(licence=moved(lot.licence)) for lot in priced.lots])


def as_new(priced: Priced) -> Priced:
    """Return the same order's price when its licences begin with the end of the latest data of its first lot."""
    return later(priced, -age_hours(priced))


def under(locked: Priced, priced: Priced) -> int:
    """Return what an order costs, in cents, by the law and the terms of an earlier one's first lot.

    A lot of a demand group or a right that those terms do not have costs what it costs today.
    """
    terms = locked.lots[0].terms
    try:
        return price(locked.law, [lot._replace(terms=terms) for lot in priced.lots]).amount_minor
    except Mismatched:
        return priced.amount_minor


def age_hours(priced: Priced) -> int:
    """Return how old the latest data of an order's first lot are when its licence begins, in whole hours."""
    lot = priced.lots[0]
    return lot.licence.since - max(span.end for span in lot.points.spans)


def canonical(priced: Priced) -> bytes:
    """Return a price with its explanation as RFC 8785 JSON, one byte string for each."""
    return rfc8785.dumps(asdict(priced))


def from_canonical(data: bytes) -> Priced:
    """Return the price in these canonical bytes, after computing it again from its own inputs.

    Refuses UnknownRule for another rule, and Tampered if they are not such JSON, not canonical, or state anything else than
    the rule gives. Also refuses as `price` does for what could never have been priced.
    """
    try:
        stated = json.loads(data)
        if stated["rule"] != RULE:
            msg = f"this package knows the pricing rule {RULE}, not {stated['rule']}"
            raise UnknownRule(msg)
        law = Law(**stated["law"] | {"volume": tuple(map(tuple, stated["law"]["volume"]))})
        lots = [_lot(one) for one in stated["lots"]]
    except PricingRefusal:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        msg = "these bytes are not a price"
        raise Tampered(msg) from problem
    priced = price(law, lots)
    if canonical(priced) != data:
        msg = "the price does not state what its own inputs give"
        raise Tampered(msg)
    return priced


def _lot(stated: Any) -> Lot:  # noqa: ANN401 (what JSON holds)
    release, terms, (since, until, right, purposes, companies), (spans, stages) = stated
    licence = Licence(since, until, right, tuple(purposes), tuple(companies))
    declared, published, covered, accurate, left = stages
    points = Points(tuple(Span(*span) for span in spans), (declared, published, covered, accurate, left))
    return Lot(release, Terms(**terms), licence, points)


def _worths(lot: Lot) -> list[int]:
    """Return what a lot is worth after each step up to demand, exactly, as multiples of 1 / _CENT cents."""
    terms = lot.terms
    right, use = _rates(lot)
    fresh, lasting, demanded = _in_use(lot)
    by_hours = terms.worth_micro * FULL_RATE**3 * UNIT * UNIT
    by_use = terms.worth_micro * terms.half_life_hours * ONE_OVER_LN_2
    return [
        *(stage * by_hours for stage in lot.points.stages),
        fresh * by_use * FULL_RATE**3,
        fresh * by_use * FULL_RATE**2 * right,
        fresh * by_use * FULL_RATE * right * use,
        lasting * by_use * FULL_RATE * right * use,
        demanded * by_use * right * use,
    ]


def _rates(lot: Lot) -> tuple[int, int]:
    """Return the rates of a lot's right, once for each company, and of its purposes, in basis points."""
    licence = lot.licence
    if licence.right not in lot.terms.rights:
        msg = f"the sheet has no right {licence.right}"
        raise Mismatched(msg)
    if len(set(licence.companies)) < len(licence.companies):
        msg = "a company is named twice"
        raise Mismatched(msg)
    return lot.terms.rights[licence.right] * max(len(licence.companies), 1), lot.terms.use_rate(licence.purposes)


def _in_use(lot: Lot) -> tuple[int, int, int]:
    """Return the worth of a lot's points in use: for good, during its licence, and that by the demand of each group."""
    since, until = lot.licence[:2]
    fresh = lasting = demanded = 0
    known: dict[Hours, tuple[int, int]] = {}
    for start, end, group, points in lot.points.spans:
        if group not in lot.terms.demand:
            raise Mismatched(_NO_DEMAND.format(group=group))
        day = Hours(start, end)
        if day not in known:
            uses = (Hours(since, None), Hours(since, until))
            for_good, in_use = (worth_in_use(day, use, lot.terms.half_life_hours) for use in uses)
            known[day] = for_good, in_use
        for_good, in_use = known[day]
        fresh += points * for_good
        lasting += points * in_use
        demanded += points * in_use * lot.terms.demand[group]
    return fresh, lasting, demanded


def _parts(amount: int, worths: Sequence[int]) -> tuple[int, ...]:
    """Return each lot's part of an amount, in cents, by its worth: a cent at least, if there are so many."""
    least = int(amount >= len(worths))
    rest = largest_remainder(amount - least * len(worths), worths if any(worths) else [1] * len(worths))
    return tuple(least + part for part in rest)


def _in_volume(law: Law, worth: int) -> int:
    """Return what a worth, as a multiple of 1 / _CENT cents, costs by the law of volume, rounded up to whole cents."""
    return -(-_by_volume(law.volume, worth) // (_CENT * FULL_RATE))


def _charged(amount: int) -> int:
    """Return an amount that a price may state; refuses TooLarge."""
    if amount > SAFE_INTEGER:
        msg = f"a price must be at most {SAFE_INTEGER}, but is {amount}"
        raise TooLarge(msg)
    return amount


def _by_volume(volume: Sequence[tuple[int, int]], worth: int) -> int:
    """Return what a worth costs by a law of volume, as a multiple of 1 / (_CENT × FULL_RATE) cents: concave, 0 for 0."""
    starts = [start * _CENT for start, _ in volume]
    ends = [*starts[1:], max(worth, starts[-1])]
    rates = [rate for _, rate in volume]
    return sum(max(min(worth, end) - start, 0) * rate for start, end, rate in zip(starts, ends, rates, strict=True))

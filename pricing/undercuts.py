"""Whether anything on a menu can be had for less: now, and at every moment to come.

The rule this file keeps: prices move with age alone, so what is not found is proven for ever. Each stays at its cap, where it
has one, falls by half in its half-life, and stays at its floor. Beside a price that falls, another has its least where a span
of time begins or ends, or where it meets its floor. Where it costs no less at all of these, it costs no less in between; what
is not proven so is looked at in halves of the span.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricing.audit import Arbitrage, Audit
from pricing.menus import Listed, holdings_of, offers_of
from pricing.quote import DAY_SECONDS, HOUR_SECONDS, PriceInputs, price, price_at_age
from pricing.refusals import TooHard

MOST_MONTHS: Final = 120
"""After so many a licence without end is the only one that still begins."""
_MOST_SPANS: Final = 1_000
_LAST: Final = 3_650 * DAY_SECONDS
"""So far at least, in seconds."""
_EARLIER: Final = tuple(days * DAY_SECONDS for days in (0, 10, 20, 30, 45, 60, 90, 120, 180, 270, 365, 730))
"""What is found is looked for at these, in seconds, so that the day that is named is not a far one."""
_ABOVE: Final = 1 + 1e-12
"""So that rounding makes no price lower."""
_HIGHEST: Final = 200.0
"""The logarithm of what is dearer than anything."""


class Undercut(NamedTuple):
    """A way to have an offer for less than its price, in minor units, in so many seconds."""

    way: Arbitrage
    price_minor: int
    seconds: int


def find_undercut(
    menu: Sequence[Listed],
    half_life_seconds: int,
    now: int,
    tolerances: Sequence[Fraction],
    *,
    since: int = 0,
    until: int | None = 0,
    using: Collection[str] = (),
) -> Undercut | None:
    """Return a way to have something posted on a menu for less; None: there is none.

    menu: what overlaps. half_life_seconds: by which days are weighted. now: in seconds since 1970. tolerances: as `Audit`
    has them. since, until: in how many seconds from now the first and last moments are, what is held being held for so long;
    None: ever, of what is posted alone. using: names: a way is one that buys one of these, and that costs less than any
    without; none: any way.
    Refuses TooHard where that cannot be shown.
    """
    starts = starts_of(menu)
    prices, targets = _Prices(menu, starts), {number for number, one in enumerate(menu) if one.is_posted}
    for way in holdings_of(menu, half_life_seconds, now) if targets else ():
        looks = (_Look(Audit(offers_of(menu), starts, holdings), prices, tolerances, using) for holdings in way)
        if found := _first_answer(looks, since, prices.last if until is None else until, targets):
            return found
    return None


def _first_answer(looks: Iterable["_Look"], since: int, last: int, targets: set[int]) -> Undercut | None:
    """Return what the first of some looks finds that is not too hard; none where there is no look. Refuses TooHard."""
    problem: TooHard | None = None
    for look in looks:
        try:
            return look.between(since, last, targets)
        except TooHard as refusal:
            problem = refusal
    if problem:
        raise problem
    return None


def starts_of(menu: Iterable[Listed]) -> list[int]:
    """Return in how many months a licence may begin when others end, ascending; none where all are posted, of one product.

    Of one product, a term in pieces costs no less than at once, at the prices of one day.
    """
    products, terms = {one.product for one in menu}, {one.months for one in menu}
    most = max(terms) if all(terms) else MOST_MONTHS
    starts = {0}
    for start in range(most) if len(products) > 1 or any(one.is_held for one in menu) else ():
        starts |= {start + term for term in terms if start in starts and start + term < most}
    return sorted(starts - {0})


class _Prices:
    """What n offers cost at each of their starts, n × (1 + starts), as they fall; in minor units.

    What is held costs no more at the first start for as long as it is: what is posted too falls below that, and what is not
    stays.
    """

    def __init__(self, menu: Sequence[Listed], starts: Sequence[int]) -> None:
        self.menu = menu
        quotes = [price(one.inputs) for one in menu]
        worths = np.array([sum(step.amount_minor for step in quote.waterfall[:-2]) for quote in quotes], float)
        self.worth = np.log2(np.maximum(worths, 1))[:, None]
        figures = [(one.inputs.floor_minor, one.inputs.cap_minor, one.inputs.half_life_seconds) for one in menu]
        bounds = np.log2(np.maximum(np.array(figures, float)[:, :2], 1))
        self.half_life = np.array(figures, float)[:, 2:]
        self.starts = np.array([0, *starts], float) * PriceInputs.month_seconds
        self.is_once = np.array([not one.is_posted for one in menu])
        self.instead = np.array([np.inf if one.instead_minor is None else one.instead_minor for one in menu])
        self.floor, self.cap = (np.tile(bound[:, None], len(self.starts)) for bound in bounds.T)
        lower, own = np.array([one.is_held for one in menu]), np.log2([max(one.price_minor, 1) for one in menu])
        self.cap[lower, 0] = np.minimum(self.cap[lower, 0], own[lower])
        alone = lower & self.is_once
        self.floor[alone, 0] = self.cap[alone, 0] = own[alone]
        self.leaves_cap, self.meets_floor = (
            self.half_life * np.maximum(self.worth - bound, 0) for bound in (self.cap[:, :1], self.floor[:, -1:])
        )
        self.last = max(_LAST, int(self.meets_floor.max() // HOUR_SECONDS + 1) * HOUR_SECONDS)

    def at(self, seconds: int) -> NDArray[np.float64]:
        """Return them in so many seconds, in whole minor units: at the first start exactly, at others one too much at most."""
        prices = np.ceil(np.exp2(self._logarithms(float(seconds))) * _ABOVE)
        return np.column_stack([np.array([_price_of(one, seconds) for one in self.menu], float), prices[:, 1:]])

    def exact(self, way: Arbitrage, seconds: int) -> int:
        """Return what a way costs that begins in so many seconds, to the minor unit at later starts as well."""
        listed = {one.name: one for one in self.menu}
        months = way.starts or (0,) * len(way.basket)
        return sum(
            price_at_age(one.inputs, one.inputs.age_seconds + seconds + start * PriceInputs.month_seconds).amount_minor
            if start
            else _price_of(one, seconds)
            for one, start in zip((listed[name] for name in way.basket), months, strict=True)
        )

    def least(self, start: int, end: int, half_life: float) -> NDArray[np.float64]:
        """Return the least of them from start to end, in seconds, beside what falls from start on by half in its half-life."""
        meets = np.clip(self.meets_floor - self.starts, start, end)
        times = (np.float64(start), np.float64(end), meets)
        least = np.min([self._logarithms(time) + (time - start) / half_life for time in times], axis=0)
        return np.asarray(np.exp2(np.minimum(least, _HIGHEST)))

    def falling(self, start: int, half_life: float) -> tuple[NDArray[np.float64], set[int]]:
        """Return what each costs at the start, in minor units; and which are of a half-life, and not at their floor then."""
        is_falling = (self.half_life == half_life) & (self.meets_floor > start)
        return np.exp2(self._logarithms(float(start)))[:, 0], set(np.flatnonzero(is_falling.ravel()).tolist())

    def _logarithms(self, seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        falling = self.worth - (seconds + self.starts) / self.half_life
        prices = np.minimum(np.maximum(falling, self.floor), self.cap)
        prices[self.is_once, 1:] = np.inf
        return np.asarray(prices)


def _price_of(one: Listed, seconds: int) -> int:
    """Return what it costs in so many seconds, in minor units, to a buyer who may have it at a price that is held, too."""
    if not seconds or not one.is_posted:
        return one.price_minor
    posted = price_at_age(one.inputs, one.inputs.age_seconds + seconds).amount_minor
    return min(posted, one.price_minor) if one.is_held else posted


class _Look(NamedTuple):
    """The looks at a menu: an audit of what its offers hold, at their prices of any moment."""

    audit: Audit
    prices: _Prices
    tolerances: Sequence[Fraction]
    using: Collection[str]

    def at(self, seconds: int, targets: Iterable[int]) -> Undercut | None:
        """Return the cheapest way to have one of the targets for less in so many seconds.

        A cent that is saved in turn is none: a part of a held price is rounded by one beside what is bought later. Nor is a way
        by licences of its own family alone that costs no less than it would with as much off; others are looked for then.
        """
        prices, rounded, passed = self.prices.at(seconds), set[int](), set[int]()
        number_of = {offer.name: number for number, offer in enumerate(self.audit.offers)}
        families = np.array([offer.family for offer in self.audit.offers])

        def counted(found: Arbitrage) -> Arbitrage | None:
            if self.using and not any(name in self.using for name in found.basket):
                return None
            cost, number = self.prices.exact(found, seconds), number_of[found.target]
            is_own = all(families[number_of[name]] == families[number] for name in found.basket)
            if is_own and cost >= self.prices.instead[number]:
                passed.add(number)
            elif cost + any(found.starts) < prices[number, 0]:
                return replace(found, cost_minor=cost)
            else:
                rounded.add(number)
            return None

        found = self.audit.find(prices, self.tolerances, sorted(targets), counted)
        for number in sorted(passed) if found is None else ():
            others = np.where((families == families[number])[:, None], np.inf, prices)
            others[number] = prices[number]
            found = found or self.audit.find(others, self.tolerances, [number], counted)
        if found is None and rounded:
            prices[:, 1:] = np.inf
            found = self.audit.find(prices, self.tolerances, sorted(rounded), counted)
        return Undercut(found, int(prices[number_of[found.target], 0]), seconds) if found else None

    def between(self, since: int, last: int, targets: set[int]) -> Undercut | None:
        """Return a way to have one of the targets for less in so many seconds at least and at most, rather early. Refuses TooHard.

        While a target is at its cap, nothing costs less than when it leaves it; while at its floor, than at the end.
        """
        found = self.at(since, targets) or (self.at(last, targets) if last > since else None)
        leaving = defaultdict[int, set[int]](set)
        for number in targets:
            leaving[min(max(ceil(self.prices.leaves_cap[number, 0]), since), last)].add(number)
        spans = [
            (start, last, some, start > since) for start, some in sorted(leaving.items()) if start < last and not found
        ]
        most = len(spans) + _MOST_SPANS
        while spans and not found:
            start, end, some, is_new = spans.pop()
            most -= 1
            if most < 0:
                msg = "prices fall in too many ways to be compared for so long"
                raise TooHard(msg)
            unproven = self.unproven(start, end, some)
            found = self.at(start, unproven) if unproven and is_new else None
            if unproven and not found and end - start > HOUR_SECONDS:
                middle = (start + end) // (2 * HOUR_SECONDS) * HOUR_SECONDS
                middle = middle if start < middle else (start + end) // 2
                found = self.at(middle, unproven)
                spans += [(middle, end, unproven, False), (start, middle, unproven, False)]
        earlier = (seconds for seconds in _EARLIER if found and since <= seconds < found.seconds)
        return next(filter(None, (self.at(seconds, targets) for seconds in earlier)), found)

    def unproven(self, start: int, end: int, targets: set[int]) -> set[int]:
        """Return the numbers of those targets that may be had for less between two moments, though not at the end.

        They fall freely at the start. What meets its floor costs as much at the end, when nothing costs more than before.
        """
        unproven: set[int] = set()
        for half_life in np.unique(self.prices.half_life[sorted(targets)]).tolist():
            dear, falling = self.prices.falling(start, half_life)
            if some := sorted(falling & targets):
                least = self.prices.least(start, end, half_life)
                left = self.audit.unproven(least, dear, self.tolerances, some)
                unproven |= {one.number for one in left if one.cover.may_cost_less(one.price_minor)}
        return unproven

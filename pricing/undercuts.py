"""Whether anything on a menu can be had for less: now, and at every moment to come.

The rule this file keeps: prices move with age alone, so what is not found is proven for ever. Each falls by half in its
half-life, from its cap, where it has one, to its floor. Beside a price that falls freely, another has its least where a span
of time begins or ends, or where it meets its floor. Where it costs no less at all of these, it costs no less in between; what
is not proven so is looked at in halves of the span.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricing.audit import Arbitrage, Audit
from pricing.menus import Listed, holdings_of, offers_of
from pricing.quote import PriceInputs, price, price_at_age
from pricing.refusals import TooHard
from pricing.waterfall import DAY_SECONDS, HOUR_SECONDS

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
    menu: Sequence[Listed], half_life_seconds: int, now: int, tolerances: Sequence[Fraction], *, ever: bool = False
) -> Undercut | None:
    """Return the cheapest way to have something on a menu for less today; ever: some way to, today or later; None: there is none.

    menu: of which what overlaps compares; ever: posted alone. half_life_seconds: by which days are weighted. now: in seconds
    since 1970. tolerances: as `Audit` has them. Refuses TooHard where that cannot be shown.
    """
    starts = starts_of(menu)
    prices = _Prices(menu, starts)
    for by_zone in (False, True):
        if holdings := holdings_of(menu, half_life_seconds, now, by_zone=by_zone):
            audit = Audit(offers_of(menu), starts, holdings)
            found = _find_ever(audit, prices, tolerances) if ever else _find_at(audit, prices, tolerances, 0)
            if found:
                return found
    return None


def starts_of(menu: Iterable[Listed]) -> list[int]:
    """Return in how many months a licence may begin when others end, ascending; none where all are of one product.

    Of one product, a term in pieces costs no less than at once.
    """
    products, terms = {one.product for one in menu}, {one.months for one in menu}
    most = max(terms) if all(terms) else MOST_MONTHS
    starts = {0}
    for start in range(most) if len(products) > 1 else ():
        starts |= {start + term for term in terms if start in starts and start + term < most}
    return sorted(starts - {0})


class _Prices:
    """What n offers cost at each of their starts, n × (1 + starts), as they fall; in minor units."""

    def __init__(self, menu: Sequence[Listed], starts: Sequence[int]) -> None:
        self.menu = menu
        quotes = [price(one.inputs) for one in menu]
        self.worths = np.array([sum(step.amount_minor for step in quote.waterfall[:-2]) for quote in quotes], float)
        self.worth = np.log2(np.maximum(self.worths, 1))[:, None]
        figures = [(one.inputs.floor_minor, one.inputs.cap_minor, one.inputs.half_life_seconds) for one in menu]
        bounds = np.array(figures, float)[:, :, None]
        self.floor, self.cap, self.half_life = np.log2(np.maximum(bounds[:, 0], 1)), np.log2(bounds[:, 1]), bounds[:, 2]
        self.starts = np.array([0, *starts], float) * PriceInputs.month_seconds
        self.is_once = np.array([not one.is_posted for one in menu])
        self.leaves_cap, self.meets_floor = (
            self.half_life * np.maximum(self.worth - bound, 0) for bound in (self.cap, self.floor)
        )
        self.last = max(_LAST, int(self.meets_floor.max() // HOUR_SECONDS + 1) * HOUR_SECONDS)

    def at(self, seconds: int) -> NDArray[np.float64]:
        """Return them in so many seconds, in whole minor units: at the first start exactly, at others one too much at most."""
        prices = np.ceil(np.exp2(self._logarithms(float(seconds))) * _ABOVE)
        prices[self.is_once, 1:] = np.inf
        first = [
            price_at_age(one.inputs, one.inputs.age_seconds + seconds).amount_minor if seconds else one.price_minor
            for one in self.menu
        ]
        return np.column_stack([np.array(first, float), prices[:, 1:]])

    def least(self, start: int, end: int, half_life: float) -> NDArray[np.float64]:
        """Return the least of them from start to end, in seconds, beside what has a half-life and falls freely from its worth now."""
        meets = np.clip(self.meets_floor - self.starts, start, end)
        times = (np.float64(start), np.float64(end), meets)
        least = np.min([self._logarithms(time) + time / half_life for time in times], axis=0)
        return np.asarray(np.exp2(np.minimum(least, _HIGHEST)))

    def falling(self, start: int, end: int, half_life: float) -> list[int]:
        """Return the numbers of those of a half-life that fall from start to end: neither at the floor nor at the cap all along."""
        is_falling = (self.half_life == half_life) & (self.meets_floor > start) & (self.leaves_cap < end)
        return np.flatnonzero(is_falling).tolist()

    def _logarithms(self, seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        falling = self.worth - (seconds + self.starts) / self.half_life
        return np.asarray(np.minimum(np.maximum(falling, self.floor), self.cap))


def _find_at(
    audit: Audit, prices: _Prices, tolerances: Sequence[Fraction], seconds: int, targets: Sequence[int] | None = None
) -> Undercut | None:
    at = prices.at(seconds)
    if found := audit.find(at, tolerances, targets):
        number = next(number for number, offer in enumerate(audit.offers) if offer.name == found.target)
        return Undercut(found, int(at[number, 0]), seconds)
    return None


def _find_ever(audit: Audit, prices: _Prices, tolerances: Sequence[Fraction]) -> Undercut | None:
    everything = range(len(audit.offers))
    found = _find_at(audit, prices, tolerances, 0) or _find_at(audit, prices, tolerances, prices.last)
    spans = [] if found else [(0, prices.last, set(everything))]
    looks = 0
    while spans and not found:
        start, end, targets = spans.pop()
        looks += 1
        if looks > _MOST_SPANS:
            msg = "prices fall in too many ways to be compared for ever"
            raise TooHard(msg)
        unproven = _unproven_between(audit, prices, tolerances, (start, end), targets)
        if unproven and end - start > HOUR_SECONDS:
            middle = (start + end) // (2 * HOUR_SECONDS) * HOUR_SECONDS
            found = _find_at(audit, prices, tolerances, middle, sorted(unproven))
            spans += [(middle, end, unproven), (start, middle, unproven)]
    earlier = (seconds for seconds in _EARLIER if found and seconds < found.seconds)
    return next(filter(None, (_find_at(audit, prices, tolerances, seconds) for seconds in earlier)), found)


def _unproven_between(
    audit: Audit, prices: _Prices, tolerances: Sequence[Fraction], span: tuple[int, int], targets: set[int]
) -> set[int]:
    """Return the numbers of those that may be had for less between two moments, though not at either.

    What is at its floor or cap all along costs as much at the end, when nothing costs more than before, so that looking there is enough.
    """
    unproven: set[int] = set()
    for half_life in np.unique(prices.half_life[sorted(targets)]).tolist():
        if falling := [each for each in prices.falling(*span, half_life) if each in targets]:
            least = prices.least(*span, half_life)
            unproven |= {one.number for one in audit.unproven(least, prices.worths, tolerances, falling)}
    return unproven

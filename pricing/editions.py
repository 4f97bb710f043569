"""Accuracy editions of one release: price menus nobody can get round, and the audit that proves it.

The rule this file keeps: nothing is listed that `find_arbitrage` refuses. A menu has arbitrage when some offer can be
had for less by buying others: two noisy releases averaged, the parts of a bundle, the days of a month, the zones of a
country.

Two ways to make editions. Nested noise: a coarser edition is the finer one plus noise, the same draws for every buyer;
holding several is worth the finest, so prices only must not fall as precision rises. Independent noise: releases can be
averaged and precisions add up, so prices must be subadditive in precision; finding the best such menu is hard, but
menus whose price per unit of precision never rises are subadditive and the best of them is found in O(n**2).

Precision is one over noise variance. A version is a precision x with a value v, what the buyers who need at least x pay
at most, and their mass m.

Public API beside what the marketplace uses: `Version`, `Menu`, `nested_menu`, `ladder_menu`.

Source: L. Chen, P. Koutris and A. Kumar, Towards model-based pricing for machine learning in a data marketplace, SIGMOD
2019, sections 4 and 5 (arbitrage-free prices, the relaxation and its program); C. Niu et al., ERATO, TKDE 2021
(averaging attacks on noisy aggregates).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricing.money import amount, whole
from pricing.refusals import Duplicate, Empty, Mismatched, OutOfRange, TooHard

_MOST_STEPS: Final = 2_000
_ROWS: Final = 512
"""So many offers are compared with all others at once, for memory."""
_EXACT_BELOW: Final = 2**36
"""Prices, of ten thousand parts, that floating-point bounds are exact for to a tenth of a minor unit."""
_ROUNDING: Final = 0.9
"""Costs are whole: what is above a price less one is not below it, and a tenth is for what the bounds are off by."""


@dataclass(frozen=True, slots=True)
class Version:
    """A possible edition: precision >= 1, whole; value_minor >= 0, what its buyers pay at most; mass > 0 of buyers."""

    precision: int
    value_minor: int
    mass: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Menu:
    """A price per version, in order of precision, and the expected revenue: those buy whose value is not below it."""

    prices: tuple[Fraction, ...]
    revenue: Fraction

    @property
    def prices_minor(self) -> tuple[int, ...]:
        """The prices in whole minor units: rounded up, which keeps a subadditive menu subadditive and sells as much."""
        return tuple(ceil(price) for price in self.prices)


def nested_menu(versions: Sequence[Version]) -> Menu:
    """Return the menu of most revenue whose prices never fall with precision, in O(n**2): for nested noise.

    versions: at least one, precisions rising. Refuses Empty, OutOfRange, NotWhole, Negative, TooLarge.
    """
    _check(versions)
    levels = sorted({version.value_minor for version in versions})
    # best[i]: most revenue of the versions so far, the last priced at levels[i] or less; picks say at which level.
    best = [Fraction(0)] * len(levels)
    picks: list[list[int]] = []
    for version in versions:
        row, top = [], 0
        for at, level in enumerate(levels):
            sold = version.mass * level if level <= version.value_minor else Fraction(0)
            best[at] += sold
            if best[at] > best[top]:
                top = at
            row.append(top)
        picks.append(row)
        best = [best[at] for at in row]
    prices: list[Fraction] = []
    at = len(levels) - 1
    for row in reversed(picks):
        at = row[at]
        prices.append(Fraction(levels[at]))
    return _menu(versions, prices[::-1])


def ladder_menu(versions: Sequence[Version]) -> Menu:
    """Return the menu of most revenue with rising prices and falling price per unit of precision, in O(n**2).

    Such a menu is subadditive, hence safe for independently noised releases; it earns at least half of the best
    subadditive one. Between two versions that bind, i before j, the price follows v_i / x_i until it meets v_j, then
    stays; a chain of such bindings is found by dynamic programming. Refuses as `nested_menu`.
    Source: Chen, Koutris and Kumar 2019, section 5.2.
    """
    _check(versions)
    count = len(versions)
    flat = [_flat(versions, j) for j in range(count)]
    best: list[Fraction | None] = [None] * count
    came_from: list[int | None] = [None] * count
    by_value = sorted(range(count), key=lambda at: versions[at].value_minor)
    # Leaving i for no other: along its own slope to the end. Kept for the last step.
    to_the_end: list[Fraction] = []
    for j in range(count):
        best[j] = flat[j][0]
    for i in range(count):
        sloped = _sloped(versions, i)
        to_the_end.append(sloped[-1])
        meets = i
        for j in by_value:
            # In order of value, so the place where i's slope meets v_j only moves up.
            if j <= i or not _may_follow(versions[i], versions[j]):
                continue
            ceiling = versions[j].value_minor
            while meets + 1 < count and _on_slope(versions[i], versions[meets + 1].precision) <= ceiling:
                meets += 1
            turn = min(meets, j - 1)
            reached = (best[i] or Fraction(0)) + sloped[turn - i] + flat[j][turn + 1]
            if reached > (best[j] or Fraction(0)):
                best[j], came_from[j] = reached, i
    last = max(range(count), key=lambda at: (best[at] or Fraction(0)) + to_the_end[at])
    chain = [last]
    while (before := came_from[chain[-1]]) is not None:
        chain.append(before)
    return _menu(versions, [_envelope(versions, chain, version.precision) for version in versions])


class Part(NamedTuple):
    """What an offer holds of one part, a zone and period or anything else that has a name.

    variance: of the noise on each cell, >= 0, in any unit that is the same for all offers; 0 is exact. worth: >= 1, what
    it is worth beside the offer's other parts; it decides how much is proven without a search, never the answer.
    """

    variance: int
    worth: int = 1
    across: int | None = None
    """The variance as offers of other products compare it, where that is another measure; None: it is the same."""
    at_best: int | None = None
    """The least that `across` may be where it is not known, as they count it in a combination; None: it is known."""

    @property
    def compared(self) -> int:
        """Return what other products compare it by."""
        return self.variance if self.across is None else self.across

    @property
    def least(self) -> int:
        """Return what that is at best."""
        return self.compared if self.at_best is None else self.at_best


@dataclass(frozen=True, slots=True)
class Offer:
    """What is or would be listed: `parts`, for a price.

    Offers of one `family` are nested: of several that hold a part, the most precise counts. Offers of different families
    are independent: precisions add up. fresh_noise: each purchase draws anew, so one can buy it several times and
    average; needs a positive price. right: the rank of what may be done with it, >= 0; a higher one includes the lower.
    months: the term, >= 0; 0 is without end. What has a lower right or a shorter term never replaces an offer. product:
    offers of one have the same cells left out, where it is not known which. is_several: it is several purchases, which
    replace others, and are replaced one by one.
    """

    name: str
    price_minor: int
    parts: Mapping[str, Part]
    family: str
    fresh_noise: bool = False
    right: int = 0
    months: int = 0
    product: str = ""
    is_several: bool = False


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """A cheaper way to an offer: buying `basket` (names, repeated when bought again) for cost_minor gives as much."""

    target: str
    basket: tuple[str, ...]
    cost_minor: int


def find_arbitrage(offers: Sequence[Offer], *, tolerances: Sequence[Fraction] = (Fraction(0),)) -> Arbitrage | None:
    """Return the cheapest combination that costs less than an offer it replaces, or None when there is none.

    A combination replaces an offer when on each of its parts it is at least as precise, and its rights and terms
    include the offer's. The audit is complete: None is a proof. Where every part of an offer costs no less elsewhere
    than its share of the price (the dual of the covering problem), that is the proof, for all offers at once; only what
    it leaves open is searched.
    Nested editions of one release need no more than prices that never rise with noise (Blackwell's order: the coarser
    is the finer and noise), so a coarser one counts for nothing towards a finer while no independent release is there
    to average it with.
    tolerances: each in [0, 1); at a tolerance of 1/10 what is as precise but for a tenth must cost less by more than a
    tenth, so that a cheap offer is found though its figures are a shade worse. Prices whose fall is never steeper than
    precision's, as those of `pricing.quote`, pass at every tolerance.
    Refuses TooHard rather than answer None after too many steps; Duplicate names, Empty parts, OutOfRange for a free
    offer with fresh noise, NotWhole, Negative, TooLarge.
    Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual); D. Blackwell, Comparison of
    experiments, 1951.
    """
    _check_offers(offers)
    steps = _Steps()
    cheapest: Arbitrage | None = None
    left = _Table(offers).unproven(tolerances)
    for target, useful in sorted(left, key=lambda pair: (pair[0].price_minor, pair[0].name)):
        limit = target.price_minor if cheapest is None else min(target.price_minor, cheapest.cost_minor)
        basket = _Search(target, useful, steps).cheapest(limit)
        if basket is not None:
            cost = sum(offer.price_minor for offer in basket)
            cheapest = Arbitrage(target.name, tuple(sorted(offer.name for offer in basket)), cost)
    return cheapest


def listable(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return the offers when the audit finds nothing; refuses Mismatched, naming the combination, when it does."""
    found = find_arbitrage(offers)
    if found is not None:
        basket = " + ".join(found.basket)
        msg = f"{found.target} could be had for {found.cost_minor} by buying {basket}"
        raise Mismatched(msg)
    return tuple(offers)


class _Steps:
    """The work limit of one audit."""

    def __init__(self) -> None:
        self.left = _MOST_STEPS

    def count_one(self) -> None:
        """Count one step; refuses TooHard when none is left."""
        self.left -= 1
        if self.left < 0:
            msg = f"the audit of this menu takes more than {_MOST_STEPS} steps; list fewer offers together"
            raise TooHard(msg)


class _Table:
    """A menu as arrays: n offers × parts, their variances (infinite where an offer lacks a part) and worths."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.offers = offers
        number = {part: at for at, part in enumerate({part: None for offer in offers for part in offer.parts})}
        self.variances = np.full((len(offers), len(number)), np.inf)
        self.worths = np.zeros(self.variances.shape)
        self.across, self.least = self.variances.copy(), self.variances.copy()
        for at, offer in enumerate(offers):
            places = [number[part] for part in offer.parts]
            figures = [(part.variance, part.worth, part.compared, part.least) for part in offer.parts.values()]
            variances, worths, across, least = np.array(figures, float).T
            self.variances[at, places], self.worths[at, places] = variances, worths
            self.across[at, places], self.least[at, places] = across, least
        self.products = np.array([offer.product for offer in offers])
        self.prices, rights, months = (
            np.array([getattr(offer, name) for offer in offers], float) for name in ("price_minor", "right", "months")
        )
        months[months == 0] = np.inf
        self.there = np.isfinite(self.variances).astype(np.float32)
        self.rights, self.months = rights, months
        names = {offer.family: at for at, offer in enumerate(offers)}
        families = [-1 - at if offer.fresh_noise else names[offer.family] for at, offer in enumerate(offers)]
        self.family = np.array(families)

    def unproven(self, tolerances: Sequence[Fraction]) -> Iterator[tuple[Offer, list[Offer]]]:
        """Yield the offers that are not proven to be without a cheaper replacement, each with what could be in one.

        An offer is yielded as one that is by the tolerance less precise and less dear.
        """
        for at, offer in enumerate(self.offers):
            if at % _ROWS == 0:
                shares = self.there[at : at + _ROWS] @ self.there.T > 0
            if offer.is_several:
                continue
            includes = shares[at % _ROWS] & (self.rights >= self.rights[at]) & (self.months >= self.months[at])
            cheaper = np.flatnonzero(includes & (self.prices < self.prices[at]))
            parts = np.flatnonzero(np.isfinite(self.variances[at]))
            is_other = (self.products[cheaper] != self.products[at])[:, None]
            within = np.ix_(cheaper, parts)
            variances = np.where(is_other, self.least[within], self.variances[within])
            needed = np.where(is_other, self.across[at, parts], self.variances[at, parts])
            for tolerance in sorted(tolerances) if len(cheaper) else ():
                dear = self.prices[at] * float(1 - tolerance)
                found = np.flatnonzero(self.prices[cheaper] < dear)
                spread = needed[found] / float(1 - tolerance)
                families = self.family[cheaper[found]]
                inside = _counts(variances[found], spread, families)
                useful = inside.any(axis=1)
                found, inside = cheaper[found[useful]], inside[useful]
                if not _is_proven(self.prices[found], inside, self.worths[at, parts], dear):
                    yield _eased(offer, tolerance), [self.offers[each] for each in found.tolist()]
                elif len(set(families)) > 1:  # Else coarser editions did not count, which at the next tolerance may.
                    break  # Values of parts that prove it prove it when all are lowered by a tolerance, too.


def _is_proven(
    prices: NDArray[np.float64], inside: NDArray[np.float64], worths: NDArray[np.float64], dear: float
) -> bool:
    """Return whether no cover of a target's n parts by m offers costs less than `dear`.

    inside: m × n, how much of the target's precision each has, something at least. worths: n.
    """
    if not inside.any(axis=0).all():
        return True
    if dear >= _EXACT_BELOW:
        return False
    per_worth = prices / (inside @ worths)
    least = np.where(inside > 0, per_worth[:, None], np.inf).min(axis=0)
    return bool(worths @ least >= dear - _ROUNDING) or _ascent(inside, prices) >= dear - _ROUNDING


def _counts(
    variances: NDArray[np.float64], target: NDArray[np.float64], families: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how much of the target's precision m offers have on its n parts, m × n, at most one.

    target: its variances as each of them compares it, m × n. families: m. Of one family alone there is nothing to average a coarser edition with.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = np.where(variances <= target, 1.0, target / variances)
    if len(families) and families[0] >= 0 and (families == families[0]).all():
        counts[counts < 1] = 0
    return counts


def _eased(offer: Offer, tolerance: Fraction) -> Offer:
    """Return an offer by the tolerance less precise and less dear."""
    by = 1 - tolerance
    eased = {name: (ceil(part.variance / by), ceil(part.compared / by)) for name, part in offer.parts.items()}
    parts = {name: part._replace(variance=eased[name][0], across=eased[name][1]) for name, part in offer.parts.items()}
    return replace(offer, price_minor=floor(offer.price_minor * (1 - tolerance)), parts=parts)


def _ascent(inside: NDArray[np.float64], prices: NDArray[np.float64]) -> float:
    """Return a bound below what any cover of n parts costs: a value for each part, no offer's parts above its price.

    inside: m offers × n parts, what share of the part's precision the offer has, each part in one at least. Parts that
    few offers have are valued first, each as high as its offers still allow.
    """
    left, total = prices.copy(), 0.0
    for part in np.argsort((inside > 0).sum(axis=0), kind="stable"):
        having = inside[:, part]
        rise = (left[having > 0] / having[having > 0]).min()
        left -= rise * having
        total += rise
    return total


class _Search:
    """The exhaustive search of the cheapest basket that replaces one offer: branch on a part it lacks, and bound."""

    def __init__(self, target: Offer, useful: Sequence[Offer], steps: _Steps) -> None:
        self.target, self.steps = target, steps
        self.parts = sorted(target.parts)
        self.per_part = {
            offer.name: offer.price_minor / sum((_counted(offer, target, part) for part in self.parts), Fraction(0))
            for offer in useful
        }
        order = sorted(useful, key=lambda offer: (self.per_part[offer.name], offer.price_minor, offer.name))
        self.holders = {part: [offer for offer in order if part in offer.parts] for part in self.parts}
        self.least = {
            part: min((self.per_part[offer.name] for offer in holders), default=Fraction(0))
            for part, holders in self.holders.items()
        }
        self.best: list[Offer] | None = None
        self.limit = 0

    def cheapest(self, limit: int) -> list[Offer] | None:
        """Return the cheapest basket below `limit`, or None when there is none."""
        self.limit = limit
        self._search([], 0, frozenset())
        return self.best

    def _search(self, basket: list[Offer], cost: int, without: frozenset[str]) -> None:
        self.steps.count_one()
        lacking = {part: 1 - reached for part in self.parts if (reached := _reached(basket, part, self.target)) < 1}
        if not lacking:
            self.best, self.limit = basket, cost
            return
        # To complete the basket costs at least this much more; costs are whole.
        if cost + ceil(sum(self.least[part] * share for part, share in lacking.items())) >= self.limit:
            return
        choices = {part: [one for one in self.holders[part] if one.name not in without] for part in lacking}
        part = min(choices, key=lambda name: (len(choices[name]), name))
        tried = without
        for offer in choices[part]:
            if cost + offer.price_minor < self.limit:
                self._search(
                    [*basket, offer], cost + offer.price_minor, tried if offer.fresh_noise else tried | {offer.name}
                )
            tried |= {offer.name}


def _counted(offer: Offer, target: Offer, part: str) -> Fraction:
    """Return how much of the target's precision an offer has on one of its parts, at most one."""
    if part not in offer.parts:
        return Fraction(0)
    wanted, of = target.parts[part], offer.parts[part]
    is_same = offer.product == target.product
    needed, has = (wanted.variance, of.variance) if is_same else (wanted.compared, of.least)
    return Fraction(1) if has <= needed else Fraction(needed, has)


def _reached(basket: Sequence[Offer], part: str, target: Offer) -> Fraction:
    """Return how much of the target's precision the basket's offers, averaged by precision, have on a part, at most one."""
    best: dict[str, Fraction] = {}
    total = Fraction(0)
    for offer in basket:
        counted = _counted(offer, target, part)
        if counted == 1:
            return counted
        if offer.fresh_noise:
            total += counted
        else:
            best[offer.family] = max(best.get(offer.family, counted), counted)
    return min(sum(best.values(), total), Fraction(1))


def _flat(versions: Sequence[Version], j: int) -> list[Fraction]:
    """Return, for each s in [0, j + 1], what versions s to j pay when all cost v_j (0 for s = j + 1)."""
    price = versions[j].value_minor
    sums = [Fraction(0)]
    for version in reversed(versions[: j + 1]):
        sums.append(sums[-1] + (version.mass * price if price <= version.value_minor else 0))
    return sums[::-1]


def _sloped(versions: Sequence[Version], i: int) -> list[Fraction]:
    """Return, for each number n from 0, what the n versions after i pay when their price follows i's slope."""
    sums = [Fraction(0)]
    for version in versions[i + 1 :]:
        price = _on_slope(versions[i], version.precision)
        sums.append(sums[-1] + (version.mass * price if price <= version.value_minor else 0))
    return sums


def _on_slope(version: Version, precision: int) -> Fraction:
    return Fraction(version.value_minor * precision, version.precision)


def _may_follow(earlier: Version, later: Version) -> bool:
    """Return whether both may bind: the price rises and the price per unit of precision falls."""
    return earlier.value_minor <= later.value_minor <= _on_slope(earlier, later.precision)


def _envelope(versions: Sequence[Version], chain: Sequence[int], precision: int) -> Fraction:
    """Return the dearest rising price with falling slope that is at most v_i at each x_i of the chain."""
    return min(max(Fraction(versions[i].value_minor), _on_slope(versions[i], precision)) for i in chain)


def _menu(versions: Sequence[Version], prices: Sequence[Fraction]) -> Menu:
    sold = (v.mass * price for v, price in zip(versions, prices, strict=True) if price <= v.value_minor)
    return Menu(tuple(prices), sum(sold, Fraction(0)))


def _check(versions: Sequence[Version]) -> None:
    if not versions:
        msg = "a menu needs at least one version"
        raise Empty(msg)
    before = 0
    for version in versions:
        if whole(version.precision, "a precision") <= before:
            msg = "precisions must be positive and rise"
            raise OutOfRange(msg)
        before = version.precision
        amount(version.value_minor, "a value")
        if version.mass <= 0:
            msg = "a mass of buyers must be positive"
            raise OutOfRange(msg)


def _check_offers(offers: Sequence[Offer]) -> None:
    names = set()
    for offer in offers:
        if offer.name in names:
            msg = f"{offer.name} is listed twice"
            raise Duplicate(msg)
        names.add(offer.name)
        amount(offer.price_minor, "a price")
        amount(offer.right, "a right")
        amount(offer.months, "a term")
        if not offer.parts:
            msg = f"{offer.name} holds nothing"
            raise Empty(msg)
        for part in offer.parts.values():
            amount(part.variance, "a variance")
            amount(part.compared, "a variance across products")
            amount(part.least, "a variance at best")
        if min(part.worth for part in offer.parts.values()) < 1:
            msg = f"a part of {offer.name} is worth nothing"
            raise OutOfRange(msg)
        if offer.fresh_noise and offer.price_minor == 0:
            msg = f"{offer.name} draws fresh noise for nothing, so it could be averaged without end"
            raise OutOfRange(msg)

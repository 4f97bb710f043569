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

from pricing.covering import Having, Moments, Piece, Search, Steps, ascent_proves, is_proven, least_by_moment
from pricing.money import amount, whole
from pricing.refusals import Duplicate, Empty, Mismatched, OutOfRange, TooHard

_ROWS: Final = 512
"""So many offers are compared with all others at once, for memory."""


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
    average; needs a positive price. right: the rank of what may be done with it, >= 0; what has a lower one never replaces
    an offer. months: the term, >= 0; 0 is without end. later: what it costs at each of the menu's later starts; none: it is
    not sold then. fading: what a month of its term is worth beside the one before, in (0, 1]; as a part's worth, it decides
    how much is proven without a search, never the answer. product: offers of one have the same cells left out, where it is
    not known which.
    """

    name: str
    price_minor: int
    parts: Mapping[str, Part]
    family: str
    fresh_noise: bool = False
    right: int = 0
    months: int = 0
    later: Sequence[int] = ()
    fading: float = 1.0
    product: str = ""


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """A cheaper way to an offer: buying `basket` (names, repeated when bought again) for cost_minor gives as much.

    starts: in how many months each is bought.
    """

    target: str
    basket: tuple[str, ...]
    cost_minor: int
    starts: tuple[int, ...] = ()


def find_arbitrage(
    offers: Sequence[Offer], *, tolerances: Sequence[Fraction] = (Fraction(0),), starts: Sequence[int] = ()
) -> Arbitrage | None:
    """Return the cheapest combination that costs less than an offer it replaces, or None when there is none.

    A combination replaces an offer when at each moment of the offer's term it is at least as precise on each of its
    parts, by what gives its rights. The audit is complete: None is a proof. Where every part of an offer costs no less elsewhere
    than its share of the price (the dual of the covering problem), that is the proof, for all offers at once; only what
    it leaves open is searched.
    Nested editions of one release need no more than prices that never rise with noise (Blackwell's order: the coarser
    is the finer and noise), so a coarser one counts for nothing towards a finer while no independent release is there
    to average it with.
    tolerances: each in [0, 1); at a tolerance of 1/10 what is as precise but for a tenth must cost less by more than a
    tenth, so that a cheap offer is found though its figures are a shade worse. Prices whose fall is never steeper than
    precision's, as those of `pricing.quote`, pass at every tolerance.
    starts: in how many months, each > 0, ascending, offers may be bought besides now, at their `later` prices; so that
    licences follow each other.
    Refuses TooHard rather than answer None after too many steps; Duplicate names, Empty parts, OutOfRange for a free
    offer with fresh noise, Mismatched for as many later prices as are not starts, NotWhole, Negative, TooLarge.
    Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual); D. Blackwell, Comparison of
    experiments, 1951.
    """
    _check_offers(offers, starts)
    steps = Steps()
    cheapest: Arbitrage | None = None
    left = _Table(offers, starts).unproven(tolerances)
    for one in sorted(left, key=lambda one: (one.target.price_minor, one.target.name)):
        target = one.target
        limit = target.price_minor if cheapest is None else min(target.price_minor, cheapest.cost_minor)
        having = [_having(offer, target) for offer in one.useful]
        pieces = [piece for piece in one.pieces if piece.price_minor < limit]
        try:
            search = Search(having, pieces, [part.worth for part in target.parts.values()], one.times, steps)
        except TooHard:
            if cheapest is None:
                raise
            continue
        try:
            search.run(limit)
        except TooHard:
            if search.best is None and cheapest is None:
                raise
        if search.best is not None:
            bought = sorted((piece.start, one.useful[piece.offer].name) for piece in search.best)
            basket, since = tuple(name for _, name in bought), tuple(start for start, _ in bought)
            cheapest = Arbitrage(target.name, basket, search.limit, since)
    return cheapest


def listable(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return the offers when the audit finds nothing; refuses Mismatched, naming the combination, when it does."""
    found = find_arbitrage(offers)
    if found is not None:
        basket = " + ".join(found.basket)
        msg = f"{found.target} could be had for {found.cost_minor} by buying {basket}"
        raise Mismatched(msg)
    return tuple(offers)


class _Unproven(NamedTuple):
    """An offer that is not proven to be without a cheaper cover: the offers that could be in one, and their pieces.

    times: what the moments of its term are worth.
    """

    target: Offer
    useful: list[Offer]
    pieces: list[Piece]
    times: NDArray[np.float64]


class _Table:
    """A menu as arrays: n offers × parts, their variances (infinite where an offer lacks a part) and worths."""

    def __init__(self, offers: Sequence[Offer], starts: Sequence[int]) -> None:
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
        self.rights, months = (
            np.array([getattr(offer, name) for offer in offers], float) for name in ("right", "months")
        )
        months[months == 0] = np.inf
        self.months, self.starts = months, np.array([0, *starts], float)
        self.prices = np.full((len(offers), len(self.starts)), np.inf)
        for at, offer in enumerate(offers):
            self.prices[at, 0], self.prices[at, 1 : 1 + len(offer.later)] = offer.price_minor, offer.later
        self.bounds = np.unique([*self.starts, *(self.starts[:, None] + np.unique(months)).ravel()])
        self.there = np.isfinite(self.variances).astype(np.float32)
        names = {offer.family: at for at, offer in enumerate(offers)}
        families = [-1 - at if offer.fresh_noise else names[offer.family] for at, offer in enumerate(offers)]
        self.family = np.array(families)
        self.terms: dict[tuple[float, float], tuple[Moments, NDArray[np.float64], NDArray[np.float64]]] = {}

    def term(self, at: int) -> tuple[Moments, NDArray[np.float64], NDArray[np.float64]]:
        """Return the moments of an offer's term; of all offers, the least prices by moment, and each one's least of all."""
        key = float(self.months[at]), self.offers[at].fading
        if key not in self.terms:
            moments = Moments.of(self.bounds, *key)
            is_within = self.starts < self.months[at]
            by_moment = least_by_moment(moments, self.starts[is_within], self.months, self.prices[:, is_within])
            least = np.where(np.isfinite(by_moment).any(axis=1), self.prices[:, is_within].min(axis=1), np.inf)
            self.terms[key] = moments, by_moment, least
        return self.terms[key]

    def unproven(self, tolerances: Sequence[Fraction]) -> Iterator[_Unproven]:
        """Yield the offers that are not proven to be without a cheaper replacement, each with what could be in one.

        An offer is yielded as one that is by the tolerance less precise and less dear.
        """
        for at, offer in enumerate(self.offers):
            if at % _ROWS == 0:
                shares = self.there[at : at + _ROWS] @ self.there.T > 0
            moments, by_moment, least = self.term(at)
            includes = shares[at % _ROWS] & (self.rights >= self.rights[at])
            cheaper = np.flatnonzero(includes & (least < offer.price_minor))
            parts = np.flatnonzero(np.isfinite(self.variances[at]))
            is_other = (self.products[cheaper] != self.products[at])[:, None]
            within = np.ix_(cheaper, parts)
            variances = np.where(is_other, self.least[within], self.variances[within])
            needed = np.where(is_other, self.across[at, parts], self.variances[at, parts])
            for tolerance in sorted(tolerances) if len(cheaper) else ():
                dear = offer.price_minor * float(1 - tolerance)
                found = np.flatnonzero(least[cheaper] < dear)
                spread = needed[found] / float(1 - tolerance)
                families = self.family[cheaper[found]]
                inside = _counts(variances[found], spread, families)
                has_some = inside.any(axis=1)
                found, inside = cheaper[found[has_some]], inside[has_some]
                worths = self.worths[at, parts]
                is_clear = is_proven(inside, worths, by_moment[found], moments.worths, dear)
                pieces = [] if is_clear else self.pieces(found, moments, dear)
                if not is_clear and not _ascends(inside, pieces, len(moments.at), dear):
                    useful = [self.offers[each] for each in found.tolist()]
                    yield _Unproven(_eased(offer, tolerance), useful, pieces, moments.worths)
                elif len(set(families)) > 1:  # Else coarser editions did not count, which at the next tolerance may.
                    break  # Values of parts that prove it prove it when all are lowered by a tolerance, too.

    def pieces(self, found: NDArray[np.int64], moments: Moments, dear: float) -> list[Piece]:
        """Return what may be bought of some offers within a term for less than `dear`."""
        return [
            Piece(number, int(self.starts[at]), int(self.prices[each, at]), covers)
            for number, each in enumerate(found.tolist())
            for at in np.flatnonzero(self.prices[each] < dear).tolist()
            if (covers := moments.within(self.starts[at], self.months[each]))
        ]


def _ascends(inside: NDArray[np.float64], pieces: Sequence[Piece], moments: int, dear: float) -> bool:
    """Return whether values of parts and moments prove it."""
    covers = np.zeros((len(pieces), moments), bool)
    for number, piece in enumerate(pieces):
        covers[number, piece.covers.start : piece.covers.stop] = True
    prices = np.array([piece.price_minor for piece in pieces], float)
    return ascent_proves(inside[[piece.offer for piece in pieces]], covers, prices, dear)


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


def _having(offer: Offer, target: Offer) -> Having:
    """Return what an offer has of a target's parts."""
    is_same = offer.product == target.product
    counted = []
    for part, wanted in target.parts.items():
        of = offer.parts.get(part)
        if of is None:
            counted.append(Fraction(0))
            continue
        needed, has = (wanted.variance, of.variance) if is_same else (wanted.compared, of.least)
        counted.append(Fraction(1) if has <= needed else Fraction(needed, has))
    return Having(counted, offer.name if offer.fresh_noise else f"of {offer.family}", offer.fresh_noise)


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


def _check_offers(offers: Sequence[Offer], starts: Sequence[int]) -> None:
    names = set()
    for offer in offers:
        if offer.name in names:
            msg = f"{offer.name} is listed twice"
            raise Duplicate(msg)
        names.add(offer.name)
        amount(offer.price_minor, "a price")
        amount(offer.right, "a right")
        amount(offer.months, "a term")
        if len(offer.later) not in {0, len(starts)}:
            msg = f"{offer.name} has {len(offer.later)} later prices for {len(starts)} starts"
            raise Mismatched(msg)
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

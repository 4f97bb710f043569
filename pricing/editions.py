"""Accuracy editions of one release: price menus without arbitrage, as `pricing.audit` proves.

Two ways to make editions. Nested noise: a coarser edition is the finer one plus noise, the same draws for every buyer.
Several are worth the finest, so prices only must not fall as precision rises. Independent noise: releases can be
averaged and precisions add up, so prices must be subadditive in precision. Finding the best such menu is hard, but
menus whose price per unit of precision never rises are subadditive, and the best of them is found in O(n**2).

Precision is one over noise variance. A version is a precision x with a value v, the most that buyers who need at least
x pay, and their mass m.

Public API not used by the marketplace: `Version`, `Menu`, `nested_menu`, `ladder_menu`.

Source: L. Chen, P. Koutris and A. Kumar, Towards model-based pricing for machine learning in a data marketplace, SIGMOD
2019, sections 4 and 5 (arbitrage-free prices, the relaxation and its program); C. Niu et al., ERATO, TKDE 2021
(averaging attacks on noisy aggregates).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from pricing.audit import Offer, find_arbitrage
from pricing.money import amount, whole
from pricing.refusals import Empty, Mismatched, OutOfRange


@dataclass(frozen=True, slots=True)
class Version:
    """A possible edition: precision >= 1, whole; value_minor >= 0, the most its buyers pay; mass > 0 of buyers."""

    precision: int
    value_minor: int
    mass: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Menu:
    """A price per version, in order of precision, and the expected revenue: buyers pay up to their value."""

    prices: tuple[Fraction, ...]
    revenue: Fraction

    @property
    def prices_minor(self) -> tuple[int, ...]:
        """The prices in whole minor units, rounded up: a subadditive menu stays subadditive and sells as much."""
        return tuple(ceil(price) for price in self.prices)


def nested_menu(versions: Sequence[Version]) -> Menu:
    """Return the menu of most revenue whose prices never fall with precision, in O(n**2): for nested noise.

    versions: at least one, precisions rising. Refuses Empty, OutOfRange, NotWhole, Negative, TooLarge.
    """
    _check(versions)
    levels = sorted({version.value_minor for version in versions})
    # best[i]: most revenue of the versions so far, the last priced at levels[i] or less; picks has the level.
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
    stays. Dynamic programming finds a chain of such bindings. Refuses as `nested_menu`.
    Source: Chen, Koutris and Kumar 2019, section 5.2.
    """
    _check(versions)
    count = len(versions)
    flat = [_flat(versions, j) for j in range(count)]
    best: list[Fraction | None] = [None] * count
    came_from: list[int | None] = [None] * count
    by_value = sorted(range(count), key=lambda at: versions[at].value_minor)
    # Version i is the last that binds: along its own slope to the end.
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


def listable(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return the offers if the audit finds nothing; otherwise refuses Mismatched, naming the combination."""
    found = find_arbitrage(offers)
    if found is not None:
        basket = " + ".join(found.basket)
        msg = f"{found.target} could be had for {found.cost_minor} by buying {basket}"
        raise Mismatched(msg)
    return tuple(offers)


def _flat(versions: Sequence[Version], j: int) -> list[Fraction]:
    """Return, for each s in [0, j + 1], what versions s to j pay if all cost v_j (0 for s = j + 1)."""
    price = versions[j].value_minor
    sums = [Fraction(0)]
    for version in reversed(versions[: j + 1]):
        sums.append(sums[-1] + (version.mass * price if price <= version.value_minor else 0))
    return sums[::-1]


def _sloped(versions: Sequence[Version], i: int) -> list[Fraction]:
    """Return, for each number n from 0, what the n versions after i pay if their price follows i's slope."""
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

"""Learning a posted price from accepted and refused quotes: Thompson sampling over a grid of demand multipliers.

The rule this file keeps: what has been learnt is a frozen value, passed in and out; a price is drawn once per offer and
day, recorded, and the same for every partner; so no partner's click can move the price that partner is quoted.

Each multiplier of the grid has a Beta belief about the share of partners who accept it. A draw samples every belief,
makes the samples fall as prices rise (nobody refuses less when asked more), and picks the multiplier with the most
expected revenue. Exploring is thus in proportion to what is still unknown, and stops by itself.

It cannot be gamed cheaply:
- a partner counts once per draw, however many quotes it asks for, and an acceptance beats its own refusals;
- quotes without a vetted partner teach nothing;
- refusers who collude lower the acceptance of what they refuse. Refusing everything scales all revenue alike and moves
  nothing. Refusing only what is dearer than a target moves the price to the target once they are a share of partners of
  at least `collusion_needed`; it costs them every purchase above it until then, and can never pass the floor, which
  clamps the quote (`pricing.quote`), regardless of what was learnt.

Public API beside what the marketplace uses: `price_grid`, `collusion_needed`.

Source: W. R. Thompson, On the likelihood that one unknown probability exceeds another, Biometrika 25, 1933; D. Russo et
al., A tutorial on Thompson sampling, Foundations and Trends in Machine Learning 11(1), 2018, section 3; R. E. Barlow et
al., Statistical Inference under Order Restrictions, 1972, section 1.2 (pooling adjacent violators).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from pricing.money import amount, whole
from pricing.quote import NEUTRAL_BASIS_POINTS
from pricing.refusals import Empty, Mismatched, Negative, OutOfRange

_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Demand:
    """What has been learnt about one offer's demand.

    multipliers_basis_points: n >= 1 rising whole numbers, each >= 1, what worth is multiplied by. accepted, refused:
    how many partners did so at each. learnt_through: the last day learnt from, -1 before the first.
    """

    multipliers_basis_points: tuple[int, ...]
    accepted: tuple[int, ...]
    refused: tuple[int, ...]
    learnt_through: int = _NEVER

    def __post_init__(self) -> None:
        """Refuse Empty, NotWhole, Negative, OutOfRange and Mismatched."""
        if not self.multipliers_basis_points:
            msg = "a grid needs at least one multiplier"
            raise Empty(msg)
        before = 0
        for multiplier in self.multipliers_basis_points:
            if whole(multiplier, "a multiplier") <= before:
                msg = "multipliers must be positive and rise"
                raise OutOfRange(msg)
            before = multiplier
        if not len(self.accepted) == len(self.refused) == len(self.multipliers_basis_points):
            msg = "there must be one count of acceptances and one of refusals per multiplier"
            raise Mismatched(msg)
        for count in self.accepted + self.refused:
            amount(count, "a count of answers")
        if whole(self.learnt_through, "a day") < _NEVER:
            msg = "days are counted from 0"
            raise Negative(msg)


@dataclass(frozen=True, slots=True)
class Draw:
    """The multiplier of one offer for one day: recorded, the same for every partner, and an input of the day's quotes.

    day: whole days since any fixed origin, >= 0.
    """

    day: int
    multiplier_basis_points: int


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one quote of the day came to. partner: a vetted partner's reference; None for anybody else."""

    partner: str | None
    accepted: bool


def price_grid(worth_minor: int, floor_minor: int, cap_minor: int, steps: int) -> tuple[int, ...]:
    """Return at most `steps` rising multipliers whose prices for this worth lie in [floor, cap], evenly in ratio.

    worth_minor: >= 1, as is floor_minor; floor_minor <= cap_minor; steps >= 1. Where the interval is narrower than one
    basis point of worth the grid is the one multiplier that the clamp brings into it. When worth later moves, the clamp
    of the quote keeps prices inside. Refuses NotWhole, Negative, TooLarge, OutOfRange.
    """
    for value in (worth_minor, floor_minor, cap_minor):
        amount(value, "an amount")
    if not (worth_minor >= 1 and 1 <= floor_minor <= cap_minor) or whole(steps, "the number of steps") < 1:
        msg = "worth, floor and steps must be at least 1, and the floor at most the cap"
        raise OutOfRange(msg)
    low = -(-floor_minor * NEUTRAL_BASIS_POINTS // worth_minor)
    high = max(cap_minor * NEUTRAL_BASIS_POINTS // worth_minor, low)
    spaced = np.geomspace(low, high, steps) if steps > 1 else np.array([(low * high) ** 0.5])
    return tuple(sorted({min(max(round(point), low), high) for point in spaced.tolist()}))


def new_demand(multipliers_basis_points: Sequence[int]) -> Demand:
    """Return the state of an offer nobody has answered yet; refuses what `Demand` refuses."""
    grid = tuple(multipliers_basis_points)
    return Demand(grid, (0,) * len(grid), (0,) * len(grid))


def draw(demand: Demand, day: int, rng: np.random.Generator) -> Draw:
    """Draw the day's multiplier; the caller records it and gives it to every quote of the offer on that day.

    day: >= 0 and after every day already learnt from, else OutOfRange. The generator decides; two calls with equal
    generators and states draw alike under one version of numpy, which is why the draw is recorded and not re-drawn.
    """
    if whole(day, "a day") <= demand.learnt_through:
        msg = f"day {day} is over: answers are learnt through day {demand.learnt_through}"
        raise OutOfRange(msg)
    sampled = rng.beta([count + 1 for count in demand.accepted], [count + 1 for count in demand.refused]).tolist()
    multipliers = demand.multipliers_basis_points
    best, picked = -1.0, multipliers[0]
    # Within a pool the share is the same, so the dearest multiplier of a pool is the one to look at.
    for share, end in _falling_pools(sampled, demand.accepted, demand.refused):
        revenue = share * multipliers[end - 1]
        if revenue > best:
            best, picked = revenue, multipliers[end - 1]
    return Draw(day, picked)


def learn(demand: Demand, drawn: Draw, answers: Iterable[Reaction]) -> Demand:
    """Return what is known after a day: each vetted partner counts once, as accepting when any of its quotes was.

    Refuses OutOfRange for a day already learnt from (so nothing counts twice) and Mismatched for a multiplier that is
    not of the grid.
    """
    if drawn.day <= demand.learnt_through:
        msg = f"day {drawn.day} has been learnt from already"
        raise OutOfRange(msg)
    if drawn.multiplier_basis_points not in demand.multipliers_basis_points:
        msg = f"{drawn.multiplier_basis_points} is not of this grid"
        raise Mismatched(msg)
    at = demand.multipliers_basis_points.index(drawn.multiplier_basis_points)
    outcome: dict[str, bool] = {}
    for answer in answers:
        if answer.partner is not None:
            outcome[answer.partner] = outcome.get(answer.partner, False) or answer.accepted
    accepted = sum(outcome.values())
    return replace(
        demand,
        accepted=_added(demand.accepted, at, accepted),
        refused=_added(demand.refused, at, len(outcome) - accepted),
        learnt_through=drawn.day,
    )


def collusion_needed(multipliers_basis_points: Sequence[int], acceptance: Sequence[Fraction], target: int) -> Fraction:
    """Return the share of partners who must collude, refusing all above `target` and accepting it, to make it optimal.

    acceptance: of each multiplier by the other partners, in [0, 1]. target: an index of the grid. With c colluding,
    target earns m_t * ((1 - c) * D_t + c) and the best above it (1 - c) * max m_i * D_i; equating gives c. Zero where
    the target is best already. Refuses Empty, Mismatched, OutOfRange.
    """
    if not multipliers_basis_points:
        msg = "a grid needs at least one multiplier"
        raise Empty(msg)
    if len(acceptance) != len(multipliers_basis_points):
        msg = "there must be one acceptance per multiplier"
        raise Mismatched(msg)
    if not 0 <= target < len(acceptance) or not all(0 <= share <= 1 for share in acceptance):
        msg = "the target must be an index of the grid and acceptances in [0, 1]"
        raise OutOfRange(msg)
    earned = [m * Fraction(share) for m, share in zip(multipliers_basis_points, acceptance, strict=True)]
    lead = max(earned[target:]) - earned[target]
    return lead / (lead + multipliers_basis_points[target])


def _added(counts: tuple[int, ...], at: int, more: int) -> tuple[int, ...]:
    return (*counts[:at], counts[at] + more, *counts[at + 1 :])


def _falling_pools(values: Sequence[float], accepted: Sequence[int], refused: Sequence[int]) -> list[tuple[float, int]]:
    """Return (mean, end) of the runs [previous end, end) into which values must be pooled so that they never rise.

    The nearest such sequence in least squares, each value weighing what its belief does: accepted + refused + 2, the
    uniform prior's two answers included. The means of the runs fall strictly.
    """
    means: list[float] = []
    masses: list[int] = []
    ends: list[int] = []
    for end, (value, yes, no) in enumerate(zip(values, accepted, refused, strict=True), start=1):
        mean, mass = value, yes + no + 2
        while means and means[-1] <= mean:
            before = masses.pop()
            mean = (means.pop() * before + mean * mass) / (before + mass)
            mass += before
            ends.pop()
        means.append(mean)
        masses.append(mass)
        ends.append(end)
    return list(zip(means, ends, strict=True))

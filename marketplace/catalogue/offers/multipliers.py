"""Which demand multipliers a market posts on a day: pure, from those of the days before and what they sold.

A multiplier stays for at least seven days and then moves by one step of the grid, so that waiting for a lower one gains
little. Groups of zones that sold enough have a multiplier of their own; all others share the market's.
"""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pricing.demand import (
    GRID,
    GROUP_SALES,
    NEUTRAL_BASIS_POINTS,
    Demand,
    Reaction,
    add_bids,
    nearest,
    new_demand,
    next_levels,
    paid_by,
    usual_payment,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pricing.demand import RevealedBid

DEMAND_LASTS: Final = dt.timedelta(days=7)
"""How long a multiplier stays at least, so that waiting for a lower one gains at most one step."""
DEMAND_REMEMBERS: Final = dt.timedelta(days=365)
"""How long demand learns from a sale or a bid."""
NOBODYS_OWN: Final[Mapping[str, int]] = MappingProxyType({})


class Posted(NamedTuple):
    """The multipliers of a day, in basis points: the market's, and those of groups of zones that have their own."""

    day: dt.date
    market: int
    own: Mapping[str, int] = NOBODYS_OWN
    is_shut: bool = False
    """Whether an exclusive window prevented partners from buying."""

    def of(self, group: str | None) -> int:
        """Return the multiplier of a group of zones; None: the market's."""
        return self.market if group is None else self.own.get(group, self.market)


class Sale(NamedTuple):
    """What a partner paid on a day, at neutral demand, and the part of it that each group of zones has; sums to 1."""

    day: dt.date
    partner: str
    paid: float
    parts: Mapping[str, float]


class Learnt(NamedTuple):
    """The evidence of a market: a row for the market (None), and one for each group of zones that has a belief."""

    names: Sequence[str | None]
    demand: Demand
    """Shape (rows, level)."""


def post(
    past: Sequence[Posted],
    sales: Iterable[Sale],
    bids: Iterable[RevealedBid],
    day: dt.date,
    groups: Collection[str] = (),
) -> Posted:
    """Return the multipliers of a day: the last ones, or each at most a step beside.

    past: those of all earlier days, by day; the first day's is neutral. bids: those that auctions revealed lately.
    groups: the market's groups of zones.
    """
    if not past:
        return Posted(day, NEUTRAL_BASIS_POINTS)
    if not may_move(past, day):
        return Posted(day, past[-1].market, past[-1].own)
    learnt = learn(past, sales, bids, day, groups)
    posted = np.array([nearest(past[-1].of(name)) for name in learnt.names])
    levels, _ = next_levels(learnt.demand, posted, np.array([_is_rising(past, name) for name in learnt.names]))
    market, *own = (GRID[level] for level in levels)
    found = dict(zip(learnt.names[1:], own, strict=True))
    for group in past[-1].own.keys() - found.keys():  # It sells less than it did, and goes back to the market's.
        at = nearest(past[-1].own[group])
        if (back := GRID[at + int(np.sign(levels[0] - at))]) != market:
            found[group] = back
    return Posted(day, market, {group: found[group] for group in sorted(filter(None, found))})


def may_move(past: Sequence[Posted], day: dt.date) -> bool:
    """Return whether posted multipliers may change on a day: all were the same for DEMAND_LASTS.

    past: those of all earlier days, by day. The first day's is neutral, and stays as long.
    """
    if not past:
        return False
    same_since, last = past[-1].day, past[-1]
    for one in reversed(past):
        if (one.market, one.own) != (last.market, last.own):
            break
        same_since = one.day
    return day - same_since >= DEMAND_LASTS


def learn(
    past: Sequence[Posted],
    sales: Iterable[Sale],
    bids: Iterable[RevealedBid],
    day: dt.date,
    groups: Collection[str] = (),
) -> Learnt:
    """Return what the year before a day taught, by the days on which partners could buy.

    A partner counts once a day, by its largest payment, and as 1 at most. A group of zones has a row of its own from
    GROUP_SALES on, unless it is the only one. Bids teach the market.
    """
    on_sale = [one for one in past if not one.is_shut and day - DEMAND_REMEMBERS <= one.day < day]
    counted = _counted(sales, {one.day for one in on_sale})
    by_group: dict[str, float] = {}
    for _, parts in counted:
        for group, part in parts.items():
            by_group[group] = by_group.get(group, 0) + part
    enough = sorted(group for group, sold in by_group.items() if sold >= GROUP_SALES)
    names = [None, *(enough if len({*groups, *by_group}) > 1 else [])]
    row = {name: number for number, name in enumerate(names)}
    sold, days = np.zeros((2, len(names), len(GRID)))
    levels = {one.day: [nearest(one.of(name)) for name in names] for one in on_sale}
    for at in levels.values():
        days[range(len(names)), at] += 1
    for when, parts in counted:
        for group, part in parts.items():
            number = row.get(group, 0)
            sold[number, levels[when][number]] += part
    heard = add_bids(new_demand(1), bids)
    nothing = new_demand(len(names) - 1)
    together = (np.concatenate(each) for each in ((heard.bids, nothing.bids), (heard.reserves, nothing.reserves)))
    return Learnt(names, Demand(sold, days, *together))


def _counted(sales: Iterable[Sale], on_sale: set[dt.date]) -> list[tuple[dt.date, dict[str, float]]]:
    """Return of each partner's day the licences that it bought, at most 1, by group of zones."""
    by_day: dict[dt.date, dict[str, Sale]] = {}
    for sale in sales:
        before = by_day.setdefault(sale.day, {}).get(sale.partner)
        if sale.paid > (before.paid if before else 0):
            by_day[sale.day][sale.partner] = sale
    usual = usual_payment([Reaction(one.partner, one.paid) for one in each.values()] for each in by_day.values())
    return [
        (when, {group: part * min(paid / usual, 1.0) for group, part in each[partner].parts.items()})
        for when, each in by_day.items()
        if when in on_sale
        for partner, paid in paid_by(Reaction(one.partner, one.paid) for one in each.values()).items()
    ]


def _is_rising(past: Sequence[Posted], name: str | None) -> bool:
    """Return whether the last step of a multiplier was up; False before the first."""
    steps = [after.of(name) - before.of(name) for before, after in pairwise(past)]
    return next((step > 0 for step in reversed(steps) if step), False)

"""Decisions of reverse auctions: whether one may be announced, the id of an ask, and the result of each ask.

Pure; arrays have one entry an ask, in order of arrival.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Invalid
from pricing.auctions.award import Reason
from pricing.auctions.reverse import ReverseAward, outcome_of, winners_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pricing.refusals import NotEnoughAsks

LARGEST_ASK_MICRO: Final = 1_000_000_000
LARGEST_BUDGET_MICRO: Final = 10**15
LARGEST_WANTED: Final = 2**31
MOST_STRATA: Final = 50
FEWEST_SHOWN: Final = 100
"""Counts and prices of fewer people are not shown to others."""
COUNTS_EPSILON_MICRO: Final = 500_000
"""What publishing the numbers of askers and of winners may reveal about one person, who changes each by at most one:
with one more candidate, a group's price is never higher, and its budget or quota ends at most one person later.
"""
CHANGED_BY_ONE: Final = 2
MICRO_PER_MINOR: Final = 10_000
NOT_OF_GROUP: Final = "not_of_group"
REASONS: Final = (*Reason, NOT_OF_GROUP)


class Stratum(Struct, frozen=True):
    """The plan for one group of subscribers, amounts in micro-euros for one licence."""

    title_fr: str
    title_en: str
    wanted: int
    budget_micro: int
    reserve_micro: int
    age_bands: Sequence[str] = ()
    """The dataset's bands that form the group; empty if membership cannot be checked."""


class Timing(Struct, frozen=True):
    """When asks are accepted, [opens_at, closes_at), and when licences honour the promise, [promise_from, promise_to)."""

    opens_at: dt.datetime
    closes_at: dt.datetime
    promise_from: dt.datetime
    promise_to: dt.datetime


@dataclass(frozen=True, slots=True)
class Asks:
    """An auction's asks in order of arrival, one index each: id's bytes, subscriber, stratum's position, least in µ€."""

    ids: NDArray[np.bytes_]
    subscribers: NDArray[np.int64]
    strata: NDArray[np.int64]
    least: NDArray[np.int64]

    def of(self, some: NDArray[np.bool_]) -> Asks:
        """Return some of them, in their order."""
        return Asks(self.ids[some], self.subscribers[some], self.strata[some], self.least[some])


def check_announcement(strata: Sequence[Stratum], timing: Timing, fewest: int) -> None:
    """Raise Invalid for an announcement that could not be honoured, or whose price would reveal one person's ask."""
    if not timing.opens_at < timing.closes_at <= timing.promise_from < timing.promise_to:
        raise Invalid(
            "A call closes after it opens, and its promise begins once it is closed and ends later.", field="closes_at"
        )
    if not 1 <= len(strata) <= MOST_STRATA:
        raise Invalid("A call has between 1 and {most} groups.", most=MOST_STRATA)
    _check_groups(strata)
    for number, one in enumerate(strata):
        if not one.title_fr.strip() or not one.title_en.strip():
            raise Invalid("Name each group, in French and in English.", field=f"title_fr-{number}")
        if not 1 <= one.wanted < LARGEST_WANTED or not 1 <= one.budget_micro <= LARGEST_BUDGET_MICRO:
            raise Invalid("A group wants at least one person, within a budget.", field=f"wanted-{number}")
        if not 1 <= one.reserve_micro <= min(LARGEST_ASK_MICRO, one.budget_micro):
            raise Invalid("The most paid to one person is positive and within the budget.", field=f"most-{number}")
        if one.wanted < fewest or one.budget_micro < fewest * one.reserve_micro:
            raise Invalid(
                "A group wants at least {fewest} people, with a budget for so many at the most that is paid: "
                "else its price would show what one of them asked.",
                fewest=fewest,
                field=f"wanted-{number}",
            )


def _check_groups(strata: Sequence[Stratum]) -> None:
    """Refuse several groups if a person could choose the better paid one by their own word."""
    bands = [band for one in strata for band in one.age_bands]
    if len(strata) > 1 and (not all(one.age_bands for one in strata) or len(set(bands)) < len(bands)):
        raise Invalid(
            "Several groups are of age bands, each of its own, which the operator’s register can check: by their own word "
            "people would choose the group that pays more. All others are one group, at one price.",
            field="bands-0",
        )


class AskAboveMost(Invalid):
    """An ask is above the highest payment of its group; its field `most_micro` is that payment, in micro-euros."""


def check_ask(least_micro: int, most_micro: int) -> None:
    """Refuse a negative amount, and one above the highest payment, which could never win; in micro-euros."""
    if least_micro < 0:
        raise Invalid("State an amount of 0 or more.")
    if least_micro > most_micro:
        raise AskAboveMost(
            "In this group nobody is paid more than {most_micro} micro-euros: more is never chosen.",
            most_micro=most_micro,
        )


def ask_id(auction: uuid.UUID, subscriber: int) -> uuid.UUID:
    """Return the id of a subscriber's ask, the same for each statement: the sealed content is bound to it."""
    return uuid.uuid5(auction, str(subscriber))


def award_at(awards: Mapping[int, ReverseAward | NotEnoughAsks], position: int) -> ReverseAward:
    """Return the award of the stratum at `position`."""
    found = awards[position]
    assert isinstance(found, ReverseAward), "a reserve is always stated, so there is always an award"
    return found


def reasons_of(asks: Asks, awards: Mapping[int, ReverseAward | NotEnoughAsks]) -> NDArray[np.int64]:
    """Return the result of each ask, as its place in REASONS: the O(1) rule, applied once per distinct case."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    reasons = np.zeros(len(asks.least), dtype=np.int64)
    for position in awards:
        award = award_at(awards, position)
        here = np.flatnonzero(asks.strata == position)
        least = asks.least[here]
        found = np.full(len(here), REASONS.index(award.limit), dtype=np.int64)
        if award.winners and award.cutoff_position:
            found[least == award.cutoff_ask] = REASONS.index(Reason.TIED_LATER)
        if award.reserve_minor is not None:
            found[least > award.reserve_minor] = REASONS.index(Reason.ABOVE_RESERVE)
        found[winners_of(award, least)] = REASONS.index(Reason.WON)
        reasons[here] = found
        for order in (0, len(here) // 2, len(here) - 1) if len(here) else ():
            assert REASONS[found[order]] == outcome_of(award, int(least[order]), order), "an award has one reading"
    return reasons

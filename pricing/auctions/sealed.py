"""Sealed bids: second price, k licences at the (k+1)-th price, and several units per bidder.

The rule this file keeps: a winner's payment does not depend on its own bid, except in two multi-unit rules that say so.
Bidding one's true value is then best, whatever the others do.

Written rules. Ties go to the earlier bid. Without a bid at or above the reserve nothing is sold; that is an award, not
a refusal. With no more bidders than licences, all who meet the reserve win and pay it.

Public API not used by the marketplace: `second_price`, `MultiUnitRule`, `MarginalBids`, `multi_unit`.

Source: W. Vickrey, Counterspeculation, auctions, and competitive sealed tenders, Journal of Finance 16(1), 1961;
V. Krishna, Auction Theory, 2nd ed. 2010, chapters 2 and 12.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pricing.auctions.award import Award, Bid, Outcome, Reason, check_amounts, check_bidders
from pricing.money import Money, whole
from pricing.refusals import OutOfRange


def second_price(bids: Sequence[Bid], reserve: Money) -> Award:
    """Award one licence to the highest bid at the second highest, or at the reserve if that is more.

    bids: one per bidder, in order of arrival, possibly none. Truthful. Refuses Negative, MixedCurrencies, Duplicate.
    Source: Vickrey 1961; Krishna, section 2.2, with a reserve as in section 2.5.
    """
    return uniform_price(bids, 1, reserve)


def uniform_price(bids: Sequence[Bid], licences: int, reserve: Money) -> Award:
    """Award `licences` >= 1 to the highest bids, each at the best losing bid or the reserve, the larger of the two.

    One licence per bidder, for which it is truthful. Refuses OutOfRange for no licences, and Negative, MixedCurrencies
    and Duplicate. Source: Krishna, section 12.1 (uniform price), with unit demand.
    """
    _check_units(licences)
    check_amounts((reserve, *(bid.amount for bid in bids)), reserve.currency)
    check_bidders(bid.bidder for bid in bids)
    order = sorted(range(len(bids)), key=lambda at: -bids[at].amount.minor)
    eligible = [at for at in order if bids[at].amount >= reserve]
    won = set(eligible[:licences])
    if not won:
        return Award(None, tuple(_lost(bid, reserve, None) for bid in bids))
    price = bids[eligible[licences]].amount if len(eligible) > licences else reserve
    lowest = bids[eligible[len(won) - 1]].amount
    return Award(
        price,
        tuple(
            Outcome(bid.bidder, 1, price, Reason.WON) if at in won else _lost(bid, reserve, lowest)
            for at, bid in enumerate(bids)
        ),
    )


class MultiUnitRule(StrEnum):
    """How winners of several units pay; the units themselves always go to the highest marginal bids."""

    VICKREY = "vickrey"
    """Each pays the bids it displaces. Truthful."""
    UNIFORM = "uniform"
    """Each unit costs the best losing bid. Not truthful: a bidder may set that price itself, so bidding lower pays."""
    DISCRIMINATORY = "discriminatory"
    """Each pays its own bids. Not truthful: a bidder who bids its value gains nothing."""


@dataclass(frozen=True, slots=True)
class MarginalBids:
    """The most that a bidder would pay for a first unit, a second and so on: `amounts` never rise, and may be empty."""

    bidder: str
    amounts: tuple[Money, ...]


def multi_unit(bids: Sequence[MarginalBids], units: int, reserve: Money, rule: MultiUnitRule) -> Award:
    """Award `units` >= 1 identical units to the highest marginal bids that meet the reserve, and charge by `rule`.

    bids: one list per bidder, in order of arrival; ties go to the earlier bidder. The reserve, per unit, works as the
    seller's bid for every unit, so Vickrey winners pay at least that per unit. clearing_price is the uniform price and
    None under the other rules. Refuses OutOfRange for rising amounts or no units, Negative, MixedCurrencies and
    Duplicate. Source: Krishna, sections 12.1 to 12.3.
    """
    _check_units(units)
    check_bidders(bid.bidder for bid in bids)
    for bid in bids:
        check_amounts((reserve, *bid.amounts), reserve.currency)
        if any(later > earlier for earlier, later in zip(bid.amounts, bid.amounts[1:], strict=False)):
            msg = f"{bid.bidder} would pay more for a later unit than for an earlier one"
            raise OutOfRange(msg)
    # (amount, bidder's position), best first; a stable sort keeps earlier bidders ahead in ties.
    ranked = sorted(
        ((amount.minor, at) for at, bid in enumerate(bids) for amount in bid.amounts if amount >= reserve),
        key=lambda pair: -pair[0],
    )
    winning, losing = ranked[:units], ranked[units:]
    clearing = losing[0][0] if losing else reserve.minor
    won = [sum(1 for _, winner in winning if winner == at) for at in range(len(bids))]
    outcomes = []
    for at, bid in enumerate(bids):
        if not won[at]:
            best = Bid(bid.bidder, bid.amounts[0]) if bid.amounts else Bid(bid.bidder, Money(0, reserve.currency))
            outcomes.append(_lost(best, reserve, Money(winning[-1][0], reserve.currency) if winning else None))
            continue
        match rule:
            case MultiUnitRule.VICKREY:
                pays = _displaced(ranked, units, reserve.minor, at, won[at])
            case MultiUnitRule.UNIFORM:
                pays = clearing * won[at]
            case MultiUnitRule.DISCRIMINATORY:
                pays = sum(amount.minor for amount in bid.amounts[: won[at]])
        outcomes.append(Outcome(bid.bidder, won[at], Money(pays, reserve.currency), Reason.WON))
    uniform = rule is MultiUnitRule.UNIFORM and bool(winning)
    return Award(Money(clearing, reserve.currency) if uniform else None, tuple(outcomes))


def _displaced(ranked: Sequence[tuple[int, int]], units: int, reserve: int, winner: int, won: int) -> int:
    """Return what the others would have paid for the units of `winner`; the seller's own bids count."""
    others = [amount for amount, at in ranked if at != winner] + [reserve] * units
    return sum(others[units - won : units])


def _check_units(units: int) -> None:
    if whole(units, "the number on sale") < 1:
        msg = f"at least one must be on sale, not {units}"
        raise OutOfRange(msg)


def _lost(bid: Bid, reserve: Money, lowest_winner: Money | None) -> Outcome:
    """Return a loser's outcome and the plainest true reason for it."""
    if bid.amount < reserve:
        reason = Reason.BELOW_RESERVE
    elif bid.amount == lowest_winner:
        reason = Reason.TIED_LATER
    else:
        reason = Reason.OUTBID
    return Outcome(bid.bidder, 0, Money(0, reserve.currency), reason)

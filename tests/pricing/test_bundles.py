"""Bundles: the textbook's payments, brute force and a second solver agreed with, and no profit in misreporting."""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from pricing.auctions.bundles import (
    BundleAward,
    BundleBid,
    best_allocation,
    core_selecting,
    vcg,
)
from pricing.money import Money
from pricing.refusals import Duplicate, Empty, MixedCurrencies, Negative, PricingRefusal, TooLarge
from tests.pricing.oracles import TooHard, best_by_enumeration


def bundle_bid(bidder: str, goods: str, amount: int) -> BundleBid:
    """Return a bid of euros' minor units on goods of one letter each."""
    return BundleBid(bidder, frozenset(goods), Money(amount, "EUR"))


def paid_by_winner(award: BundleAward) -> dict[str, int]:
    """Return what each winner pays."""
    return {outcome.bidder: outcome.pays.minor for outcome in award.award.outcomes if outcome.units}


def expanded(case: dict[str, Any]) -> list[BundleBid]:
    """Return a worked example's bids, "any" of alike or listed items as one bid per possible set."""
    bids = []
    for one in case["bids"]:
        if "items" in one:
            sets = [one["items"]]
        elif "any" in one:
            sets = [list(each) for each in combinations(range(case["items"]), one["any"])]
        else:
            sets = [[item] for item in one["items_any_one_of"]]
        bids += [BundleBid(one["bidder"], frozenset(map(str, each)), Money(one["amount"], "EUR")) for each in sets]
    return bids


def test_every_worked_example(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Winners, welfare, VCG and core payments as published."""
    cases = vectors("auctions")["vcg"]
    assert cases
    for case in cases:
        bids = expanded(case)
        award = vcg(bids, "EUR")
        assert paid_by_winner(award) == case["payments"], case["name"]
        assert set(award.award.winners) == set(case.get("winners", case["payments"]))
        assert award.welfare == case.get("welfare", award.welfare)
        if "core_payments" in case:
            assert paid_by_winner(core_selecting(bids, "EUR")) == case["core_payments"]


def test_revenue_may_rise_when_a_bidder_leaves() -> None:
    """The known weakness of VCG, and why a core price exists: the same bids bring the loser's offer in the core."""
    bids = [
        bundle_bid("1", "ab", 2),
        bundle_bid("2", "a", 2),
        bundle_bid("2", "b", 2),
        bundle_bid("3", "a", 2),
        bundle_bid("3", "b", 2),
    ]
    assert sum(paid_by_winner(vcg(bids, "EUR")).values()) == 0
    assert sum(paid_by_winner(vcg(bids[:3], "EUR")).values()) == 2
    assert sum(paid_by_winner(core_selecting(bids, "EUR")).values()) == 2


bundle_bids = st.lists(
    st.builds(bundle_bid, st.sampled_from("PQRS"), st.text("abcd", min_size=1, max_size=3), st.integers(0, 20)),
    max_size=9,
    unique_by=lambda one: (one.bidder, one.goods),
)


@settings(deadline=None, max_examples=60)
@given(bundle_bids)
def test_search_and_payments_equal_brute_force(bids: list[BundleBid]) -> None:
    """Best welfare and every VCG payment by enumeration; winners pay at most their bid, losers nothing."""
    best = best_by_enumeration(bids)
    assert best_allocation(bids).welfare == best.welfare
    award = vcg(bids, "EUR")
    assert award.welfare == best.welfare
    assert [outcome.bidder for outcome in award.award.outcomes] == list(dict.fromkeys(one.bidder for one in bids))
    for outcome in award.award.outcomes:
        worth = max(
            (
                one.amount.minor
                for one in bids
                if (one.bidder, one.goods) == (outcome.bidder, award.goods.get(outcome.bidder))
            ),
            default=0,
        )
        without = best_by_enumeration([one for one in bids if one.bidder != outcome.bidder]).welfare
        expected = without - (best.welfare - worth) if outcome.units else 0
        assert outcome.pays.minor == expected
        assert 0 <= outcome.pays.minor <= worth


@settings(deadline=None, max_examples=40)
@given(bundle_bids)
def test_core_payments_leave_nobody_an_objection(bids: list[BundleBid]) -> None:
    """Every coalition of bidders can be offered no more by the seller than it gets; never below VCG nor above the bid."""
    award, cheaper = core_selecting(bids, "EUR"), paid_by_winner(vcg(bids, "EUR"))
    prices = paid_by_winner(award)
    worth = {one.bidder: one.amount.minor for one in bids if award.goods.get(one.bidder) == one.goods}
    assert prices.keys() <= worth.keys()
    revenue = sum(prices.values())
    bidders = sorted({one.bidder for one in bids})
    for size in range(len(bidders) + 1):
        for members in combinations(bidders, size):
            welfare = best_by_enumeration([one for one in bids if one.bidder in members]).welfare
            kept = sum(worth[name] - prices[name] for name in members if name in prices)
            assert welfare - kept <= revenue
    if prices.keys() == cheaper.keys():
        assert all(cheaper[name] <= prices[name] <= worth[name] for name in prices)


def test_an_odd_unit_falls_on_the_later_bid() -> None:
    """Two winners who must find an odd amount together: alike but for the order they came in."""
    bids = [bundle_bid("A", "a", 9), bundle_bid("B", "b", 9), bundle_bid("G", "ab", 11)]
    assert paid_by_winner(core_selecting(bids, "EUR")) == {"A": 5, "B": 6}


def highs(bids: Sequence[BundleBid]) -> int:
    """Return the best welfare by an independent mixed-integer solver."""
    rows = sorted({("good", good) for one in bids for good in one.goods} | {("bidder", one.bidder) for one in bids})
    matrix = np.array(
        [[(kind == "good" and key in one.goods) or key == one.bidder for one in bids] for kind, key in rows]
    )
    result = milp(
        [-one.amount.minor for one in bids],
        integrality=np.ones(len(bids)),
        bounds=(0, 1),
        constraints=LinearConstraint(matrix.astype(float), ub=1),
    )
    return round(-result.fun)


def seeded_bids(seed: int, goods: int, count: int) -> list[BundleBid]:
    """Return bids on stretches of a line of goods, several per bidder."""
    rng = np.random.default_rng(seed)
    bids: dict[tuple[str, frozenset[str]], BundleBid] = {}
    while len(bids) < count:
        start, length = int(rng.integers(goods)), int(rng.integers(1, 6))
        names = frozenset(f"zone {at % goods}" for at in (start, *rng.integers(start, start + 8, length).tolist()))
        one = BundleBid(
            f"p{rng.integers(count // 2)}", names, Money(int(100 * len(names) * rng.uniform(0.5, 1.5)), "EUR")
        )
        bids[one.bidder, one.goods] = one
    return list(bids.values())


@pytest.mark.parametrize("seed", range(3))
def test_two_solvers_agree(seed: int) -> None:
    """CP-SAT with pruning and HiGHS without: the same welfare at sizes brute force cannot reach."""
    bids = seeded_bids(seed, 24, 60)
    assert best_allocation(bids).welfare == highs(bids)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(6))
def test_two_solvers_agree_on_every_payment(seed: int) -> None:
    """The same for each winner's absence."""
    bids = seeded_bids(seed, 40, 120)
    award = vcg(bids, "EUR")
    assert award.welfare == highs(bids)
    for outcome in award.award.outcomes:
        if outcome.units:
            worth = next(
                one.amount.minor
                for one in bids
                if one.bidder == outcome.bidder and one.goods == award.goods[outcome.bidder]
            )
            rest = highs([one for one in bids if one.bidder != outcome.bidder])
            assert outcome.pays.minor == rest - (award.welfare - worth)


def test_no_misreport_profits_under_vcg() -> None:
    """Every value and every report of a bidder on a, b and ab, against every bid of two others, on a grid of 0 to 2."""

    def lot_of_p(bids: list[BundleBid]) -> tuple[frozenset[str], int]:
        made = vcg(bids, "EUR")
        return made.goods.get("P", frozenset()), made.award.of("P").pays.minor

    grid = range(3)
    gains = 0
    for other, third in product(grid, grid):
        rest = [bundle_bid("Q", "a", other), bundle_bid("R", "ab", third)]
        results = {
            report: lot_of_p(
                [
                    bundle_bid("P", "a", report[0]),
                    bundle_bid("P", "b", report[1]),
                    bundle_bid("P", "ab", report[2]),
                    *rest,
                ]
            )
            for report in product(grid, repeat=3)
        }
        for value in product(grid, repeat=3):
            worth = {frozenset(): 0, frozenset("a"): value[0], frozenset("b"): value[1], frozenset("ab"): value[2]}
            truthful = worth[results[value][0]] - results[value][1]
            gains += sum(worth[goods] - price > truthful for goods, price in results.values())
    assert gains == 0


@pytest.mark.parametrize(
    ("bids", "refusal"),
    [
        ([bundle_bid("P", "", 1)], Empty),
        ([bundle_bid("P", "a", -1)], Negative),
        ([bundle_bid("P", "a", 1), bundle_bid("P", "a", 2)], Duplicate),
        ([BundleBid("P", frozenset("a"), Money(1, "CHF"))], MixedCurrencies),
        ([bundle_bid("P", "a", 10**12)], TooLarge),
    ],
)
def test_malformed_bids_are_refused_by_name(bids: list[BundleBid], refusal: type[PricingRefusal]) -> None:
    """By both rules alike."""
    for rule in (vcg, core_selecting):
        with pytest.raises(refusal):
            rule(bids, "EUR")


def test_too_much_to_enumerate_is_refused() -> None:
    """The reference says so instead of running for ever."""
    with pytest.raises(TooHard):
        best_by_enumeration([bundle_bid(str(at), "a", 1) for at in range(25)])


def test_no_bids_sell_nothing() -> None:
    """An award, not a refusal."""
    for rule in (vcg, core_selecting):
        assert rule([], "EUR").award.outcomes == ()
    assert best_allocation([]).welfare == best_by_enumeration([]).welfare == 0

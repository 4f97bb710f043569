"""Sealed bids, reserves and digital goods: the textbooks' numbers, and nothing to gain from a false bid."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.auctions.award import Award, Bid, Reason
from pricing.auctions.digital import (
    optimal_single_price,
    random_sampling,
    random_sampling_with,
)
from pricing.auctions.reserve import (
    Exponential,
    Lognormal,
    Uniform,
    exclusive_reserve,
    likeliest,
    myerson_reserve,
)
from pricing.auctions.sealed import MarginalBids, MultiUnitRule, multi_unit, second_price, uniform_price
from pricing.money import Money
from pricing.refusals import (
    Duplicate,
    Empty,
    Mismatched,
    MixedCurrencies,
    Negative,
    NotFinite,
    NotFitted,
    NotWhole,
    OutOfRange,
    PricingRefusal,
)
from tests.pricing.builders import eur
from tests.pricing.oracles import (
    TooHard,
    deterministic_optimal_price,
    expected_random_sampling_revenue,
    expected_revenue_uniform,
)


def bids_of(amounts: Sequence[int]) -> list[Bid]:
    """Return one bid per amount, the bidders named by their place."""
    return [Bid(str(at), eur(amount)) for at, amount in enumerate(amounts)]


def winners(award: Award) -> list[int]:
    """Return the winners' places."""
    return [int(name) for name in award.winners]


def test_every_sealed_example(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Second price and (k+1)-th price, ties and reserves included."""
    auctions = vectors("auctions")
    for case in auctions["second_price"]:
        award = second_price(bids_of(case["bids"]), eur(case.get("reserve", 0)))
        assert winners(award) == ([] if case["winner"] is None else [case["winner"]])
        assert award.clearing_price == (None if case["price"] is None else eur(case["price"]))
    for case in auctions["uniform_k_plus_one"]:
        award = uniform_price(bids_of(case["bids"]), case["k"], eur(case.get("reserve", 0)))
        assert (winners(award), award.clearing_price) == (case["winners"], eur(case["price"]))


def test_krishnas_six_units(vectors: Callable[[str], dict[str, Any]]) -> None:
    """The same winners under three rules, and each rule's payments."""
    case = vectors("auctions")["multi_unit"]
    bids = [MarginalBids(str(at), tuple(map(eur, amounts))) for at, amounts in enumerate(case["bids"])]
    awards = {rule: multi_unit(bids, case["units"], eur(0), rule) for rule in MultiUnitRule}
    for award in awards.values():
        assert [outcome.units for outcome in award.outcomes] == case["won"]
    pays = {rule: [outcome.pays.minor for outcome in award.outcomes] for rule, award in awards.items()}
    assert pays[MultiUnitRule.DISCRIMINATORY] == case["discriminatory"]
    assert pays[MultiUnitRule.VICKREY] == case["vickrey_payments"]
    assert awards[MultiUnitRule.UNIFORM].clearing_price == eur(case["uniform_price"])
    assert pays[MultiUnitRule.UNIFORM] == [case["uniform_price"] * units for units in case["won"]]


def test_everybody_gets_the_plainest_reason() -> None:
    """Won, tied but later, outbid, below the reserve; and all alike when nothing sells."""
    award = uniform_price(bids_of([9, 9, 5, 1]), 1, eur(2))
    assert [outcome.reason for outcome in award.outcomes] == [
        Reason.WON,
        Reason.TIED_LATER,
        Reason.OUTBID,
        Reason.BELOW_RESERVE,
    ]
    assert award.of("1").reason is Reason.TIED_LATER
    with pytest.raises(KeyError):
        award.of("nobody")
    assert second_price([], eur(5)).outcomes == ()
    units = multi_unit(
        [
            MarginalBids("a", (eur(3),)),
            MarginalBids("b", (eur(3),)),
            MarginalBids("c", ()),
            MarginalBids("d", (eur(1),)),
        ],
        1,
        eur(1),
        MultiUnitRule.VICKREY,
    )
    assert [one.reason for one in units.outcomes] == [
        Reason.WON,
        Reason.TIED_LATER,
        Reason.BELOW_RESERVE,
        Reason.OUTBID,
    ]
    nothing = multi_unit([MarginalBids("a", (eur(3),))], 1, eur(4), MultiUnitRule.UNIFORM)
    assert (nothing.clearing_price, nothing.outcomes[0].units) == (None, 0)


def test_more_licences_than_bidders_sell_at_the_reserve() -> None:
    """The written rule for k over the bidders."""
    award = uniform_price(bids_of([8, 6, 1]), 5, eur(2))
    assert (winners(award), award.clearing_price) == ([0, 1], eur(2))


amount_lists = st.lists(st.integers(0, 30), max_size=7)


@settings(deadline=None)
@given(amount_lists, st.integers(1, 4), st.integers(0, 20), st.data())
def test_winners_pay_between_reserve_and_bid_and_losers_below_the_price_move_nothing(
    amounts: list[int], licences: int, reserve: int, data: st.DataObject
) -> None:
    """And the price is the same for all; raising a losing bid that stays below it changes nobody else's lot."""
    award = uniform_price(bids_of(amounts), licences, eur(reserve))
    for amount, outcome in zip(amounts, award.outcomes, strict=True):
        if outcome.units:
            assert reserve <= outcome.pays.minor <= amount
            assert outcome.pays == award.clearing_price
        else:
            assert outcome.pays == eur(0)
    losers = [at for at in range(len(amounts)) if at not in winners(award)]
    if award.clearing_price is not None and losers:
        at = data.draw(st.sampled_from(losers))
        if amounts[at] < award.clearing_price.minor:
            raised = [*amounts]
            raised[at] = data.draw(st.integers(amounts[at], award.clearing_price.minor - 1))
            after = uniform_price(bids_of(raised), licences, eur(reserve))
            assert (winners(after), after.clearing_price) == (winners(award), award.clearing_price)


@pytest.mark.parametrize(("licences", "reserve"), [(1, 0), (1, 2), (2, 0), (2, 2), (3, 1)])
def test_no_misreport_profits_with_unit_demand(licences: int, reserve: int) -> None:
    """Every value, every report, every bid of three rivals on a grid, and every order of arrival of the bidder."""
    grid = range(5)
    gains = 0
    for others in product(grid, repeat=3):
        for place in range(4):
            results = {}
            for report in grid:
                award = uniform_price(bids_of([*others[:place], report, *others[place:]]), licences, eur(reserve))
                mine = award.outcomes[place]
                results[report] = (mine.units, mine.pays.minor)
            for value in grid:
                best = value * results[value][0] - results[value][1]
                gains += sum(value * units - pays > best for units, pays in results.values())
    assert gains == 0


@pytest.mark.parametrize("reserve", [0, 1])
def test_no_misreport_profits_in_multi_unit_vickrey(reserve: int) -> None:
    """Two units each, three units on sale: every falling pair of values and reports against every rival pair."""
    pairs = [(a, b) for a in range(4) for b in range(a + 1)]
    gains = dict.fromkeys(MultiUnitRule, 0)
    for rule in MultiUnitRule:
        for one, other in product(pairs, pairs[::2]):
            rivals = [MarginalBids("q", tuple(map(eur, one))), MarginalBids("r", tuple(map(eur, other)))]
            results = {}
            for report in pairs:
                mine = MarginalBids("p", tuple(map(eur, report)))
                outcome = multi_unit([rivals[0], mine, rivals[1]], 3, eur(reserve), rule).of("p")
                assert reserve * outcome.units <= outcome.pays.minor <= sum(report[: outcome.units])
                results[report] = (outcome.units, outcome.pays.minor)
            for value in pairs:
                utility = {r: sum(value[:units]) - pays for r, (units, pays) in results.items()}
                gains[rule] += sum(each > utility[value] for each in utility.values())
    assert gains[MultiUnitRule.VICKREY] == 0
    # The other two rules say they are not truthful; were these zero, the grid would be too coarse to show anything.
    assert gains[MultiUnitRule.UNIFORM] > 0
    assert gains[MultiUnitRule.DISCRIMINATORY] > 0


def test_expected_revenue(vectors: Callable[[str], dict[str, Any]]) -> None:
    """The published fractions, exactly, and one of them by playing the auction on a fine grid."""
    case = vectors("auctions")["expected_revenue_uniform01"]
    for key, reserve in (("no_reserve", Fraction(0)), ("reserve_half", Fraction(1, 2))):
        for bidders, expected in case[key].items():
            assert expected_revenue_uniform(int(bidders.removeprefix("n=")), reserve) == Fraction(expected)
    steps = 60
    revenue = 0
    for pair in product(range(steps), repeat=2):
        price = second_price(bids_of(pair), eur(steps // 2)).clearing_price
        revenue += price.minor if price else 0
    assert abs(Fraction(revenue, steps**3) - Fraction(5, 12)) < Fraction(1, 50)


def test_myersons_reserve(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Uniform, exponential and lognormal values; with something to keep it only rises."""
    case = vectors("auctions")["myerson_reserve"]
    assert myerson_reserve(Uniform(0, 10)) == pytest.approx(5)
    assert myerson_reserve(Uniform(7, 10)) == pytest.approx(7)
    assert "b/2" in case["uniform(a,b)"]
    assert myerson_reserve(Exponential(1)) == pytest.approx(case["exponential(1)"])
    assert myerson_reserve(Lognormal(0, 1)) == pytest.approx(case["lognormal(0,1)"], abs=1e-9)
    for values in (Uniform(0, 1000), Exponential(300), Lognormal(5, 1)):
        assert values.survival(values.low - 1) == 1.0
        assert values.density(-1.0) == 0.0
        reserves = [exclusive_reserve(values, eur(kept)).minor for kept in (0, 100, 400, 900)]
        assert reserves == sorted(reserves)
        assert all(reserve >= kept for reserve, kept in zip(reserves, (0, 100, 400, 900), strict=True))
        best = reserves[0]
        revenue = [price * values.survival(price) for price in (best * 0.9, best, best * 1.1)]
        assert max(revenue) == revenue[1]
    assert exclusive_reserve(Uniform(0, 1000), eur(5000)) == eur(5000)


def test_the_likeliest_family_is_recognised() -> None:
    """Five hundred past values of each kind, seeded; and the parameters they came from."""
    rng = np.random.default_rng(11)
    lognormal = likeliest(rng.lognormal(6, 0.5, 500).tolist())
    assert isinstance(lognormal, Lognormal)
    assert lognormal.mu == pytest.approx(6, abs=0.1)
    assert isinstance(likeliest(rng.exponential(400, 500).tolist()), Exponential)
    assert isinstance(likeliest(rng.uniform(0, 900, 500).tolist()), Uniform)
    assert likeliest([5.0, 5.0])


def test_digital_goods(vectors: Callable[[str], dict[str, Any]]) -> None:
    """DOP's famous failure, and RSOP's exact expectation."""
    case = vectors("auctions")["digital_goods"]
    amounts = [10] * 10 + [1] * 90
    award = deterministic_optimal_price(bids_of(amounts), "EUR")
    assert sum(outcome.pays.minor for outcome in award.outcomes) == case["dop"]["revenue"]
    price = optimal_single_price(amounts)
    assert price * sum(amount >= price for amount in amounts) == case["dop"]["best_single_price"]
    for one in case["rsop_exact_expectation"]:
        assert expected_random_sampling_revenue(one["bids"]) == Fraction(one["revenue"])


def test_a_half_without_bids_sells_nothing_and_ties_go_to_the_higher_price() -> None:
    """The two written rules of RSOP."""
    award = random_sampling_with(bids_of([4, 2]), "EUR", [True, True])
    assert [outcome.reason for outcome in award.outcomes] == [Reason.NO_OTHER_HALF] * 2
    assert optimal_single_price([4, 2]) == 4
    split = random_sampling_with(bids_of([4, 2]), "EUR", [True, False])
    assert [outcome.reason for outcome in split.outcomes] == [Reason.WON, Reason.OTHER_HALF_PRICED_HIGHER]
    assert deterministic_optimal_price(bids_of([5]), "EUR").winners == ()
    seeded = [random_sampling(bids_of([3, 5, 8]), "EUR", np.random.default_rng(4)) for _ in range(2)]
    assert seeded[0] == seeded[1]


def test_no_misreport_profits_in_digital_goods() -> None:
    """Whatever the coins: an offer never depends on the bid it is made to."""
    grid = range(4)
    gains = 0
    for others in product(grid, repeat=2):
        for sides in product((False, True), repeat=3):
            results = {
                report: random_sampling_with(bids_of([report, *others]), "EUR", sides).outcomes[0] for report in grid
            }
            for value in grid:
                utility = {report: value * one.units - one.pays.minor for report, one in results.items()}
                gains += sum(each > utility[value] for each in utility.values())
    assert gains == 0


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: second_price([Bid("a", Money(1, "CHF"))], eur(0)), MixedCurrencies),
        (lambda: second_price([Bid("a", eur(-1))], eur(0)), Negative),
        (lambda: second_price([], eur(-1)), Negative),
        (lambda: second_price([Bid("a", eur(1)), Bid("a", eur(2))], eur(0)), Duplicate),
        (lambda: uniform_price([], 0, eur(0)), OutOfRange),
        (lambda: uniform_price([], 1.5, eur(0)), NotWhole),
        (lambda: multi_unit([MarginalBids("a", (eur(1), eur(2)))], 1, eur(0), MultiUnitRule.VICKREY), OutOfRange),
        (lambda: multi_unit([], 0, eur(0), MultiUnitRule.VICKREY), OutOfRange),
        (lambda: optimal_single_price([]), Empty),
        (lambda: random_sampling_with(bids_of([1]), "EUR", []), Mismatched),
        (lambda: expected_random_sampling_revenue([1] * 17), TooHard),
        (lambda: Uniform(3, 3), OutOfRange),
        (lambda: Uniform(0, math.inf), NotFinite),
        (lambda: Exponential(0), OutOfRange),
        (lambda: Lognormal(0, 0), OutOfRange),
        (lambda: Lognormal.fit([2.0, 2.0]), NotFitted),
        (lambda: Exponential.fit([2.0]), NotFitted),
        (lambda: Uniform.fit([2.0, -1.0]), OutOfRange),
        (lambda: Uniform.fit([2.0, math.nan]), NotFinite),
        (lambda: myerson_reserve(Exponential(1), -1.0), Negative),
        (lambda: expected_revenue_uniform(0, Fraction(0)), OutOfRange),
        (lambda: expected_revenue_uniform(1, Fraction(2)), OutOfRange),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()

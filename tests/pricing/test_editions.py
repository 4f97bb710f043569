"""Editions: the published menus, optimal by brute force, and an audit that misses nothing and invents nothing."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing import covering
from pricing.audit import Audit, Offer, Part, find_arbitrage
from pricing.editions import Version, ladder_menu, listable, nested_menu
from pricing.quote import Day, quality
from pricing.quote import price as quoted
from pricing.refusals import Duplicate, Empty, Mismatched, Negative, NotWhole, OutOfRange, PricingRefusal, TooHard
from pricing.valuation import freshness
from tests.pricing.builders import CITY
from tests.pricing.oracles import subadditive_menu


@st.composite
def version_lists(draw: st.DrawFn, most: int = 5) -> list[Version]:
    """Draw versions of rising precision with any values, not only rising ones."""
    precisions = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=most)))
    return [Version(x, draw(st.integers(0, 12)), Fraction(draw(st.integers(1, 5)))) for x in precisions]


def test_the_published_menu(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Nested, ladder and exact subadditive revenue, and the ladder's prices."""
    case = vectors("valuation")["version_menu"]
    versions = [
        Version(precision, value, Fraction(mass))
        for precision, value, mass in zip(case["precisions"], case["values"], case["mass"], strict=True)
    ]
    ladder = ladder_menu(versions)
    assert ladder.revenue == Fraction(str(case["relaxed_dp_revenue"]))
    assert list(ladder.prices_minor) == case["relaxed_dp_prices"]
    assert subadditive_menu(versions).revenue == case["subadditive_revenue"]
    assert nested_menu(versions).revenue == case["nested_revenue"]


@settings(deadline=None, max_examples=80)
@given(version_lists(4))
def test_menus_are_the_best_of_their_kind(versions: list[Version]) -> None:
    """Against every rising menu of values; ladder and subadditive ones keep their rule and their order of revenue."""
    nested, ladder, exact = nested_menu(versions), ladder_menu(versions), subadditive_menu(versions)
    values = sorted({version.value_minor for version in versions})
    best = max(
        sum(v.mass * price for v, price in zip(versions, prices, strict=True) if price <= v.value_minor)
        for prices in combinations_with_replacement(values, len(versions))
    )
    assert nested.revenue == best
    assert list(nested.prices) == sorted(nested.prices)
    assert list(ladder.prices) == sorted(ladder.prices)
    slopes = [price / version.precision for price, version in zip(ladder.prices, versions, strict=True)]
    assert slopes == sorted(slopes, reverse=True)
    assert exact.revenue / 2 <= ladder.revenue <= exact.revenue <= nested.revenue


@settings(deadline=None, max_examples=80)
@given(version_lists(6))
def test_the_ladder_is_the_best_ladder(versions: list[Version]) -> None:
    """Against every set of versions that bind: the dearest ladder below their values."""
    best = Fraction(0)
    for chosen in product((False, True), repeat=len(versions)):
        binding = [version for version, is_chosen in zip(versions, chosen, strict=True) if is_chosen]
        if binding:
            prices = [
                min(max(Fraction(b.value_minor), Fraction(b.value_minor * v.precision, b.precision)) for b in binding)
                for v in versions
            ]
            best = max(
                best, sum(v.mass * p for v, p in zip(versions, prices, strict=True) if p <= v.value_minor) + Fraction(0)
            )
    assert ladder_menu(versions).revenue == best


@settings(deadline=None, max_examples=60)
@given(version_lists(5))
def test_no_arbitrage_in_nested_menus_nor_in_ladders(versions: list[Version]) -> None:
    """Nested editions at rising prices, and fresh-noise ones at ladder prices rounded up: the audit finds nothing."""
    nested = [
        Offer(str(v.precision), price, {"all": Part(2520 // v.precision * 1000)}, "one")
        for v, price in zip(versions, nested_menu(versions).prices_minor, strict=True)
    ]
    assert find_arbitrage(nested) is None
    assert listable(nested) == tuple(nested)
    ladder = [
        Offer(str(v.precision), max(price, 1), {"all": Part(2520 // v.precision)}, str(v.precision), fresh_noise=True)
        for v, price in zip(versions, ladder_menu(versions).prices_minor, strict=True)
        if 2520 % v.precision == 0
    ]
    assert find_arbitrage(ladder) is None


def priced_by(power: Fraction, variances: list[int]) -> list[Offer]:
    """Return fresh-noise offers at 10**6 / v**power, rounded up."""
    return [
        Offer(str(v), -int(-(10**6) // (v ** float(power))), {"all": Part(v)}, str(v), fresh_noise=True)
        for v in variances
    ]


def test_price_families_break_where_published(vectors: Callable[[str], dict[str, Any]]) -> None:
    """1/v and 1/sqrt(v) hold; 1/v**2 is beaten by averaging."""
    case = vectors("valuation")["arbitrage"]
    power = {"1/v": Fraction(1), "1/sqrt(v)": Fraction(1, 2), "1/v**2": Fraction(2)}
    for family in case["holds"]:
        assert find_arbitrage(priced_by(power[family], [1, 2, 4, 8])) is None
    found = find_arbitrage(priced_by(power["1/v**2"], [10, 20]))
    assert found is not None
    assert (found.target, found.basket) == ("10", ("20", "20"))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.lists(st.integers(0, 100), min_size=1, max_size=9),
            st.integers(1, 10**6),
            st.integers(0, 10**9),
        ),
        min_size=1,
        max_size=9,
    ),
    st.integers(1, 10**7),
    st.integers(0, 10**5),
)
def test_what_the_rule_prices_cannot_be_undercut(
    releases: list[tuple[int, list[int], int, int]], worth: int, floor: int
) -> None:
    """Any releases of any days, each as full as you like, and qualities, each with a coarser edition: it is proven."""
    offers = []
    for at, (start, shown, people, noise) in enumerate(releases):
        for level, multiple in enumerate((1, 4)):
            inputs = replace(
                CITY,
                full_worth_minor=worth,
                days=tuple(Day(24, cells // (1 + level), 100) for cells in shown),
                people=min(people, CITY.population),
                bands=(),
                noise_variance_micro=noise * multiple,
                age_seconds=86_400 * (20 - start - len(shown)),
                floor_minor=floor,
                cap_minor=floor + worth // 4,
            )
            parts = {}
            for day, one in enumerate(inputs.days, start):
                if one.published_cells:
                    good = quality(inputs, Fraction(one.published_cells, one.declared_cells))
                    fresh = freshness(86_400 * (19 - day), 86_400 * CITY.half_life_days)
                    lost = min(int((1 / good - 1) * 10**12), 10**18 - 1)
                    parts[str(day)] = Part(lost, max(int(10**6 * good * fresh), 1))
            if parts:
                offers.append(Offer(f"{at} {level}", quoted(inputs).amount_minor, parts, str(at)))
    assert find_arbitrage(offers, tolerances=(Fraction(0), Fraction(1, 100), Fraction(1, 10))) is None


Basket: TypeAlias = list[tuple[Offer, int]]


def offer(name: str, price: int, parts: str, variance: int = 1, family: str = "one") -> Offer:
    """Return an offer of parts named by single letters."""
    return Offer(name, price, {part: Part(variance) for part in parts}, family)


@pytest.mark.parametrize(
    ("offers", "target", "basket", "cost"),
    [
        ([offer("whole", 10, "ab"), offer("left", 4, "a"), offer("right", 5, "b")], "whole", ("left", "right"), 9),
        ([offer("month", 40, "abcd"), *(offer(day, 9, day) for day in "abcd")], "month", ("a", "b", "c", "d"), 36),
        ([offer("country", 3, "abc"), offer("zone", 4, "b")], "zone", ("country",), 3),
        ([offer("fine", 9, "a", 1), offer("finer", 8, "a", 0)], "fine", ("finer",), 8),
        (
            [offer("fine", 9, "a", 2, "f"), offer("one", 4, "a", 4, "g"), offer("two", 4, "a", 4, "h")],
            "fine",
            ("one", "two"),
            8,
        ),
    ],
)
def test_planted_arbitrage_is_found(offers: list[Offer], target: str, basket: tuple[str, ...], cost: int) -> None:
    """Parts against a bundle, days against a month, a country against its zone, better for less, averaging."""
    found = find_arbitrage(offers)
    assert found is not None
    assert (found.target, found.basket, found.cost_minor) == (target, basket, cost)
    with pytest.raises(Mismatched, match=target):
        listable(offers)


def test_averaging_one_nested_family_gains_nothing() -> None:
    """Two coarse editions of one family are no better than the finer of them."""
    assert find_arbitrage([offer("fine", 9, "a", 2), offer("one", 4, "a", 4), offer("two", 4, "a", 4)]) is None


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 9),
            st.dictionaries(st.sampled_from("abc"), st.integers(0, 4), min_size=1),
            st.sampled_from("fgh"),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_audit_agrees_with_trying_everything(menu: list[tuple[int, dict[str, int], str, bool]]) -> None:
    """Whenever a cheaper basket exists some is found, and what is found is cheaper and as good."""
    offers = [
        Offer(str(at), price, {part: Part(variance) for part, variance in parts.items()}, family, fresh_noise=fresh)
        for at, (price, parts, family, fresh) in enumerate(menu)
    ]

    def as_good(basket: Basket, target: Offer) -> bool:
        for part, wanted in target.parts.items():
            bought = [(one, one.parts[part].variance, times) for one, times in basket if part in one.parts and times]
            if any(variance == 0 for _, variance, _ in bought):
                continue
            fresh = sum(Fraction(times, variance) for one, variance, times in bought if one.fresh_noise)
            families = {one.family for one, _, _ in bought if not one.fresh_noise}
            fixed = sum(
                max(
                    Fraction(1, variance) for one, variance, _ in bought if one.family == family and not one.fresh_noise
                )
                for family in families
            )
            if (fresh + fixed) * wanted.variance < 1:
                return False
        return True

    exists = any(
        sum(one.price_minor * times for one, times in basket) < target.price_minor and as_good(basket, target)
        for target in offers
        for counts in product(*(range(9 // one.price_minor + 1 if one.fresh_noise else 2) for one in offers))
        for basket in [list(zip(offers, counts, strict=True))]
    )
    found = find_arbitrage(offers)
    assert (found is not None) == exists
    if found is not None:
        bought = [(one, found.basket.count(one.name)) for one in offers]
        target = next(one for one in offers if one.name == found.target)
        assert as_good(bought, target)
        assert found.cost_minor == sum(one.price_minor * times for one, times in bought) < target.price_minor


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 9), min_size=3, max_size=3),
            st.dictionaries(st.sampled_from("abc"), st.sampled_from((0, 2, 4)), min_size=1),
            st.sampled_from("fgh"),
            st.sampled_from((0, 6, 12, 18)),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.1, 1),
)
def test_licences_in_turn_agree_with_trying_everything(
    menu: list[tuple[list[int], dict[str, int], str, int, bool]], fading: float
) -> None:
    """At each month of its term a target is covered by what is bought before and still lasts; pieces begin now, in 6 or 12 months."""
    offers = [
        Offer(
            str(at),
            prices[0],
            {part: Part(variance) for part, variance in parts.items()},
            family,
            months=months,
            fading=fading,
        )
        for at, (prices, parts, family, months, _) in enumerate(menu)
    ]
    starts = [(0, 6, 12) if is_posted else (0,) for *_, is_posted in menu]
    pieces = [
        (one, start, price)
        for one, sold, (prices, *_) in zip(offers, starts, menu, strict=True)
        for start, price in zip(sold, prices, strict=False)
    ]

    def as_good(bought: list[tuple[Offer, int, int]], target: Offer) -> bool:
        for moment in range(0, target.months or 40, 6):
            lasting = [one for one, start, _ in bought if start <= moment < start + (one.months or 1_000)]
            for part, wanted in target.parts.items():
                variances = [(one.family, one.parts[part].variance) for one in lasting if part in one.parts]
                if any(variance <= wanted.variance for _, variance in variances):
                    continue
                best = {family: min(v for f, v in variances if f == family) for family, _ in variances}
                if sum(Fraction(wanted.variance, variance) for variance in best.values()) < 1:
                    return False
        return True

    baskets = [[piece for at, piece in enumerate(pieces) if mask & 1 << at] for mask in range(1, 1 << len(pieces))]
    costs = [sum(price for _, _, price in basket) for basket in baskets]
    ways = [
        (cost, target.name)
        for target in offers
        for cost, basket in zip(costs, baskets, strict=True)
        if cost < target.price_minor and as_good(basket, target)
    ]
    prices = np.array([prices if is_posted else [prices[0], np.inf, np.inf] for prices, *_, is_posted in menu], float)
    found = Audit(offers, (6, 12)).find(prices)
    assert (found is not None) == bool(ways)
    if found is not None:
        assert found.cost_minor == min(ways)[0]
        bought = [
            next(piece for piece in pieces if piece[0].name == name and piece[1] == start)
            for name, start in zip(found.basket, found.starts, strict=True)
        ]
        assert as_good(bought, next(one for one in offers if one.name == found.target))
        assert found.cost_minor == sum(price for _, _, price in bought)


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: nested_menu([]), Empty),
        (lambda: ladder_menu([Version(2, 1), Version(2, 1)]), OutOfRange),
        (lambda: ladder_menu([Version(0, 1)]), OutOfRange),
        (lambda: nested_menu([Version(1, -1)]), Negative),
        (lambda: nested_menu([Version(1, 1.5)]), NotWhole),
        (lambda: nested_menu([Version(1, 1, Fraction(0))]), OutOfRange),
        (lambda: subadditive_menu([Version(at + 1, 1) for at in range(17)]), TooHard),
        (lambda: find_arbitrage([offer("x", 1, "a"), offer("x", 1, "b")]), Duplicate),
        (lambda: find_arbitrage([offer("x", 1, "")]), Empty),
        (lambda: find_arbitrage([offer("x", -1, "a")]), Negative),
        (lambda: find_arbitrage([offer("x", 1, "a", -1)]), Negative),
        (lambda: find_arbitrage([Offer("x", 1, {"a": Part(1, worth=0)}, "f")]), OutOfRange),
        (lambda: find_arbitrage([Offer("x", 0, {"a": Part(1)}, "f", fresh_noise=True)]), OutOfRange),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number; an audit that cannot finish does not say "none"."""
    with pytest.raises(refusal):
        made()


@pytest.mark.parametrize(
    ("variance", "is_found"), [(4 * 10**9, True), *((4 * 10**9 + 4 * 10**at, False) for at in range(10))]
)
def test_a_cover_that_lacks_a_billionth_is_none(variance: int, *, is_found: bool) -> None:
    """Two of twice the variance are as precise together, and two of a billionth more are not."""
    parts = {name: {"a": Part(variance)} for name in "gh"} | {"f": {"a": Part(2 * 10**9)}}
    offers = [Offer(name, 9 if name == "f" else 4, own, name) for name, own in parts.items()]
    assert (find_arbitrage(offers) is not None) == is_found


@pytest.mark.parametrize("lacking", [1, 10, 100, 1_000, 10_000])
def test_what_lacks_a_billionth_needs_one_more(lacking: int) -> None:
    """The solver lets a millionth pass: two of a shade more noise and a third cost less than the whole all the same."""
    variances = {"f": 10**9 - lacking, "g": 2 * 10**9, "h": 2 * 10**9, "i": 10**12}
    prices = {"f": 30, "g": 10, "h": 10, "i": 5}
    offers = [Offer(name, prices[name], {"a": Part(of)}, name) for name, of in variances.items()]
    found = find_arbitrage(offers)
    assert found is not None
    assert (found.basket, found.cost_minor) == (("g", "h", "i"), 25)


def test_two_of_a_family_that_lack_a_shade_rule_out_themselves_alone() -> None:
    """The second is there for another part: what has no more than it where the shade is lacking covers that beside it."""
    of = {
        "whole": (41, "w", {"p": 10**9, "q": 10**9}),
        "fine": (1, "f", {"p": 2_500_000_000}),
        "wide": (10, "f", {"p": 2_857_142_857, "q": 10**9}),
        "beside": (10, "g", {"p": round(10**9 / (0.6 - 5e-8))}),
        "more": (20, "h", {"p": 2_857_142_857}),
    }
    offers = [
        Offer(name, price, {part: Part(variance) for part, variance in parts.items()}, family)
        for name, (price, family, parts) in of.items()
    ]
    found = Audit(offers).find(np.array([[offer.price_minor] for offer in offers], float), targets=[0])
    assert found is not None
    assert (found.basket, found.cost_minor) == (("beside", "more", "wide"), 40)


@pytest.mark.parametrize("price", [346_028, 400_000, 440_000])
def test_a_cover_is_found_that_the_solver_first_denies(price: int) -> None:
    """Beside a basket that lacks a shade, it says that there is none."""

    def offer(name: str, price: int, family: str, shares: tuple[float, ...], moments: tuple[int, ...]) -> Offer:
        parts = {
            f"{part}{at}": Part(round(10**12 / share))
            for part, share in zip("abc", shares, strict=True)
            for at in moments
            if share
        }
        return Offer(name, price, parts, family)

    third = 1 / 3
    offers = [
        offer("whole", price, "whole", (1, 1, 1), (0, 1)),
        offer("first", 111_132, "a", (1, 1, 0.6666664036134371), (0,)),
        offer("second", 100_000, "a", (1, 1, 0.6666664036134371), (1,)),
        offer("beside", 100_000, "b", (0.33333333159856676, 0, 0), (0, 1)),
        offer("shade", 100_000, "c", (0.6666666662933334, third, third), (0, 1)),
        offer("dear", 134_894, "d", (0, third, 0.500000001535), (0, 1)),
    ]
    found = find_arbitrage(offers)
    assert found is not None
    assert (sorted(found.basket), found.cost_minor) == (["dear", "first", "second"], 346_026)


def pairs_of(number: int, price: int) -> list[Offer]:
    """Return an offer of so many parts, and one of each two of them, for 100."""
    whole = Offer("x", price, {str(part): Part(1) for part in range(number)}, "f")
    halves = combinations(range(number), 2)
    return [whole, *(Offer(f"{a} {b}", 100, {str(a): Part(1), str(b): Part(1)}, "f") for a, b in halves)]


@pytest.mark.parametrize("number", [2, 7, 30])
def test_of_alike_offers_two_of_which_lack_a_shade_a_cover_needs_three(number: int) -> None:
    """Whichever two: ruled out one pair after the other, they were more than are looked at."""
    whole = Offer("whole", 1_000_000, {"a": Part(10**9)}, "whole")
    pieces = [Offer(f"half {n}", 499_990, {"a": Part(2 * 10**9 + n)}, f"half {n}") for n in range(1, number + 1)]
    assert find_arbitrage([whole, *pieces]) is None
    cheaper = [replace(piece, price_minor=333_333) for piece in pieces]
    found = find_arbitrage([whole, *cheaper])
    assert (found and found.cost_minor) == (999_999 if number > 2 else None)


def test_thirteen_pairs_cover_twenty_five_parts_and_twelve_and_a_half_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of parts prove 1,250; an audit that cannot finish does not say "none"."""
    assert find_arbitrage(pairs_of(25, 1_290)) is None
    found = find_arbitrage(pairs_of(25, 1_310))
    assert found is not None
    assert (found.cost_minor, len(found.basket)) == (1_300, 13)
    monkeypatch.setattr(covering, "_MOST_CELLS", 1_000)
    with pytest.raises(TooHard):
        find_arbitrage(pairs_of(25, 1_310))

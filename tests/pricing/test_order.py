"""What an order costs: nothing for less by its parts, its waterfall exact, its bytes computed again."""

from dataclasses import replace

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pricing.measure import Hours
from pricing.order import STEPS, Licence, Lot, amounts, canonical, from_canonical, price
from pricing.refusals import Empty, Mismatched, OutOfRange, PricingRefusal, Tampered, TooLarge, UnknownRule
from pricing.sheet import Law, points_of
from tests.pricing.builders import LAW, NOON, laws, lots, market_terms, sheet, three_days

FOR_GOOD = Licence(NOON, None, "resell")
CITY = Lot("city", market_terms(), FOR_GOOD, points_of(sheet(), three_days(("city",))))
PRICED = lots().filter(lambda lot: any(span.points for span in lot.points.spans))


def cost(law: Law, *of: Lot) -> int:
    """Return what an order costs, in cents."""
    return price(law, of).amount_minor


@given(laws(), st.lists(PRICED, min_size=1, max_size=4))
def test_the_waterfall_and_the_parts_sum_to_the_price(law: Law, of: list[Lot]) -> None:
    found = price(law, of)
    assert tuple(step.name for step in found.waterfall) == STEPS
    assert sum(step.amount_minor for step in found.waterfall) == found.amount_minor == sum(found.parts_minor)
    assert found.amount_minor >= law.least_minor
    assert min(found.parts_minor) >= 0


@given(laws(), st.lists(PRICED, min_size=1, max_size=3), st.lists(PRICED, min_size=1, max_size=3))
def test_several_orders_never_cost_less_than_one_and_one_never_less_than_a_part(
    law: Law, some: list[Lot], others: list[Lot]
) -> None:
    assert (
        max(cost(law, *some), cost(law, *others)) <= cost(law, *some, *others) <= cost(law, *some) + cost(law, *others)
    )


@given(laws(), PRICED, st.integers(1, 20_000))
def test_terms_in_turn_never_cost_less_than_one_that_is_as_long(law: Law, lot: Lot, hours: int) -> None:
    since = lot.licence.since
    middle, end = since + hours, since + 2 * hours + 1
    whole, first, second = (
        replace_licence(lot, since=starts, until=ends)
        for starts, ends in ((since, end), (since, middle), (middle, end))
    )
    assert cost(law, whole) <= cost(law, first) + cost(law, second)
    assert cost(law, first) <= cost(law, whole) <= cost(law, replace_licence(lot, until=None))


@given(laws(), PRICED)
def test_a_greater_right_more_purposes_or_fresher_data_never_cost_less(law: Law, lot: Lot) -> None:
    ways = [replace_licence(lot, until=None, right=right, purposes=()) for right in ("internal", "publish", "resell")]
    assert cost(law, *ways[:1]) <= cost(law, ways[1]) <= cost(law, ways[2])
    alone = [
        replace_licence(lot, purposes=purposes) for purposes in (("planning",), ("retail",), ("planning", "retail"))
    ]
    assert (
        max(cost(law, alone[0]), cost(law, alone[1]))
        <= cost(law, alone[2])
        <= cost(law, replace_licence(lot, purposes=()))
    )
    assert cost(law, alone[2]) <= cost(law, alone[0]) + cost(law, alone[1])
    later = replace_licence(lot, until=None, since=lot.licence.since + 1)
    assert cost(law, later) <= cost(law, replace_licence(lot, until=None))


@given(laws(), PRICED, st.integers(1, 9_999))
def test_waiting_saves_no_more_than_demand_falls(law: Law, lot: Lot, rate: int) -> None:
    fallen = {group: demand * rate // 10_000 + 1 for group, demand in lot.terms.demand.items()}
    later = lot._replace(terms=replace(lot.terms, demand=fallen))
    assert cost(law, later) * 10_000 >= rate * (cost(law, lot) - 1)


@given(laws(), st.lists(PRICED, max_size=4))
def test_many_lots_cost_at_once_what_each_costs_in_an_order_of_its_own(law: Law, of: list[Lot]) -> None:
    others = [replace_licence(lot, right=right, until=None) for lot in of for right in ("internal", "resell")]
    lives = [lot._replace(terms=replace(lot.terms, half_life_hours=24)) for lot in of]
    menu = [*of, *others, *lives, *of]
    assert amounts(law, menu) == [cost(law, lot) for lot in menu]


def test_areas_of_a_release_cost_together_what_it_costs() -> None:
    flat = Law(currency="EUR", volume=((0, 10_000),), least_minor=1)
    parts = [CITY._replace(points=points_of(sheet(), three_days((area,)))) for area in ("city", "coast")]
    whole = CITY._replace(points=points_of(sheet(), three_days()))
    assert cost(flat, *parts) == cost(flat, whole)
    assert cost(flat, whole) <= sum(cost(flat, part) for part in parts)


def test_volume_and_the_least_charge_are_of_the_order() -> None:
    worth = cost(Law(currency="EUR", volume=((0, 10_000),), least_minor=1), CITY)
    half = Law(currency="EUR", volume=((0, 10_000), (worth // 2, 5_000)), least_minor=1)
    assert abs(cost(half, CITY) - (worth - worth // 4)) <= 1
    assert cost(replace(LAW, least_minor=worth + 1), CITY) == worth + 1
    assert cost(Law(currency="EUR", volume=((0, 0),), least_minor=7), CITY) == 7


def test_two_sheets_may_be_in_one_order() -> None:
    other = CITY._replace(terms=market_terms(sheet="other", worth_micro=20_000_000, half_life_hours=24))
    assert cost(LAW, CITY) < cost(LAW, CITY, other) < cost(LAW, CITY) + cost(LAW, other)


@given(laws(), st.lists(PRICED, min_size=1, max_size=2))
def test_bytes_say_what_is_computed_again_from_them(law: Law, of: list[Lot]) -> None:
    found = price(law, of)
    assert from_canonical(canonical(found)) == found


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda stated: stated | {"amount_minor": stated["amount_minor"] - 1}, Tampered),
        (lambda stated: stated | {"parts_minor": [0]}, Tampered),
        (lambda stated: stated | {"note": ""}, Tampered),
        (lambda stated: stated | {"lots": []}, Empty),
        (lambda stated: stated | {"lots": [[]]}, PricingRefusal),
        (lambda stated: stated | {"rule": "sheet-2"}, UnknownRule),
        (lambda _: [], Tampered),
        (lambda _: None, Tampered),
    ],
)
def test_forged_bytes_are_refused(change: object, refusal: type[Exception]) -> None:
    import json  # noqa: PLC0415 (a forger's)

    stated = json.loads(canonical(price(LAW, [CITY])))
    with pytest.raises(refusal):
        from_canonical(rfc8785.dumps(change(stated)))  # type: ignore[operator]


def replace_licence(lot: Lot, **changed: object) -> Lot:
    """Return a lot under another licence."""
    return lot._replace(licence=lot.licence._replace(**changed))


@pytest.mark.parametrize(
    ("lot", "refusal"),
    [
        (replace_licence(CITY, since=NOON - 1), OutOfRange),
        (replace_licence(CITY, until=NOON), OutOfRange),
        (replace_licence(CITY, right="burn"), Mismatched),
        (replace_licence(CITY, purposes=("war",)), Mismatched),
        (CITY._replace(terms=market_terms(demand={"plain": 1})), Mismatched),
        (CITY._replace(points=CITY.points._replace(stages=(2**60,) * 5)), TooLarge),
        (CITY._replace(points=points_of(sheet(), three_days(published={}))), Empty),
    ],
)
def test_what_cannot_be_priced_is_refused(lot: Lot, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        price(LAW, [lot])
    if refusal is not TooLarge:
        with pytest.raises(refusal):
            amounts(LAW, [lot])


def test_an_amount_above_what_a_price_may_state_is_refused_among_many() -> None:
    dear = CITY._replace(
        terms=replace(CITY.terms, worth_micro=2**53 - 1, demand=dict.fromkeys(CITY.terms.demand, 2**53 - 1))
    )
    for how in (price, amounts):
        with pytest.raises(TooLarge):
            how(Law(currency="EUR", volume=((0, 10_000),), least_minor=1), [dear])


def test_a_price_states_no_zone() -> None:
    stated = canonical(price(LAW, [CITY])).decode()
    assert "centre" not in stated
    assert str(Hours(NOON - 24, NOON).start) in stated

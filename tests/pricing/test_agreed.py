"""What was agreed beside a price: an amount follows from the price and what is stated, and its steps add up to it."""

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pricing.agreed import amount_of, holding_of, is_posted, share_of, steps_of

AMOUNTS = st.integers(1, 10**9)


def priced(amount: int, floor: int) -> Any:
    return SimpleNamespace(amount_minor=amount, law=SimpleNamespace(least_minor=floor))


@given(AMOUNTS, AMOUNTS, st.integers(1, 10_000))
def test_a_part_of_a_price_is_rounded_up_and_not_under_the_least_charge(amount: int, floor: int, part: int) -> None:
    floor = min(floor, amount)
    one, stated = priced(amount, floor), {"private_basis_points": part}
    paid = amount_of(one, stated)
    assert floor <= paid <= amount
    assert paid == floor or 0 <= paid * 10_000 - amount * part < 10_000
    assert amount + sum(change for _, change in steps_of(one, stated)) == paid
    assert not is_posted(json.dumps(stated).encode())


@given(AMOUNTS, AMOUNTS)
def test_the_other_steps_add_up_too(amount: int, locked: int) -> None:
    one = priced(amount, 1)
    for stated in ({}, {"holding_minor": holding_of(amount)}, {"most_minor": locked}):
        assert amount + sum(change for _, change in steps_of(one, stated)) == amount_of(one, stated) > 0


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_subscription_costs_the_price_or_its_locked_one_at_most(amount: int, floor: int, locked: int) -> None:
    one = priced(max(amount, floor), floor)
    assert amount_of(one, {"most_minor": locked}) == min(locked, one.amount_minor)


def test_nothing_costs_what_no_rule_says() -> None:
    one = priced(1_000, 1)
    assert amount_of(one, {"private_basis_points": 9_000, "holding_minor": 20}) == 0
    for other in ("private_basis_points", "holding_minor"):
        assert amount_of(one, {"most_minor": 900, other: 900}) == 0
    assert amount_of(one, {"most_minor": -1}) == 0
    assert amount_of(one, {"holding_minor": 1}) == 0
    assert share_of(1_000, 0, 1) == share_of(1_000, 10_001, 1) == 0

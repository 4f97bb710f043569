"""Theorems 1 to 3 of the manual on random sheets: nothing is to be had for less by other things on its sheet."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement
from math import ceil, floor
from typing import Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from pricing.order import price
from tests.pricing.menus import Broken, Menu, SheetThing, menu_of_one_figure, random_menu

MENUS: Final = 2_000
CONVICTED: Final = 3
"""Menus on which a broken rule sells something for less, before the search for more ends."""
MOST_TIMES: Final = 3
"""How often a thing may be bought at most."""
SEEDS = st.integers(0, 2**32)
small = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def covers(menu: Menu, most: int = 2) -> Iterator[tuple[SheetThing, tuple[SheetThing, ...]]]:
    """Yield each thing with each combination of at most so many others that has all of its qualities."""
    atoms = [menu.atoms(thing) for thing in menu.things]
    for at, target in enumerate(menu.things):
        if menu.has_a_figure_twice(target):
            continue
        others = [other for other in range(len(menu.things)) if other != at and (atoms[other] * atoms[at]).any()]
        for number in range(1, most + 1):
            for chosen in combinations_with_replacement(others, number):
                bought = tuple(menu.things[other] for other in chosen)
                enough = (sum(atoms[other] for other in chosen) >= atoms[at] - 1e-9).all()
                if enough and menu.dominates(bought, target):
                    yield target, bought


@small
@given(SEEDS)
def test_nothing_is_to_be_had_for_less_by_other_things(seed: int) -> None:
    for target, bought in covers(random_menu(seed)):
        assert sum(one.amount for one in bought) >= target.amount


@small
@given(SEEDS, st.integers(1, 10_000), st.randoms())
def test_who_waits_saves_no_more_than_demand_falls(seed: int, left: int, rng: random.Random) -> None:
    menu = random_menu(seed)

    def later(thing: SheetThing) -> int:
        """Return its price on a day by which no group's demand has fallen below what is left, in basis points."""
        stated = thing.lots[0].terms
        fallen = {group: -(-one * rng.randint(left, 10_000) // 10_000) for group, one in stated.demand.items()}
        lots = [lot._replace(terms=replace(stated, demand=fallen)) for lot in thing.lots]
        return price(menu.law, lots).amount_minor

    for target, bought in covers(menu):
        assert sum(map(later, bought)) * 10_000 >= left * (target.amount - 1)


@small
@given(SEEDS, st.randoms())
def test_promised_prices_save_no_more_than_what_they_save_on_their_own_things(seed: int, rng: random.Random) -> None:
    menu = random_menu(seed)
    promised = [rng.choice((0, thing.amount, rng.randint(0, 2 * thing.amount))) for thing in menu.things]
    of = {id(thing): min(amount, thing.amount) for thing, amount in zip(menu.things, promised, strict=True)}
    for target, bought in covers(menu):
        once = {id(one): one for one in bought}.values()
        again = sum(one.amount for one in bought) - sum(one.amount for one in once)
        saved = sum(one.amount - of[id(one)] for one in once)
        assert again + sum(of[id(one)] for one in once) >= target.amount - saved


def test_many_things_of_such_menus_are_to_be_had_otherwise() -> None:
    found = [sum(1 for _ in covers(random_menu(seed))) for seed in range(40)]
    assert sum(number > 0 for number in found) > 30


def cheaper(menu: Menu) -> tuple[list[tuple[SheetThing, int]], int]:
    """Return the things that others replace for less, with that sum; and how many things others replace at all.

    For each thing an integer program finds the cheapest others that add up to its true qualities, each up to three
    times. What costs no less than the thing is in no cheaper cover, so the program looks at cheaper things alone.
    """
    atoms = [menu.atoms(thing).ravel() for thing in menu.things]
    found, replaceable = [], 0
    for at, target in enumerate(menu.things):
        if menu.has_a_figure_twice(target):
            continue
        wanted = np.flatnonzero(atoms[at])
        rest = [other for other in range(len(atoms)) if other != at]
        if not rest or not _enough(atoms, rest, at, wanted):
            continue
        replaceable += 1
        chosen = [other for other in rest if menu.things[other].amount < target.amount and atoms[other][wanted].any()]
        if not chosen or not _enough(atoms, chosen, at, wanted):
            continue
        rows = np.array([atoms[other][wanted] / atoms[at][wanted] for other in chosen]).T
        rows = np.unique(np.minimum(rows, 1e3), axis=0)
        costs = np.array([menu.things[other].amount for other in chosen], float)
        answer = milp(
            costs,
            constraints=LinearConstraint(rows, 1, np.inf),
            integrality=np.ones(len(chosen)),
            bounds=(0, MOST_TIMES),
        )
        if answer.x is None:
            continue
        times = np.rint(answer.x).astype(int)
        bought = [menu.things[other] for other, number in zip(chosen, times, strict=True) for _ in range(number)]
        paid = sum(one.amount for one in bought)
        if paid < target.amount and menu.dominates(bought, target):
            found.append((target, paid))
    return found, replaceable


def _enough(atoms: list[np.ndarray], chosen: list[int], at: int, wanted: np.ndarray) -> bool:
    """Return whether all of the chosen, as often as may be, add up to what is wanted of a thing."""
    return bool((MOST_TIMES * sum(atoms[other][wanted] for other in chosen) >= atoms[at][wanted] * (1 - 1e-9)).all())


@pytest.mark.deep
def test_no_cheapest_cover_is_cheaper_on_thousands_of_menus() -> None:
    replaceable = 0
    for seed in range(MENUS):
        found, number = cheaper(random_menu(seed))
        assert not found, (seed, found)
        replaceable += number
    assert replaceable > MENUS, "things that others could replace"


@pytest.mark.deep
@pytest.mark.parametrize("broken", ["worth", "floor", "cap", "average"])
def test_the_search_convicts_a_broken_rule(broken: Broken) -> None:
    convicted = 0
    for seed in range(MENUS):
        found, _ = cheaper(random_menu(seed, broken))
        convicted += bool(found)
        if convicted == CONVICTED:
            return
    pytest.fail(f"{convicted} menus are undercut by {broken}")


@pytest.mark.long
def test_points_rounded_down_would_be_undercut_by_several_poorer_figures() -> None:
    up, down = (
        sum(bool(cheaper(menu_of_one_figure(seed, rounded))[0]) for seed in range(100)) for rounded in (ceil, floor)
    )
    assert up == 0
    assert down > CONVICTED


def test_the_search_finds_what_costs_too_little() -> None:
    menu = random_menu(3)
    target, bought = next(covers(menu))
    assert target not in [one for one, _ in cheaper(menu)[0]]
    free = [one._replace(amount=0) if one in bought else one for one in menu.things]
    found, replaceable = cheaper(menu._replace(things=tuple(free)))
    assert (target, 0) in found
    assert replaceable > 0

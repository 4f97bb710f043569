"""No licence is had for less as others that follow each other, of one dataset or of several."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace.catalogue import menu, rules
from marketplace.errors import Conflict
from tests.attacks.test_price import DAY, NOW
from tests.attacks.weeks_on_sale import A_CITY, EAST, WEST, Sold, audited

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(("months", "times"), [(1, 12), (5, 3)])
def test_a_year_is_not_had_as_shorter_licences_of_what_has_as_much(months: int, times: int) -> None:
    west = Sold("west", WEST, 10, 10_000_000, {"months": 12})
    with pytest.raises(Conflict, match=rf"Not listed: west .* but who buys city .* × {times} in turn has as much"):
        audited(west, Sold("city", A_CITY, 10, 2_000_000, {"months": months}))
    audited(west, Sold("city", A_CITY, 10, 20_000_000, {"months": months}))
    audited(
        Sold("city", A_CITY, 10, 20_000_000, {"months": 12}), Sold("west", WEST, 10, 10_000_000, {"months": months})
    )


@pytest.mark.parametrize("rise", [1.05, 1.2, 2])
def test_a_held_price_is_the_first_of_licences_in_turn(rise: float) -> None:
    """A year of the city at its old price, and the next at today's, would cost less than two years of its west."""
    posted: list[menu.Item] = []
    comparing: list[menu._Compared] = []

    def grasp(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        posted[:], comparing[:] = items, [compared]

    for by in (1.0, rise):
        before = {(item.release.dataset, item.months): item for item in posted}
        city = Sold("city", A_CITY, 10, round(10_000_000 * by), {"half_life_days": 365, "months": 12})
        west = Sold("west", WEST, 10, round(9_900_000 * by), {"half_life_days": 365, "months": 24})
        audited(city, west, after=grasp)
    old = before["city", 12]
    quote = menu.HeldQuote(uuid.uuid4(), old.release.id, 0, old.amount_minor, NOW + DAY, old.usage_right, old.months)
    to_all, to_its_partner = menu._menus(posted, [quote])
    menu._refuse_undercut(to_all, comparing[0], NOW)
    with pytest.raises(Conflict, match=r"Not listed: west .* but who buys city .* UTC\) × 2 in turn has as much"):
        menu._refuse_undercut(to_its_partner, comparing[0], NOW)


CORE = A_CITY[:8]


@pytest.mark.parametrize(("term", "piece"), [(24, 12), (24, 6), (24, 1), (0, 24)])
@pytest.mark.parametrize("half_life", [180, 365])
def test_licences_of_two_datasets_in_turn_are_no_way_round_a_longer_one(term: int, piece: int, half_life: int) -> None:
    """One is at its cap at first and the other, which falls freely, is the cheaper one later."""

    def weeks(cap: int) -> tuple[Sold, ...]:
        terms = {"half_life_days": half_life, "months": piece}
        return (
            Sold("core", CORE, 10, 8_000_000, terms | {"months": term}),
            Sold("westish", [*CORE, "zone 8"], 10, 450_000_000, terms | {"cap_minor": cap}),
            Sold("eastish", [*CORE, "zone 9"], 10, 9_000_000, terms),
        )

    def grasp(items: Sequence[menu.Item], _: object) -> None:
        long.extend(item.amount_minor for item in items if item.release.dataset == "core")

    long: list[int] = []
    audited(*weeks(10**11), after=grasp)
    cap = (long[0] * piece // (term or 4 * piece)) + 60
    with pytest.raises(Conflict, match=r"Not listed: core .* but who buys .* in turn has as much"):
        audited(*weeks(cap))
    audited(*weeks(10**11))


def test_a_bundle_and_then_its_whole_are_no_way_round_a_longer_licence() -> None:
    """A year of both parts at their cap, and the next of their city, which has fallen: less than two years of the city's core."""

    def weeks(cap: int) -> tuple[Sold, ...]:
        terms = {"half_life_days": 180, "months": 12}
        return (
            Sold("core", A_CITY[1:9], 10, 8_000_000, terms | {"months": 24}),
            Sold("city", [*A_CITY, "further"], 10, 11_000_000, terms),
            Sold("west", [*WEST, "more west"], 10, 250_000_000, terms | {"cap_minor": cap}),
            Sold("east", [*EAST, "more east"], 10, 250_000_000, terms | {"cap_minor": cap}),
        )

    audited(*weeks(10**11))
    with pytest.raises(Conflict, match=r"Not listed: core .* but who buys (west|east) .*, .* in turn has as much"):
        audited(*weeks(1_700_000))


def test_terms_that_as_many_licences_reach_are_one_offer() -> None:
    """A year and a half, and two years, are two licences of a year: the menu is refused, or not, and nothing else."""
    west = Sold("west", WEST, 10, 10_000_000, {"months": 18})
    more = [rules.Length("west", "standard-2", 24), rules.Length("west", "standard-3", 36)]
    audited(Sold("city", A_CITY, 10, 20_000_000, {"months": 12}), west, lengths=more)
    with pytest.raises(Conflict, match=r"Not listed: west .* but who buys city .* × 2 in turn has as much"):
        audited(Sold("city", A_CITY, 10, 2_000_000, {"months": 12}), west, lengths=more)


def test_a_year_and_then_two_are_compared_with_three_years() -> None:
    """At a floor the second licence costs as much for two years as for one; and three years from then on are cheaper by then."""
    terms = {"half_life_days": 300, "floor_minor": 9_030_338}
    city = Sold("city", A_CITY, 10, 20_000_000, terms | {"months": 12})
    more = [rules.Length("city", "standard-2", 24)]
    west = {"months": 36, "half_life_days": 300}
    audited(city, Sold("west", WEST, 10, 21_000_000, west), lengths=more)
    with pytest.raises(Conflict, match=r"Not listed: west .* but who buys city .*, west .* in turn has as much"):
        audited(city, Sold("west", WEST, 10, 24_000_000, west), lengths=more)

"""No licence is had for less as others that follow each other, of one dataset or of several."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace.catalogue.offers import menu, rules
from marketplace.core.errors import Conflict
from tests.attacks.weeks_on_sale import A_CITY, EAST, WEST, Sold, audited
from tests.catalogue.builders import DAY, PRICED_AT

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
    quote = menu.HeldQuote(
        uuid.uuid4(), old.release.id, 0, old.amount_minor, PRICED_AT + DAY, old.usage_right, old.months, [], []
    )
    [(to_its_partner, *_)] = menu._menus(posted, [quote], PRICED_AT)
    menu._refuse_undercut(posted, comparing[0], PRICED_AT)
    with pytest.raises(
        Conflict, match=r"Not listed: west .* but who buys city .* UTC\) · 12 m × 2 in turn has as much"
    ):
        menu._refuse_undercut(to_its_partner, comparing[0], PRICED_AT)


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


@pytest.mark.parametrize("rise", [1.05, 2, 10])
def test_a_held_price_is_no_way_round_its_own_datasets_longer_licence(rise: float) -> None:
    """A year at the old price, and the next at today's: of one dataset alone, whose licences cost no less in pieces otherwise."""
    city = Sold("city", A_CITY, 10, round(10_000_000 * rise), {"half_life_days": 365, "months": 12})
    to_all, to_its_partner = menus_of_terms(city, amount=3_975_827, months=12)
    menu._refuse_undercut(*to_all, PRICED_AT)
    with pytest.raises(Conflict, match=r"Not listed: city .* but who buys city .* UTC\).* in turn has as much"):
        menu._refuse_undercut(*to_its_partner, PRICED_AT)


@pytest.mark.parametrize("worth", [4_000_000, 8_000_000])
def test_a_dearer_price_that_is_held_keeps_nobody_from_lowering_it(worth: int) -> None:
    """Its partner buys at today's price instead: for as long, or for two years."""
    city = Sold("city", A_CITY, 10, worth, {"half_life_days": 365, "months": 12})
    for items, compared in menus_of_terms(city, amount=39_758_270, months=6):
        menu._refuse_undercut(items, compared, PRICED_AT)


@pytest.mark.parametrize(
    ("half_life", "percent", "worth"),
    [
        pytest.param(45, 99, 1_000_444, marks=pytest.mark.deep),
        pytest.param(30, 85, 1_001_406, marks=pytest.mark.deep),
        (30, 85, 1_001_665),
    ],
)
def test_a_private_price_is_not_refused_for_a_cent_of_rounding(half_life: int, percent: int, worth: int) -> None:
    """Of a quarter and of three years, each a part of the posted price: rounded up, they add up but for a cent."""

    def compare(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        partner, until = uuid.uuid4(), PRICED_AT + 20 * DAY
        quotes = [
            menu.HeldQuote(
                partner,
                one.release.id,
                0,
                -(-one.amount_minor * percent // 100),
                until,
                one.usage_right,
                one.months,
                [],
                [],
            )
            for one in items
        ]
        menu._refuse_undercuts(items, quotes, compared, PRICED_AT, None)

    lengths = [rules.Length("city", "standard-2", 36)]
    audited(Sold("city", A_CITY, 10, worth, {"half_life_days": half_life, "months": 3}), lengths=lengths, after=compare)


@pytest.mark.parametrize("is_today", [True, False])
@pytest.mark.parametrize("worth", [137, 163, 210])
def test_a_cent_saved_in_turn_hides_no_other_way(worth: int, is_today: bool) -> None:  # noqa: FBT001 (a case)
    """A partner has a city at the price of before a rise, and something small for a cent less than it costs."""
    for_a_year = {"half_life_days": 365, "months": 12}
    wide, one = [*A_CITY, "zone x"], ["zone x"]
    sold = [
        Sold("city", A_CITY, 10, 10_000_000, for_a_year),
        Sold("one", one, 10, 1_000_100, for_a_year),
        Sold("wide", wide, 10, 11_000_000, for_a_year),
        Sold("small", ["zone s"], 10, worth, for_a_year),
    ]

    def compare(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        lower = {"city": lambda amount: amount * 100 // 113, "small": lambda amount: amount - 1}
        partner = uuid.uuid4()
        quotes = [
            menu.HeldQuote(
                partner, one.release.id, 0, lower[code](one.amount_minor), PRICED_AT + DAY, one.usage_right, 12, [], []
            )
            for one in items
            if (code := one.release.dataset) in lower and one.months == 12
        ]
        assert len(quotes) == 2
        buyer = menu.Buyer([partner], {(one.release, one.level, one.months): 0 for one in quotes}) if is_today else None
        menu._refuse_undercuts(items, quotes, compared, PRICED_AT, buyer)

    with pytest.raises(Conflict, match=r"^Not listed: wide .* but who buys city .*, one .* has as much for "):
        audited(*sold, lengths=[rules.Length("small", "standard-2", 24)], after=compare)


def menus_of_terms(one: Sold, *, amount: int, months: int) -> list[tuple[list[menu.Item], menu._Compared]]:
    """Return the menu of a week, sold for two years as well, and that of a partner who holds a price of it."""
    found: list[tuple[list[menu.Item], menu._Compared]] = []

    def grasp(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        quote = menu.HeldQuote(
            uuid.uuid4(), items[0].release.id, 0, amount, PRICED_AT + DAY, items[0].usage_right, months, [], []
        )
        found.append((list(items), compared))
        found.extend((menu_, compared) for menu_, *_ in menu._menus(items, [quote], PRICED_AT))

    audited(one, lengths=[rules.Length(one.dataset, "standard-2", 24)], after=grasp)
    return found


@pytest.mark.parametrize(("half_life", "months"), [(1, 48), (2, 84), (3, 120)])
def test_a_term_of_a_thousand_half_lives_is_covered_as_others_are(half_life: int, months: int) -> None:
    """What its last months are worth has no place in floating point; that proved that nobody covers them."""
    terms = {"half_life_days": half_life}
    west = Sold("west", WEST, 10, 10_000_000, terms | {"months": months, "floor_minor": 20_000_000})
    with pytest.raises(Conflict, match=r"Not listed: west .* but who buys city .* in turn has as much"):
        audited(west, Sold("city", A_CITY, 10, 20_000_000, terms | {"months": 12, "floor_minor": 100}))


@pytest.mark.parametrize("cap", [50_000, 200_000, 10**11])
@pytest.mark.parametrize("worth", [1_000_000, 10**10])
def test_prices_at_caps_in_proportion_are_listed_however_long_they_stay_there(cap: int, worth: int) -> None:
    """Each leaves its cap at another hour; far above it they cost more than floating point has cents for."""
    more = [rules.Length(name, f"standard-{months}", months) for name in ("city", "west") for months in (3, 24)]
    terms = {"half_life_days": 60, "months": 12}
    zones = {"city": A_CITY, "west": WEST}
    weeks = [
        Sold(name, own, 10, min(worth * len(own), 10**11), terms | {"cap_minor": min(cap * len(own), 10**11)})
        for name, own in zones.items()
    ]
    audited(*weeks, lengths=more)

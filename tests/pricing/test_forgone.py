"""What an exclusive window gives up: by hand, by its laws, and never under the sales it forgoes."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pricing.auctions.forgone import FEWEST_BIDS, History, Window, licence_reserve, window_reserve
from pricing.auctions.reserve import exclusive_reserve, likeliest
from pricing.money import Money
from pricing.order import Licence, Lot, Priced, later, price
from pricing.refusals import Negative, NotWhole, OutOfRange
from pricing.sheet import Law, points_of
from tests.pricing.builders import LAW, NOON, laws, lots, market_terms, sheet, three_days

STEPS = ["past_sales", "one_more_sale", "price_movement", "posted_price", "past_bids"]
LINEAR = replace(LAW, volume=((0, 10_000),), least_minor=1)
YEAR = Lot("city", market_terms(), Licence(NOON, NOON + 8_760, "publish"), points_of(sheet(), three_days()))


def flat(amount: int) -> Priced:
    """Return a price that never moves."""
    return price(Law(currency="EUR", volume=((0, 0),), least_minor=amount), [YEAR])


def test_by_hand() -> None:
    """Five sales in ninety days at a price that never moves: thirty days forgo two sales, the sixth counted."""
    found = window_reserve(flat(30_000), History(5, 90), Window(24, 30))
    assert found.forgone_minor == found.reserve_minor == 60_000
    steps = [(step.name, step.amount_minor) for step in found.waterfall]
    assert steps == list(zip(STEPS, [50_000, 10_000, 0, 0, 0], strict=True))
    alone = window_reserve(flat(30_000), History(0, 90), Window(0, 3))
    assert (alone.forgone_minor, alone.reserve_minor) == (1_000, 30_000), "an ordinary licence is in the window"
    assert window_reserve(flat(30_000), History(0, 7), Window(0, 1)).forgone_minor == ceil(Fraction(30_000, 7))


def test_a_price_that_falls_forgoes_less_and_a_fresh_release_more() -> None:
    """Data that age without another release lose their price; a release a week keeps it up."""
    still = price(LINEAR, [YEAR])
    ageing = window_reserve(still, History(40, 90), Window(0, 60))
    refreshed = window_reserve(still, History(40, 90), Window(0, 60, refresh_days=7))
    assert ageing.waterfall[2].amount_minor < 0
    assert refreshed.forgone_minor > ageing.forgone_minor
    expected = Fraction(41, 90) * sum(later(still, day * 24).amount_minor for day in range(60))
    assert ageing.forgone_minor == ceil(expected)


def test_past_bids_count_from_eight_on() -> None:
    bids = [40_000 + 9_000 * number for number in range(FEWEST_BIDS)]
    one = price(LINEAR, [YEAR])
    few = window_reserve(one, History(2, 90), Window(0, 30), bids[:-1])
    many = window_reserve(one, History(2, 90), Window(0, 30), bids)
    assert few == window_reserve(one, History(2, 90), Window(0, 30))
    alone = many.reserve_minor - many.waterfall[-1].amount_minor
    assert many.reserve_minor == max(alone, exclusive_reserve(likeliest(bids), Money(alone, "EUR")).minor)


def test_an_ordinary_licence_costs_its_price_at_the_close() -> None:
    one = price(LINEAR, [YEAR])
    found = licence_reserve(one, 7 * 24)
    assert found.reserve_minor == found.forgone_minor == later(one, 7 * 24).amount_minor < one.amount_minor
    assert sum(step.amount_minor for step in found.waterfall) == found.reserve_minor
    with pytest.raises(Negative):
        licence_reserve(one, -1)


@settings(max_examples=40)
@given(lots(), laws(), st.integers(0, 200), st.integers(1, 120), st.integers(0, 2_000), st.integers(1, 40))
def test_steps_sum_to_the_reserve_which_covers_what_is_forgone(  # noqa: PLR0917 (what hypothesis draws)
    lot: Lot, law: Law, sales: int, days: int, opens: int, lasts: int
) -> None:
    assume(any(span.points for span in lot.points.spans))
    found = window_reserve(price(law, [lot]), History(sales, days), Window(opens, lasts))
    assert sum(step.amount_minor for step in found.waterfall) == found.reserve_minor >= found.forgone_minor


def test_what_is_no_history_or_window_is_refused() -> None:
    for wrong, refusal in (
        (lambda: History(-1, 90), Negative),
        (lambda: History(1, 0), OutOfRange),
        (lambda: Window(0, 367), OutOfRange),
        (lambda: Window(0, 0), OutOfRange),
        (lambda: Window(1.5, 3), NotWhole),  # type: ignore[arg-type]
    ):
        with pytest.raises(refusal):
            wrong()

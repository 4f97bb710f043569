"""What an exclusive window gives up: by hand, by its laws, and never under the sales it forgoes."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.auctions.forgone import FEWEST_BIDS, History, LaterOffer, Window, licence_reserve, window_reserve
from pricing.auctions.reserve import exclusive_reserve, likeliest
from pricing.money import Money
from pricing.quote import PriceInputs, price, price_at_age
from pricing.refusals import Negative, NotWhole, OutOfRange
from tests.pricing.builders import CITY, DAY, inputs

STEPS = ["past_sales", "one_more_sale", "price_movement", "posted_price", "past_bids"]


def stating(priced: PriceInputs, **changes: int) -> LaterOffer:
    names = ("full_worth_minor", "worth_days", "floor_minor", "cap_minor")
    return LaterOffer(**({name: getattr(priced, name) for name in names} | changes))


def test_by_hand() -> None:
    """Five sales in ninety days at a price that never moves: thirty days forgo two sales, the sixth counted."""
    flat = replace(CITY, floor_minor=30_000, cap_minor=30_000)
    found = window_reserve(flat, History(5, 90), Window(DAY, 30))
    assert found.forgone_minor == found.reserve_minor == 60_000
    assert [(step.name, step.amount_minor) for step in found.waterfall] == list(
        zip(STEPS, [50_000, 10_000, 0, 0, 0], strict=True)
    )
    assert window_reserve(flat, History(0, 90), Window(0, 3)).forgone_minor == 1_000
    assert window_reserve(flat, History(0, 90), Window(0, 3)).reserve_minor == 30_000, (
        "an ordinary licence is in the window"
    )
    assert window_reserve(flat, History(0, 7), Window(0, 1)).forgone_minor == ceil(Fraction(30_000, 7))


def test_a_price_that_falls_forgoes_less_and_a_fresh_release_more() -> None:
    """Data that age without another release lose their price; a release a week keeps it up."""
    still = replace(CITY, floor_minor=1)
    ageing = window_reserve(still, History(40, 90), Window(0, 60))
    refreshed = window_reserve(still, History(40, 90), Window(0, 60, refresh_days=7))
    assert ageing.waterfall[2].amount_minor < 0
    assert refreshed.forgone_minor > ageing.forgone_minor
    expected = Fraction(41, 90) * sum(
        price_at_age(still, still.age_seconds + day * DAY).amount_minor for day in range(60)
    )
    assert ageing.forgone_minor == ceil(expected)


def test_a_window_forgoes_each_day_at_its_own_least_price() -> None:
    """Promises begin and end within it, and changes of the offer."""
    flat = replace(CITY, floor_minor=30_000, cap_minor=50_000, full_worth_minor=1)
    days = [stating(flat, floor_minor=30_000), stating(flat, floor_minor=50_000), stating(flat, floor_minor=40_000)]
    found = window_reserve(flat, History(2, 30), Window(0, 3), by_day=days)
    assert found.forgone_minor == 12_000
    assert found.reserve_minor == 50_000, "one ordinary licence, at its dearest"
    changed = stating(flat, full_worth_minor=10**9, cap_minor=90_000)
    assert window_reserve(flat, History(2, 30), Window(0, 3), by_day=[*days[:2], changed]).reserve_minor == 90_000
    with pytest.raises(OutOfRange):
        window_reserve(flat, History(2, 30), Window(0, 3), by_day=days[:1])


def test_a_window_costs_no_less_than_a_licence_at_the_close_when_the_winners_own_begins() -> None:
    """However old the data are by the time the window opens."""
    still = replace(CITY, floor_minor=1)
    late = Window(90 * DAY, 3, closes_in_seconds=2 * DAY)
    at_close = price_at_age(still, still.age_seconds + 2 * DAY).amount_minor
    assert window_reserve(still, History(0, 90), late).reserve_minor == at_close
    raised = window_reserve(still, History(0, 90), late, at_close=stating(still, floor_minor=at_close + 1))
    assert raised.reserve_minor == at_close + 1


def test_past_bids_raise_a_reserve_once_there_are_enough() -> None:
    """Myerson's reserve over what is kept anyway; too few bids change nothing."""
    bids = [200_000 + 10_000 * number for number in range(FEWEST_BIDS)]
    few = window_reserve(CITY, History(2, 90), Window(0, 30), bids[:-1])
    many = window_reserve(CITY, History(2, 90), Window(0, 30), bids)
    assert few == window_reserve(CITY, History(2, 90), Window(0, 30))
    assert many.forgone_minor == few.forgone_minor
    assert many.reserve_minor == exclusive_reserve(likeliest(bids), Money(few.reserve_minor, "EUR")).minor
    assert many.reserve_minor > few.reserve_minor


def test_a_licence_forgoes_its_posted_price_at_the_close() -> None:
    """What its buyer could have it for then, with or without the auction."""
    found = licence_reserve(CITY, 7 * DAY)
    then = price_at_age(CITY, CITY.age_seconds + 7 * DAY).amount_minor
    assert found.reserve_minor == found.forgone_minor == then < price(CITY).amount_minor
    assert [step.name for step in found.waterfall] == ["posted_price", "older_at_close", "stated_at_close"]
    assert sum(step.amount_minor for step in found.waterfall) == then
    raised = licence_reserve(CITY, 7 * DAY, stating(CITY, floor_minor=price(CITY).amount_minor + 1))
    assert raised.reserve_minor == price(CITY).amount_minor + 1
    assert [step.amount_minor for step in raised.waterfall[:2]] == [step.amount_minor for step in found.waterfall[:2]]
    lowered = licence_reserve(replace(CITY, floor_minor=CITY.cap_minor), 7 * DAY, stating(CITY))
    assert lowered.reserve_minor == then, "what was promised has ended"
    with pytest.raises(Negative):
        licence_reserve(CITY, -1)


HISTORIES = st.builds(History, st.integers(0, 10**4), st.integers(1, 400))
WINDOWS = st.builds(Window, st.integers(0, 10**7), st.integers(1, 40), st.integers(0, 40), st.integers(0, 10**7))


@settings(max_examples=60)
@given(inputs(), HISTORIES, WINDOWS)
def test_never_under_what_is_forgone(priced: PriceInputs, history: History, window: Window) -> None:
    """The steps sum, the reserve covers both the sales and one ordinary licence, and more sales never forgo less."""
    found = window_reserve(priced, history, window)
    assert [step.name for step in found.waterfall] == STEPS
    assert sum(step.amount_minor for step in found.waterfall) == found.reserve_minor
    assert found.reserve_minor >= found.forgone_minor
    assert found.reserve_minor >= price_at_age(priced, priced.age_seconds + window.closes_in_seconds).amount_minor
    if window.refresh_days == 0:
        first = price_at_age(priced, priced.age_seconds + window.opens_in_seconds).amount_minor
        assert found.reserve_minor >= first
    one_more = History(history.sales + 1, history.days)
    assert window_reserve(priced, one_more, window).forgone_minor >= found.forgone_minor
    seen = Fraction(history.sales * window.days * price(priced).amount_minor, history.days)
    assert found.waterfall[0].amount_minor == ceil(seen)


def test_refusals() -> None:
    """What could never be a history or a window."""
    for make, refusal in (
        (lambda: History(-1, 90), Negative),
        (lambda: History(1, 0), OutOfRange),
        (lambda: History(1.5, 90), NotWhole),
        (lambda: Window(-1, 3), Negative),
        (lambda: Window(0, 0), OutOfRange),
        (lambda: Window(0, 367), OutOfRange),
    ):
        with pytest.raises(refusal):
            make()

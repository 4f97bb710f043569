"""The sales that an auction gives up, and the reserve that covers them, for a window or one licence.

The rule this file keeps: forgone sales are computed once, before bidding, in exact arithmetic from the posted price, its
past sales and the price during the window, when the data are older. Every step is stated, in whole minor units, and the steps sum to
the reserve. A steward may raise a reserve, never lower it.

Source: R. Myerson, Optimal auction design, 1981, section 5, for a seller who keeps something by not selling (here, the
ordinary sales); see `pricing.auctions.reserve`. One more sale than were seen is counted: with k arrivals in t days and
no other knowledge, (k + 1) / t is the mean rate (the posterior of a Poisson rate under a flat prior).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from pricing.auctions.reserve import exclusive_reserve, likeliest
from pricing.money import Money, amount, whole
from pricing.order import Priced, Step, age_hours, later
from pricing.refusals import OutOfRange

LONGEST_WINDOW_DAYS: Final = 366
FEWEST_BIDS: Final = 8
"""With fewer past bids a fitted distribution reflects chance more than bidders."""

_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class History:
    """Posted-price sales of an offer: `sales` >= 0 in the last `days` >= 1, without auctioned licences."""

    sales: int
    days: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        amount(self.sales, "a number of sales")
        if whole(self.days, "a number of days") < 1:
            msg = f"a history has at least one day, not {self.days}"
            raise OutOfRange(msg)


@dataclass(frozen=True, slots=True)
class Window:
    """The time when nobody else may buy: it opens in so many hours (>= 0) and lasts `days`, in [1, 366], rounded up.

    refresh_days: a new release replaces the latest every so many days; 0 if none is expected. closes_in_hours: the
    auction closes in so many (>= 0), when the winner's own licence begins.
    """

    opens_in_hours: int
    days: int
    refresh_days: int = 0
    closes_in_hours: int = 0

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        amount(self.opens_in_hours, "the time until the window")
        amount(self.refresh_days, "the days between releases")
        amount(self.closes_in_hours, "the time until the close")
        if not 1 <= whole(self.days, "a window's days") <= LONGEST_WINDOW_DAYS:
            msg = f"a window lasts between 1 and {LONGEST_WINDOW_DAYS} days, not {self.days}"
            raise OutOfRange(msg)


@dataclass(frozen=True, slots=True)
class Reserve:
    """A reserve and its reasons: forgone_minor, the sales that are given up, and steps that sum to reserve_minor.

    The steps of a window are always the same, in this order: past_sales, one_more_sale, price_movement, posted_price,
    past_bids. Those of a licence are posted_price, older_at_close.
    """

    forgone_minor: int
    reserve_minor: int
    waterfall: tuple[Step, ...]


def window_reserve(priced: Priced, history: History, window: Window, past_bids_minor: Sequence[int] = ()) -> Reserve:
    """Return the sales that an exclusive window gives up, and its least price.

    priced: the posted price now, with the day's demand. Each day of the window sells (sales + 1) / days licences at that
    day's price: for today's data at that age, or for the youngest possible release every refresh_days. The window never
    costs less than the one ordinary licence it contains, which begins at the close, priced at the close and on the
    window's dearest day. past_bids_minor: truthful bids for earlier windows, each >= 1; from eight on, Myerson's reserve
    counts too. Rounded up to a whole unit, step by step. Refuses what `price` and `likeliest` refuse.
    """
    now = priced.amount_minor
    prices = [later(priced, hours).amount_minor for hours in _hours(age_hours(priced), window)]
    seen = Fraction(history.sales * now * window.days, history.days)
    prudent = Fraction((history.sales + 1) * now * window.days, history.days)
    moved = Fraction((history.sales + 1) * sum(prices), history.days)
    forgone = ceil(moved)
    alone = max(forgone, *prices, later(priced, window.closes_in_hours).amount_minor)
    reserve = alone
    if len(past_bids_minor) >= FEWEST_BIDS:
        reserve = max(alone, exclusive_reserve(likeliest(past_bids_minor), Money(alone, priced.law.currency)).minor)
    waterfall, reached = [], 0
    for name, total in (
        ("past_sales", ceil(seen)),
        ("one_more_sale", ceil(prudent)),
        ("price_movement", forgone),
        ("posted_price", alone),
        ("past_bids", reserve),
    ):
        waterfall.append(Step(name, total - reached))
        reached = total
    return Reserve(forgone, reserve, tuple(waterfall))


def licence_reserve(priced: Priced, closes_in_hours: int) -> Reserve:
    """Return what an auctioned ordinary licence would earn if sold, and the least it may be auctioned for.

    priced: the posted price now. The licence changes hands when the auction closes, in so many hours (>= 0). Its buyer
    could buy it then at the price of data that much older, and the auction gives up that price. The steps are posted_price
    and older_at_close. Refuses what `price` refuses, and NotWhole, Negative, TooLarge.
    """
    then = later(priced, amount(closes_in_hours, "the time until the close")).amount_minor
    steps = (Step("posted_price", priced.amount_minor), Step("older_at_close", then - priced.amount_minor))
    return Reserve(then, then, steps)


def _hours(age: int, window: Window) -> list[int]:
    """Return in how many hours the latest data are as old as at the start of each day of the window."""
    ages = [age + window.opens_in_hours + day * _DAY_HOURS for day in range(window.days)]
    if window.refresh_days:
        # The youngest possible: a release that covers its time to the very end, on the day it is published.
        ages = [older % (window.refresh_days * _DAY_HOURS) for older in ages]
    return [older - age for older in ages]

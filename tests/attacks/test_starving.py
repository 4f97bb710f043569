"""A partner that only ever asks, to be quoted less: it changes no price, waiting gains no more than a step, asking ends.

Quotes that nobody paid were refusals once, one a partner and day, for ever: who asked on dear days alone and never
bought brought the mean multiplier from 1.13 down to 0.73 within half a year.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable

import numpy as np
import pytest

from marketplace.catalogue.offers import actions, rules
from marketplace.catalogue.offers.signed_quotes import accept_quote
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.people.identity.key_actions import create_key
from pricing.demand import MOST_STEP_PERCENT, NEUTRAL_BASIS_POINTS, RevealedBid
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import make_buyer, make_quote, open_shop
from tests.support.demand_market import Other, posted
from tests.support.reads import fetch

DAY = dt.timedelta(days=1)
ASKED: dict[str, Callable[[int], bool]] = {
    "above 0.70": lambda multiplier: multiplier > 7_000,
    "always": lambda _: True,
    "only when dear": lambda multiplier: multiplier > 10_000,
}
PACES = (0.2, 1.0, 3.0)
"""Honest quotes a day."""


@pytest.mark.parametrize("pace", PACES)
def test_who_only_asks_changes_nothing(pace: float) -> None:
    """Half a year, the same honest partners with and without it: not one day's multiplier differs, be it one or two."""
    without = posted(pace, 7)
    assert len(set(without)) > 3, "the price does move"
    for asks in ASKED.values():
        assert posted(pace, 7, [Other("A", asks), Other("B", asks)]) == without


@pytest.mark.parametrize("seed", range(3))
def test_waiting_a_week_gains_no_more_than_a_step(seed: int) -> None:
    """Whatever the draws are, even all the lowest and highest in turn: no price within a week is 3 % below today's."""
    rng = np.random.default_rng(seed)
    past: list[tuple[dt.date, int]] = []
    for number in range(400):
        day = dt.date(2026, 1, 1) + number * DAY
        target = int(rng.choice([rules.DEMAND_GRID[0], rules.DEMAND_GRID[-1], NEUTRAL_BASIS_POINTS]))
        past.append((day, rules.next_multiplier(past, target, day)))
    prices = [multiplier for _, multiplier in past]
    gains = [1 - min(prices[at : at + 8]) / prices[at] for at in range(len(prices))]
    assert 0 < max(gains) <= MOST_STEP_PERCENT / 100


def test_low_bids_that_lose_bring_a_price_down_by_little() -> None:
    """Two bids at the reserve, as one partner may have counted within half a year: draws of 400 seeds fall by 3 % at most."""
    past = [(dt.date(2026, 1, 1) + number * DAY, 10_000) for number in range(90)]
    sales = [(day, f"honest {number % 9}", 1.0) for number, (day, _) in enumerate(past) if number % 3 == 0]
    day = dt.date(2026, 4, 1)

    def mean(bids: list[RevealedBid]) -> float:
        return float(np.mean([rules.draw_of(past, sales, day, np.random.default_rng(n), bids) for n in range(400)]))

    assert mean([RevealedBid(10_000, 10_000)] * 2) >= 0.97 * mean([])


@pytest.mark.deep
@pytest.mark.parametrize("pace", PACES)
def test_one_cheap_licence_buys_no_say(pace: float) -> None:
    """Who buys one old, coarse licence for a twentieth, and asks on, lowers the mean by at most 2 %; two such by 4 %.

    Forty markets each, the same honest partners with and without: the mean of their ratios, within its own error.
    """

    def once(multiplier: int, bought: int) -> float:
        return 0.05 if multiplier < 10_000 and not bought else 0.0

    for count, most in ((1, 0.02), (2, 0.04)):
        others = [Other(f"cheap {number}", lambda _: True, once) for number in range(count)]
        ratios = [np.mean(posted(pace, seed, others)) / np.mean(posted(pace, seed)) for seed in range(40)]
        error = float(np.std(ratios)) / len(ratios) ** 0.5
        assert float(np.mean(ratios)) >= 1 - most - 2 * error


# ------------------------------------------------------------------ on the site
async def test_questions_and_orders_that_are_not_paid_move_no_price() -> None:
    """Five weeks of quotes, every other one ordered and never paid: demand stays neutral."""
    release, partner = await open_shop(), await make_buyer()
    for week in range(5):
        with clock.shifted(week * 8 * DAY):
            quote = await make_quote(partner, release)
            if week % 2:
                await accept_quote(quote, clock.now())
    with clock.shifted(40 * DAY):
        await actions.refresh_demand()
    drawn = await fetch("SELECT demand_basis_points, sales FROM demand_draw")
    assert [tuple(row) for row in drawn] == [(NEUTRAL_BASIS_POINTS, 0)] * 6


async def test_a_partner_has_so_many_prices_signed_a_day_and_the_form_is_kept() -> None:
    """Sixty requests at once: fifty quotes; then a page in either language, and an answer to machines, say why."""
    release, partner, other = await open_shop(), await make_buyer(), await make_buyer("bureau")
    answers = await asyncio.gather(*(make_quote(partner, release) for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(answer, uuid.UUID) for answer in answers) == rules.QUOTES_A_DAY == 50
    assert all(isinstance(answer, uuid.UUID | Conflict) for answer in answers)
    assert isinstance(await make_quote(other, release), uuid.UUID), "another partner asks as before"
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        for language, sentence in (
            ("en", "You asked for 50 quotes within a day; ask again tomorrow."),
            ("fr", "Vous avez demandé 50 devis en un jour ; redemandez-en demain."),
        ):
            refused = await browser.submit(f"/{language}/datasets/lyon/quotes", {"release": str(release)})
            assert refused.status_code == 409
            assert sentence in page_text(refused).replace("\u202f", " ").replace("\u00a0", " ")
            assert f'value="{release}"' in refused.text
        key = await create_key(partner, "tests", key_id=uuid.uuid4(), session="a session's secret")
        headers = {"authorization": f"Bearer {key}", "idempotency-key": str(uuid.uuid4())}
        machine = await browser.client.post("/api/v1/quotes", json={"release": str(release)}, headers=headers)
        assert machine.status_code == 409
        assert "50 quotes within a day" in machine.text
        with clock.shifted(DAY):
            assert (await browser.submit("/en/datasets/lyon/quotes", {"release": str(release)})).status_code == 303

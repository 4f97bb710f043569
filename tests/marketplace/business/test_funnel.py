"""From a look to a sale: counts without traces, reasons, and money that equals the books' to the cent."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import html5lib
import numpy as np
from msgspec import structs

from marketplace.business.funnel_pages import steps_of
from marketplace.business.queries import Prospect, RevenueRow
from marketplace.business.rules import sales_ahead
from marketplace.identity import actions as identity
from marketplace.interest.actions import write_counts
from marketplace.interest.queries import InterestRow, ReasonRow
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from tests.marketplace.identity.site import PASSWORD, Browser, text_of
from tests.marketplace.purchases.shop import make_buyer, make_quote, make_sale, open_shop
from tests.support.reads import fetch, fetch_value

PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
PAGE = "/en/datasets/lyon"


async def test_a_look_a_question_a_price_a_reason_and_a_sale_are_counted(stripe: Any) -> None:
    del stripe
    await write_counts()  # what tests before counted, of datasets that are not here
    release = await open_shop()
    buyer, rival = await make_buyer(), await make_buyer("rival")
    for role in ("steward", "finance"):
        await identity.add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
    async with Browser() as stranger, Browser() as atelier, Browser() as other, Browser() as staff, Browser() as nora:
        for browser, email in (
            (atelier, "atelier@partner.example"),
            (other, "rival@partner.example"),
            (staff, "steward@partage.example"),
            (nora, "finance@partage.example"),
        ):
            await browser.sign_in(email)
        assert "Nothing yet" in text_of(await staff.get("/en/staff/funnel"))
        for browser in (stranger, atelier, staff):
            assert (await browser.get(PAGE, headers=PERSON)).status_code == 200
        for program in ("Googlebot/2.1", "python-httpx/1", ""):
            await stranger.get(PAGE, headers={"user-agent": program})
        await stranger.get("/en/datasets/nowhere", headers=PERSON)
        await stranger.submit(f"{PAGE}/preview", {"zones": "0.0, 0.0"})
        asked = await stranger.submit(f"{PAGE}/preview", {"zones": "45.764, 4.8357"})
        assert asked.status_code == 200
        quote = await make_quote(rival, release)
        order = await make_sale(atelier, buyer, release)

        path = f"/en/quotes/{quote}/reason"
        assert path in (await other.get(f"/en/quotes/{quote}")).text
        html5lib.HTMLParser(strict=True).parse((await other.get(path)).text)
        for reason in ("accuracy", "price"):
            assert (await other.submit(path, {"reason": reason})).status_code == 303
        assert "Thank you: the price is too high" in text_of(await other.get(path))
        assert (await other.submit(path, {"reason": "x"})).status_code == 422
        assert (await atelier.get(path)).status_code == 404, "another company's price"
        assert (await atelier.submit(path, {"reason": "price"})).status_code == 404
        bought = f"/en/quotes/{await fetch_value('SELECT quote FROM purchase_order')}/reason"
        assert (await atelier.submit(bought, {"reason": "price"})).status_code == 409
        assert "has been ordered" in text_of(await atelier.get(bought))

        for browser in (staff, nora):
            shown = await browser.get("/en/staff/funnel")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            [row] = re.findall(r"<tr><th scope=.row.><span><a href=[^>]*>Lyon</a></span>(.*?)</tr>", shown.text)
            assert re.findall(r">([^<]+)</td>", row)[:4] == ["2", "1", "2", "1"]
            assert f"€{order['net_minor'] / 100:,.2f}" in row
            assert "The price is too high (1)" in row
        assert -await balance(chart.LICENCES_SOLD) == order["net_minor"], "equal to the ledger's to the cent"
        assert "Du regard à la vente" in text_of(await nora.get("/fr/staff/funnel"))
        assert (await atelier.get("/en/staff/funnel")).status_code == 403
    rows = await fetch("SELECT * FROM listing_day")
    assert len(rows) == 1, "a row a day, however many looked"
    assert set(rows[0].keys()) == {"id", "dataset", "day", "seen", "previewed"}, "and nothing of who it was"


def test_steps_are_those_somebody_made_and_the_most_money_first() -> None:
    interest = [InterestRow(code, code, code, seen, 0, 0) for code, seen in (("a", 9), ("b", 1), ("c", 0), ("d", 0))]
    revenue = [RevenueRow("d", "", 2, 500, 100), RevenueRow("b", "", 1, 700, 140)]
    prospects = {"d": Prospect("d", dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 3, 900)}
    days = dt.date(2026, 1, 1), dt.date(2026, 3, 30)
    steps = steps_of(interest, revenue, [ReasonRow("a", "price", 3)], prospects, days)
    assert [(row.code, row.bought, row.net_minor) for row in steps] == [("b", 1, 700), ("d", 2, 500), ("a", 0, 0)]
    assert list(steps[2].reasons) == [("price", 3)]
    assert steps[1].ahead
    low, high = steps[1].ahead
    assert (low, high) == sales_ahead(2, 30), "of the days on which there was something to sell"
    assert steps[1].ahead_minor == (250 * low, 250 * high)
    assert (steps[1].due_releases, steps[1].due_minor) == (3, 900)
    assert steps[0].ahead is None, "nothing of it was published"
    assert steps[0].ahead_minor == (0, 0)
    later = {"d": structs.replace(prospects["d"], sold_since=dt.datetime(2026, 3, 2, tzinfo=dt.UTC))}
    assert steps_of(interest, revenue, [], later, days)[1].ahead is None, "a day too new"


def test_four_in_five_forecasts_hold() -> None:
    """Rates drawn from the prior's neighbourhood, counts from Poisson's law: of 4,000, at least 78 % are within."""
    rng = np.random.default_rng(7)
    within = 0
    for _ in range(4_000):
        rate = rng.gamma(2, 3) / 90
        low, high = sales_ahead(int(rng.poisson(rate * 90)), 90)
        within += low <= rng.poisson(rate * 30) <= high
    assert within / 4_000 > 0.78
    assert sales_ahead(0, 30) == (0, 2)
    assert sales_ahead(20_000, 365)[0] > 1_500, "large counts are computed in logarithms"

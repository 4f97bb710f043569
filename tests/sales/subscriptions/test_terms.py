"""What a subscription locked is the price of one licence: its releases come under that, though others are sold since."""

import uuid
from typing import Any, NamedTuple

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.sales.subscriptions.actions import deliver, subscribe
from tests.catalogue.builders import DAY, amounts_of, make_span, open_catalogue, put_on_sale
from tests.datasets.builders import ZONES
from tests.people.builders import Browser, machine_of, page_text, spender_for
from tests.sales.builders.shop import make_payer
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.sites import the_site

WORTH = 10_000_000
NARROW, WIDE = ("internal", 1), ("resell", 120)
SOLD = """SELECT net_minor, terms FROM purchase_order
          JOIN order_lot ON order_lot.purchase_order = purchase_order.id JOIN quote ON quote.id = order_lot.quote"""


class Begun(NamedTuple):
    """A subscription to `city`, under the terms before-1, and whose it is."""

    id: uuid.UUID
    partner: uuid.UUID


async def subscribe_to_terms(before: tuple[str, int], after: tuple[str, int], **narrowed: Any) -> Begun:
    """Subscribe to a dataset that is sold under before-1; after-1 are stated too, for some purposes or countries alone."""
    await open_catalogue("city")
    await make_span("city", len(ZONES), 0, 7)
    await execute("UPDATE dataset SET cadence = 'week'")
    lines = {"lines_fr": "un\ndeux", "lines_en": "one\ntwo"}
    await catalogue.define_terms("before-1", right=before[0], months=before[1], **lines)
    await catalogue.define_terms("after-1", right=after[0], months=after[1], **lines, **narrowed)
    await put_on_sale("city", terms="before-1", worth_minor=WORTH, least_minor=1)
    begun = Begun(uuid.uuid4(), await make_payer())
    await subscribe(begun.partner, "city", by=await spender_for(begun.partner), releases=4, subscription=begun.id)
    return begun


async def sell_otherwise(worth_minor: int = WORTH) -> None:
    """Sell the dataset under after-1 alone, at another worth."""
    await put_on_sale("city", terms="after-1", worth_minor=worth_minor)


@pytest.mark.parametrize(("before", "after", "times"), [(NARROW, WIDE, 1), (WIDE, NARROW, 100)])
@pytest.mark.usefixtures("stripe")
async def test_a_release_comes_under_the_licence_whose_price_was_locked(before: Any, after: Any, times: int) -> None:
    await subscribe_to_terms(before, after)
    most = await fetch_value("SELECT locked_minor FROM subscription")
    await sell_otherwise(WORTH * times)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert min(await amounts_of("city")) > most
        assert await deliver() == 1
        await put_on_sale("city", terms="before-1", worth_minor=WORTH)
        [own, _] = await amounts_of("city")
    assert own <= most
    assert await fetch(SOLD) == [(own, "before-1")]
    sold = await fetch_one("SELECT usage_right, quote.months FROM quote JOIN licence_terms ON code = terms")
    assert sold == before


@pytest.mark.usefixtures("stripe")
async def test_under_its_own_licence_a_release_costs_the_price_of_the_day_where_that_is_less() -> None:
    """The dataset is sold under a wider licence for as much: the narrow one of before is worth less of that."""
    await subscribe_to_terms(NARROW, WIDE)
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await sell_otherwise(WORTH // 2)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    [(paid, terms)] = [tuple(row.values()) for row in await fetch(SOLD)]
    assert (paid < locked, terms) == (True, "before-1")


@pytest.mark.usefixtures("stripe")
async def test_terms_for_other_purposes_and_countries_change_nothing_of_it() -> None:
    """Its partner may not have the new ones at all."""
    await subscribe_to_terms(NARROW, NARROW, purposes=["ScientificResearch"], countries=["DE"])
    await sell_otherwise()
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    assert [row["terms"] for row in await fetch(SOLD)] == ["before-1"]


@pytest.mark.usefixtures("stripe")
async def test_a_partner_reads_which_licence_it_subscribes_to_and_none_else_is_begun() -> None:
    begun = await subscribe_to_terms(NARROW, WIDE)
    await execute("UPDATE subscription SET state = 'ended', ended_at = now()")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        shown = page_text(await browser.get("/en/subscribe/city"))
        assert "1 month for each release" in shown
        fields = {"dataset": "city", "releases": "4", "terms": "before-1"}
        await sell_otherwise()
        refused = await browser.submit("/en/subscribe/city", fields)
        assert "The licence has changed since" in page_text(refused)
        assert 'name="terms" value="after-1"' in refused.text
        made = await browser.submit("/en/subscribe/city", fields | {"terms": "after-1"})
        for path, months in ((f"/en/subscriptions/{begun.id}", "1 month"), (made.headers["location"], "120 months")):
            shown = page_text(await browser.get(path))
            assert f"The licence {months} one two" in " ".join(shown.split())
    async with await machine_of(begun.partner, the_site()) as machine:
        answer = (await machine.get(f"/api/v1/subscriptions/{begun.id}")).json()["subscription"]
    assert {name: answer[name] for name in ("terms", "usage_right", "months", "purposes", "countries")} == {
        "terms": "before-1",
        "usage_right": "internal",
        "months": 1,
        "purposes": [],
        "countries": [],
    }


@pytest.mark.parametrize("narrowed", [{"purposes": ["ScientificResearch"]}, {"countries": ["DE"]}, {}])
@pytest.mark.usefixtures("stripe")
async def test_a_sheet_that_is_worth_less_since_makes_the_locked_licence_cheaper(
    narrowed: dict[str, list[str]],
) -> None:
    """The dataset's figures are worth a hundredth since, sold to anybody, to researchers, or to one country."""
    await subscribe_to_terms(NARROW, NARROW, **narrowed)
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await sell_otherwise(WORTH // 100)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    sold = await fetch_one(SOLD)
    assert sold["terms"] == "before-1"
    assert sold["net_minor"] < locked / 50


@pytest.mark.usefixtures("stripe")
async def test_a_right_for_more_costs_more_than_a_lesser_one_that_is_sold_since() -> None:
    await subscribe_to_terms(WIDE, NARROW)
    await sell_otherwise()
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        posted = max(await amounts_of("city"))
        assert await deliver() == 1
    sold = await fetch_one(SOLD)
    assert sold
    assert sold["terms"] == "before-1"
    assert sold["net_minor"] > posted

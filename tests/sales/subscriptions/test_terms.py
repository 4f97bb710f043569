"""What a subscription locked is the price of one licence: its releases come under that, though others are sold since."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.lengths import under_locked
from marketplace.catalogue.offers.queries import list_priced_offers, list_priced_releases
from marketplace.catalogue.offers.rules import price_inputs
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.sales.subscriptions.actions import deliver, subscribe
from pricing.quote import price
from tests.catalogue.builders import DAY, amounts_of, make_span, open_catalogue
from tests.datasets.builders import ZONES
from tests.people.builders import Browser, machine_of, page_text
from tests.sales.builders.shop import make_payer
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.sites import the_site

OFFERED = {"floor_minor": 1, "cap_minor": 10**11, "worth_days": 7}
NARROW, WIDE = ("internal", 1), ("resell", 120)
TIMES = {NARROW: 100, WIDE: 1}
"""What the full worth rises by as the dataset is sold under this alone, so that it does not cost less than it did."""
SOLD = "SELECT net_minor, terms FROM purchase_order JOIN quote ON quote.id = purchase_order.quote"


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
    await catalogue.list_offer("city", terms="before-1", full_worth_minor=10_000_000, **OFFERED)
    begun = Begun(uuid.uuid4(), await make_payer())
    await subscribe(begun.partner, "city", releases=4, subscription=begun.id)
    return begun


async def relist(times: int) -> None:
    await catalogue.list_offer("city", terms="after-1", full_worth_minor=10_000_000 * times, **OFFERED)


@pytest.mark.parametrize(("before", "after"), [(NARROW, WIDE), (WIDE, NARROW)])
async def test_a_release_comes_under_the_licence_whose_price_was_locked(stripe: Any, before: Any, after: Any) -> None:
    del stripe
    await subscribe_to_terms(before, after)
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await relist(TIMES[after])
    with clock.shifted(8 * DAY):
        week = await make_span("city", len(ZONES), 0, 7)
        assert min(await amounts_of("city")) > locked
        assert await deliver() == 1
        [release] = await list_priced_releases([week])
        [offer] = await list_priced_offers(["city"], clock.now())
        own = price_inputs(
            release,
            await under_locked(offer, "before-1"),
            operator_basis_points=settings().operator_basis_points,
            now=clock.now(),
        )
    assert await fetch(SOLD) == [(min(locked, price(own).amount_minor), "before-1")]
    sold = await fetch_one("SELECT usage_right, months FROM quote JOIN licence_terms ON code = terms")
    assert sold == before


async def test_under_its_own_licence_a_release_costs_the_price_of_the_day_where_that_is_less(stripe: Any) -> None:
    """The dataset is sold under a wider licence for as much: the narrow one of before is worth less of that."""
    del stripe
    await subscribe_to_terms(NARROW, WIDE)
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await catalogue.list_offer("city", terms="after-1", full_worth_minor=5_000_000, **OFFERED)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    [(paid, terms)] = [tuple(row.values()) for row in await fetch(SOLD)]
    assert (paid < locked, terms) == (True, "before-1")


async def test_terms_for_other_purposes_and_countries_change_nothing_of_it(stripe: Any) -> None:
    """Its partner may not have the new ones at all."""
    del stripe
    await subscribe_to_terms(NARROW, NARROW, purposes=["ScientificResearch"], countries=["DE"])
    await relist(1)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    assert [row["terms"] for row in await fetch(SOLD)] == ["before-1"]


async def test_the_audit_finds_a_wide_licence_that_undercuts_what_is_sold_since(stripe: Any) -> None:
    """Where no offer was on sale on its first day, nobody was promised that a later rise does not count."""
    del stripe
    await subscribe_to_terms(WIDE, NARROW)
    await execute("UPDATE subscription SET agreed_offers = '[]'")
    await relist(TIMES[NARROW])
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 0
    assert "has as much for" in await fetch_value("SELECT refusal FROM subscribed_release")


async def test_a_partner_reads_which_licence_it_subscribes_to_and_none_else_is_begun(stripe: Any) -> None:
    del stripe
    begun = await subscribe_to_terms(NARROW, WIDE)
    await execute("UPDATE subscription SET state = 'ended', ended_at = now()")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        shown = page_text(await browser.get("/en/subscribe/city"))
        assert "1 month for each release" in shown
        fields = {"dataset": "city", "releases": "4", "terms": "before-1"}
        await relist(1)
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


@pytest.mark.parametrize(
    ("narrowed", "is_for_fewer"),
    [({"purposes": ["ScientificResearch"]}, True), ({"countries": ["DE"]}, True), ({}, False)],
)
async def test_what_fewer_uses_cost_is_no_price_of_the_others(
    stripe: Any, narrowed: dict[str, list[str]], *, is_for_fewer: bool
) -> None:
    """The dataset is sold for a hundredth since: to anybody, or to researchers or one country alone."""
    del stripe
    await subscribe_to_terms(NARROW, NARROW, **narrowed)
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await catalogue.list_offer("city", terms="after-1", full_worth_minor=100_000, **OFFERED)
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        assert await deliver() == 1
    sold = await fetch_one(SOLD)
    assert sold["terms"] == "before-1"
    assert sold["net_minor"] == locked if is_for_fewer else sold["net_minor"] < locked / 50


@pytest.mark.parametrize("cap", [10**11, 500_000])
async def test_a_right_for_more_costs_more_than_a_lesser_one_that_is_sold_since(stripe: Any, cap: int) -> None:
    """A highest price that is stated for a month within the company is none of reselling for ten years."""
    del stripe
    await subscribe_to_terms(WIDE, NARROW)
    await catalogue.list_offer("city", terms="after-1", full_worth_minor=10_000_000, **OFFERED | {"cap_minor": cap})
    with clock.shifted(8 * DAY):
        await make_span("city", len(ZONES), 0, 7)
        posted = max(await amounts_of("city"))
        assert await deliver() == 1
    sold = await fetch_one(SOLD)
    assert sold
    assert sold["terms"] == "before-1"
    assert sold["net_minor"] > posted

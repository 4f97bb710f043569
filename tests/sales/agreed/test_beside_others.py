"""A basket is refused for what it makes cheaper: not for what its partner had before, has elsewhere, or could have instead."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import h3
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.lengths import set_lengths
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.companies import list_accounts, of_one_company
from marketplace.sales.agreed import basket_actions
from marketplace.sales.agreed import private_actions as private_offers
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.subscriptions.actions import deliver, subscribe
from tests.catalogue.builders import (
    DAY,
    PARTS,
    amounts_of,
    last_midnight,
    latest_releases,
    list_offer,
    make_span,
    open_catalogue,
    open_parts,
)
from tests.datasets.builders import ZONES
from tests.sales.builders.shop import make_buyer, make_payer, order_basket
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value


async def sell_dear() -> None:
    """Sell two dear datasets that compare with no other: by the week."""
    for code, of in (("dear1", "west"), ("dear2", "east")):
        await open_catalogue(code, grain="week", zones=list(PARTS[of]))
        await make_span(code, 3, 0, 7)
        await catalogue.withdraw_offer(code)
        await list_offer(code, 5 * 10**7)


async def sell_far() -> None:
    await open_catalogue("north", zones=[min(h3.grid_ring(ZONES[0], 40))])
    await catalogue.withdraw_offer("north")
    await make_span("north", 1, 0, 7)
    await list_offer("north", 1_000_000)


async def sell_parts(times: float, *, floors: dict[str, int] | None = None) -> None:
    """Sell the city and its two parts anew, each zone of them for so many times ten thousand euros."""
    for code in PARTS:
        await catalogue.withdraw_offer(code)
    for code, zones in PARTS.items():
        await list_offer(code, round(times * 1_000_000) * len(zones), floor=(floors or {}).get(code, 1))


async def draw_more() -> None:
    """Draw a higher demand of the day for all: what is held keeps no price from rising."""
    now = clock.now()
    await execute(
        """INSERT INTO demand_draw (id, offer, day, demand_basis_points, drawn_at, sales, days, bids)
           SELECT gen_random_uuid(), id, $1, 12000, $2, 0, 0, 0 FROM offer""",
        now.date(),
        now,
    )


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("code", ["north", "west"])
async def test_who_subscribes_to_a_part_buys_as_everybody_does(stripe: Any, times: int, code: str) -> None:
    """Its locked price may be half of today's: that was agreed before."""
    del stripe
    await open_parts()
    await sell_far()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner = await make_payer()
    await subscribe(partner, "east", releases=4, subscription=uuid.uuid4())
    with clock.shifted(8 * DAY):
        await sell_parts(times)
        for part, zones in PARTS.items():
            await make_span(part, len(zones), 0, 7)
        assert await deliver() == 1
        await order_basket(partner, code)


@pytest.mark.parametrize("locked", [("west", "east"), ("west",)])
@pytest.mark.parametrize("code", ["north", "east", "city"])
async def test_who_holds_parts_buys_as_everybody_does(locked: tuple[str, ...], code: str) -> None:
    await open_parts()
    await sell_far()
    partner = await make_payer()
    for release in await latest_releases(*locked):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True)
    with clock.shifted(DAY):
        await draw_more()
        await order_basket(partner, code)


async def test_a_private_price_elsewhere_is_signed_beside_a_locked_one(stripe: Any) -> None:
    del stripe
    await open_parts()
    await sell_far()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner, steward, offer = await make_payer(), Actor("Samir", person=uuid.uuid4(), role="steward"), uuid.uuid4()
    await subscribe(partner, "east", releases=4, subscription=uuid.uuid4())
    with clock.shifted(8 * DAY):
        await sell_parts(2)
        for part, zones in PARTS.items():
            await make_span(part, len(zones), 0, 7)
        assert await deliver() == 1
        ends = clock.now() + 25 * DAY
        with pytest.raises(Conflict, match=r"who buys (west .*, east|east .*, west) "):
            await private_offers.offer(steward, partner, "west", percent_off=10, ends_at=ends, offer_id=offer)
        await private_offers.offer(steward, partner, "north", percent_off=10, ends_at=ends, offer_id=offer)
        with clock.shifted(dt.timedelta(hours=1)):
            await private_offers.quote(partner, offer, quote_id=uuid.uuid4())


async def test_a_basket_at_its_floors_is_ordered_in_spite_of_other_lengths() -> None:
    """A month of both parts costs what everybody pays; the city is sold for a year alone."""
    await sell_dear()
    await open_parts()
    words = {"lines_fr": "a\nb\nc\nd\ne", "lines_en": "v\nw\nx\ny\nz"}
    await catalogue.define_terms("month-1", months=1, **words)
    floors = {}
    for code in ("west", "east"):
        await set_lengths(code, ["month-1"])
        [row] = await catalogue.list_priced_releases(await latest_releases(code))
        prices = await catalogue.prices_by_length(row, now=clock.now())
        floors[code] = next(priced.amount_minor for _, months, priced in prices if months == 1)
    await sell_parts(1, floors=floors | {"city": sum(floors.values())})
    for code in floors:
        await set_lengths(code, ["month-1"])
    lines = await basket_actions.read_lines(await latest_releases("dear1", "dear2", "west", "east"), 1)
    of = {line.release.dataset: line for line in lines}
    assert all(of[code].amount_minor == of[code].priced.amount_minor for code in floors), "nothing is off"
    await order_basket(await make_payer(), "dear1", "dear2", "west", "east", months=1)


async def test_a_short_line_of_a_whole_excuses_no_parts() -> None:
    """For a month the whole is the cheapest line, with most off; for a year it would be the dearest, with nothing off."""
    await open_parts()
    dear = [f"d{number}" for number in range(4)]
    for code, zone in zip(dear, sorted(h3.grid_ring(ZONES[0], 40)), strict=False):
        await open_catalogue(code, zones=[zone])
        await catalogue.withdraw_offer(code)
        await make_span(code, 1, 0, 7)
    await as_owner("UPDATE dataset SET half_life_days = 730")
    await sell_parts(1)
    [city], [west], [east] = [await amounts_of(code) for code in ("city", "west", "east")]
    await list_offer(dear[0], 1_000_000)
    [one] = await amounts_of(dear[0])
    for code in dear:
        await list_offer(code, round(1_000_000 * (max(west, east) + city) / 2 / one))
    words = {"lines_fr": "a\nb\nc\nd\ne", "lines_en": "v\nw\nx\ny\nz"}
    await catalogue.define_terms("month-1", months=1, **words)
    await set_lengths("city", ["month-1"])
    partner = await make_payer()
    for more in ([], ["city"]):
        with pytest.raises(Conflict, match="with this basket"):
            await order_basket(partner, *dear, "west", "east", *more, months=1)


@pytest.mark.parametrize("code", ["west", "east"])
async def test_who_holds_a_longer_licence_buys_a_shorter_one_as_everybody_does(code: str) -> None:
    await open_parts()
    words = {"lines_fr": "a\nb\nc\nd\ne", "lines_en": "v\nw\nx\ny\nz"}
    await catalogue.define_terms("years-3", months=36, **words)
    for part in PARTS:
        await set_lengths(part, ["years-3"])
    partner = await make_payer()
    [release] = await latest_releases("west")
    await catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True, terms="years-3")
    with clock.shifted(DAY):
        await draw_more()
        await order_basket(partner, code)


async def test_a_company_has_no_more_by_two_accounts() -> None:
    """Each orders one part with something off: together they would have the city for less."""
    await sell_dear()
    await open_parts()
    for code in ("west", "east"):
        await list_offer(code, 1_030_000 * len(PARTS[code]))
    first, second = await make_payer(), await make_buyer("bureau")
    await change_billing(second, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await execute("INSERT INTO payer (partner, customer_id, asked_at) VALUES ($1, 'cus_y', now())", second)
    await execute(
        """INSERT INTO saved_method (id, payer, state, requested_at, kind, method_id, saved_at)
           VALUES (gen_random_uuid(), $1, 'saved', now(), 'card', 'pm_y', now())""",
        second,
    )
    assert await list_accounts(second) == [second]
    await execute("UPDATE partner SET vat_number = (SELECT vat_number FROM partner WHERE id = $1)", first)
    assert await list_accounts(second) == [second, first]
    await order_basket(first, "dear1", "dear2", "west")
    with pytest.raises(Conflict, match="still being paid"):
        await order_basket(second, "dear1", "dear2", "east")
    await execute("UPDATE purchase_order SET waits_for = '{}'")
    for partner in (first, second):
        with pytest.raises(Conflict, match=r"with this basket, (west .*, east|east .*, west) "):
            await order_basket(partner, "dear1", "dear2", "east")
    await execute("UPDATE partner SET vat_number = '', company = (SELECT company FROM partner WHERE id = $1)", first)
    assert await of_one_company(second, [first]) == [first], "by their name"
    assert await list_accounts(second) == [second], "which anybody may bear"
    await order_basket(second, "dear1", "dear2", "east")


async def test_the_same_basket_with_other_releases_says_so() -> None:
    await sell_dear()
    partner, basket = await make_payer(), uuid.uuid4()
    for _ in range(2):
        await order_basket(partner, "dear1", basket=basket)
    with pytest.raises(Conflict, match="ordered already, with other releases"):
        await order_basket(partner, "dear1", "dear2", basket=basket)
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 1


@pytest.mark.parametrize("others", [("a-one", "a-two"), ("dear1", "dear2")])
async def test_days_that_compare_one_way_alone_are_all_audited(others: tuple[str, str]) -> None:
    """By the clocks of June 2026 Tijuana's days are Vancouver's, and those Creston's, but Tijuana's are not Creston's."""
    body = await fetch_value("SELECT prosrc FROM pg_proc WHERE proname = 'have_the_same_days'")
    await as_owner(
        f"""CREATE OR REPLACE FUNCTION have_the_same_days(one TEXT, other TEXT) RETURNS BOOLEAN LANGUAGE sql STABLE
            AS $${body.replace("now()", "'2026-06-30 12:00Z'::timestamptz")}$$"""
    )
    zones = ("Tijuana", "Vancouver"), ("Vancouver", "Creston"), ("Tijuana", "Creston")
    alike = [
        await fetch_value("SELECT have_the_same_days('America/' || $1::text, 'America/' || $2::text)", *pair)
        for pair in zones
    ]
    assert alike == [True, True, False]
    await sell_dear()
    far = sorted(h3.grid_ring(ZONES[0], 40))
    midnight = last_midnight() + dt.timedelta(hours=7)
    week = {"period_from": midnight - 7 * DAY, "period_to": midnight, "latest_event_at": midnight}
    sold = {
        "a-one": (far[:3], "America/Tijuana", 50_000_000),
        "a-two": (far[3:6], "America/Tijuana", 50_000_000),
        "b-east": (PARTS["east"], "America/Vancouver", 1_000_000 * len(PARTS["east"])),
        "b-west": (PARTS["west"], "America/Vancouver", 1_000_000 * len(PARTS["west"])),
        "c-city": (PARTS["city"], "America/Creston", 1_000_000 * len(PARTS["city"])),
    }
    for code, (of, time_zone, _) in sold.items():
        await open_catalogue(code, zones=list(of), time_zone=time_zone)
        await make_span(code, len(of), 0, 7, **week)
        await catalogue.withdraw_offer(code)
    for code, (*_, worth) in sold.items():
        await list_offer(code, worth)
    with pytest.raises(Conflict, match=r"^Not ordered: c-city .* costs "):
        await order_basket(await make_payer(), *others, "b-east", "b-west")


async def test_two_subscriptions_have_their_releases(stripe: Any) -> None:
    """Each of the second is paid at the price of the day, as everybody pays, while the first one's locked price is half of it."""
    del stripe
    await open_parts()
    await sell_far()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner = await make_payer()
    await subscribe(partner, "east", releases=12, subscription=uuid.uuid4())
    await sell_parts(2)
    for code in ("north", "west", "city"):
        await subscribe(partner, code, releases=12, subscription=uuid.uuid4())
    for week in (1, 2):
        with clock.shifted((7 * week + 1) * DAY):
            for code in PARTS:
                await make_span(code, len(PARTS[code]), 0, 7)
            await make_span("north", 1, 0, 7)
            while await deliver():
                pass
    had = await fetch("SELECT purchase_order IS NOT NULL AS had, refusal FROM subscribed_release")
    assert [tuple(row) for row in had] == [(True, "")] * 8

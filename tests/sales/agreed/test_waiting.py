"""Lines of a basket that cost less for what is dearer in it wait for that to be paid: left unpaid, it takes nothing off."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import Any, NamedTuple

import h3
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.datasets.releases.publishing import revoke
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity.actions import erase_person
from marketplace.sales.agreed import basket_actions
from marketplace.sales.agreed.basket_waiting import charge_waiting
from marketplace.sales.orders.actions import TIME_TO_PAY, check_second, lapse_unpaid
from marketplace.sales.orders.invoices import change_billing
from tests.catalogue.builders import list_offer, make_span, open_catalogue, open_parts
from tests.datasets.builders import ZONES
from tests.money.builders import REFUSING, refusing, save
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import jobs, make_buyer, open_shop, order_basket, pay, seal_release
from tests.support.reads import fetch, fetch_value

MINUTE, DAY, WEEK = dt.timedelta(minutes=1), dt.timedelta(days=1), dt.timedelta(days=7)
PAID = [(False, "paid")] * 2
ORDERS = """SELECT purchase_order.id, release, net_minor, purchase_order.state, checkout_url, waits_for
    FROM purchase_order LEFT JOIN payment ON subject = purchase_order.id
    ORDER BY net_minor DESC, release"""


class Ordered(NamedTuple):
    """A basket's partner, its releases, and what each costs everybody."""

    partner: uuid.UUID
    releases: list[uuid.UUID]
    posted: dict[uuid.UUID, int]

    async def states(self) -> list[tuple[bool, str]]:
        """Return whether each line has something off, and its order's state; what costs its full price first."""
        rows = await fetch(ORDERS)
        return sorted((row["net_minor"] < self.posted[row["release"]], row["state"]) for row in rows)


async def order_five(stripe: Any, *, method: str | None = None, **saved: str) -> Ordered:
    """Order five releases at once: two at their price, two for a twentieth less, one for a tenth.

    method: why a bank refuses the card when nobody is there. saved: what is saved instead of a card.
    """
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    more = [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2, 3, 4)]
    partner, releases = await make_buyer(), [first, *more]
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save(stripe, partner, **saved or {"token": "tok_visa"})
    if method:
        await execute("UPDATE saved_method SET method_id = $1", await refusing(stripe, partner, REFUSING[method]))
    lines = await basket_actions.read_lines(releases)
    total = sum(one.amount_minor for one in lines)
    await basket_actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
    return Ordered(partner, releases, {line.release.id: line.priced.amount_minor for line in lines})


async def test_each_line_is_charged_once_what_is_dearer_is_paid(stripe: Any) -> None:
    ordered = await order_five(stripe)
    waiting = {len(row["waits_for"]) for row in await fetch(ORDERS)}
    assert waiting == {0, 2, 4}
    assert await fetch_value("SELECT count(*) FROM payment") == 2
    for paid in (2, 4, 5):
        await jobs()
        await asyncio.gather(*(charge_waiting() for _ in range(3)))
        assert [state for _, state in await ordered.states()].count("paid") == paid
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'") == 5, "once each"
    assert await fetch_value("SELECT count(*) FROM licence") == 5
    assert not [row for row in await fetch(ORDERS) if row["waits_for"]]


async def test_lines_left_unpaid_make_no_other_cheaper(stripe: Any) -> None:
    """Its bank wants the partner there for each charge, so that it chooses which pages to pay on."""
    ordered = await order_five(stripe, method="authentication_required")
    for _ in range(3):
        await jobs()
    rows = await fetch(ORDERS)
    assert [row["net_minor"] < ordered.posted[row["release"]] for row in rows if row["checkout_url"]] == [False] * 2
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        waits = next(row["id"] for row in rows if row["waits_for"])
        page = await browser.get(f"/en/orders/{waits}")
        assert "once the dearer ones are paid" in page_text(page)
        assert "une fois les plus chères payées" in page_text(await browser.get(f"/fr/orders/{waits}"))
        assert (await browser.get(f"/en/orders/{waits}?returned=1")).status_code == 200
        assert (await browser.submit(f"/en/orders/{waits}/pay", {})).headers["location"] == f"/en/orders/{waits}"
    [first] = [row["release"] for row in rows if row["id"] == waits]
    with pytest.raises(Conflict, match="is being paid"):
        await check_second(ordered.partner, first, 0, "")
    await pay(next(row["checkout_url"] for row in rows if row["checkout_url"]))
    await jobs()
    assert (await ordered.states()).count((False, "paid")) == 1
    with clock.shifted(2 * DAY):
        await lapse_unpaid()
        await jobs()
    assert await ordered.states() == [(False, "lapsed"), (False, "paid")] + [(True, "lapsed")] * 3
    assert await fetch_value("SELECT count(*) FROM licence") == 1
    await jobs()
    assert await fetch_value("SELECT count(*) FROM payment") == 2, "no money is asked for what lapsed"


async def test_a_page_for_what_waited_is_open_as_long_as_any(stripe: Any) -> None:
    """The dearer ones are paid when their own pages are about to close."""
    ordered = await order_five(stripe, method="authentication_required")
    for _ in range(3):
        await jobs()
    with clock.shifted(TIME_TO_PAY - MINUTE):
        for row in await fetch(ORDERS):
            if row["checkout_url"]:
                await pay(row["checkout_url"])
        await jobs()
    with clock.shifted(TIME_TO_PAY + MINUTE):
        await jobs()
        assert await ordered.states() == PAID + [(True, "awaiting_payment")] * 3
    with clock.shifted(2 * TIME_TO_PAY + MINUTE):
        await jobs()
        await jobs()
        assert await ordered.states() == PAID + [(True, "lapsed")] * 3


async def test_debits_that_take_days_are_waited_for(stripe: Any) -> None:
    ordered = await order_five(stripe, iban="DE89370400440532013000")
    await jobs()
    assert await fetch_value("SELECT count(*) FROM payment WHERE state = 'processing'") == 2
    for days, paid in ((5, 2), (10, 4), (15, 5)):
        with clock.shifted(days * DAY):
            await asyncio.to_thread(stripe.test, "settle")
            for _ in range(2):
                await jobs()
            states = [state for _, state in await ordered.states()]
            assert (states.count("paid"), states.count("lapsed")) == (paid, 0), days


@pytest.mark.parametrize("what", ["recalled", "reserved", "left"])
async def test_what_cannot_be_sold_any_more_lapses_and_stops_nobody(stripe: Any, what: str) -> None:
    """It was called back, another partner has it alone by now, or nobody is left at the company."""
    ordered = await order_five(stripe)
    if what == "recalled":
        for row in await fetch(ORDERS):
            if row["waits_for"]:
                words = {"reason_fr": "Une mesure fausse.", "reason_en": "A wrong measure.", "by": "Samir"}
                await revoke(row["release"], **words)
    for job in (run_commands, sweep_events, handle_events):
        await job()
    if what == "reserved":
        offer, now = await fetch_value("SELECT id FROM offer"), clock.now()
        await catalogue.reserve_window(uuid.uuid4(), offer, now + MINUTE, now + 20 * DAY)
    if what == "left":
        for row in await fetch("SELECT id FROM person WHERE partner IS NOT NULL"):
            await erase_person(row["id"])
    for _ in range(3):
        await jobs()
    assert await ordered.states() == PAID + [(True, "lapsed")] * 3
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'") == 2


async def test_what_waits_and_may_lapse_excuses_no_other_basket(stripe: Any) -> None:
    """A whole that waits for a lower price made its parts look dear: both were had for less, and the whole left unpaid."""
    await open_parts()
    dear = [f"d{number}" for number in range(6)]
    for code, zone in zip(dear, sorted(h3.grid_ring(ZONES[0], 40)), strict=False):
        await open_catalogue(code, zones=[zone])
        await catalogue.withdraw_offer(code)
        await make_span(code, 1, 0, 7)
        await list_offer(code, 50_000_000)
    partner = await make_buyer()
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save(stripe, partner, token="tok_visa")
    refused = await refusing(stripe, partner, REFUSING["authentication_required"])
    await execute("UPDATE saved_method SET method_id = $1", refused)
    with pytest.raises(Conflict, match="with this basket"):
        await order_basket(partner, "d4", "d5", "west", "east")
    await order_basket(partner, *dear[:4], "city")
    with pytest.raises(Conflict, match="still being paid"):
        await order_basket(partner, "d4", "d5", "west", "east")
    await order_basket(partner, "d4", "d5")
    with clock.shifted(DAY):
        for _ in range(3):
            await jobs()
        with pytest.raises(Conflict, match="with this basket"):
            await order_basket(partner, "d4", "d5", "west", "east")

"""Two hosted pages for one release, both opened before either is paid: one payment is kept, and never none."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from marketplace.duplicate_orders.actions import decide_duplicates
from marketplace.payments.balance import mirror_balance
from marketplace.payments.stripe_calls import run_commands
from marketplace.purchases.actions import settle_paid
from marketplace.purchases.refunds import record_refunds, request_order_refund
from tests.marketplace.identity.site import Browser, text_of
from tests.marketplace.purchases.shop import jobs, make_buyer, make_quote, open_shop, order_of, pay
from tests.marketplace.storefront.test_pressed_twice import basket_of, save_card
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADDRESS = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon"}


@pytest.fixture
async def buyer(stripe: Any) -> AsyncIterator[tuple[Browser, uuid.UUID, uuid.UUID]]:
    """Give a signed-in partner's browser, the partner, and a release to buy."""
    del stripe
    release, partner = await open_shop(), await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        yield browser, partner, release


async def two_pages(buyer: tuple[Browser, uuid.UUID, uuid.UUID], *, reason: str = "") -> list[tuple[Any, str]]:
    """Open two tabs, each with a quote of its own and its page of Stripe; return their orders and addresses."""
    browser, partner, release = buyer
    opened = []
    for written in (ADDRESS, ADDRESS | {"reason": reason}):
        quote = await make_quote(partner, release)
        answer = await browser.submit(f"/en/quotes/{quote}/orders", written)
        assert answer.status_code == 303, text_of(answer)[:900]
        opened.append((await order_of(quote), answer.headers["location"]))
    return opened


async def work() -> None:
    """Let the jobs of money run until nothing more follows."""
    for _ in range(2):
        await jobs()
        await decide_duplicates()
    await jobs()


async def paid_and_kept() -> tuple[int, int]:
    """Return how many payments were received, and how many are not refunded."""
    received = await fetch_value("SELECT count(*) FROM payment WHERE received_minor > 0")
    kept = await fetch_value("SELECT count(*) FROM payment WHERE received_minor > refunded_minor")
    return received, kept


async def test_the_other_page_is_closed_once_one_is_paid(buyer: tuple[Browser, uuid.UUID, uuid.UUID]) -> None:
    browser, (first, second) = buyer[0], await two_pages(buyer)
    assert (await pay(first[1])).status_code == 303
    await work()
    late = await pay(second[1])
    assert late.status_code != 303, "Stripe takes no money on a page that is closed"
    await work()
    assert await paid_and_kept() == (1, 1)
    assert [row["state"] for row in await fetch("SELECT state FROM purchase_order ORDER BY number")] == [
        "paid",
        "lapsed",
    ]
    shown = text_of(await browser.get(f"/en/orders/{second[0]['id']}"))
    assert f"You paid for this data with order {first[0]['number']}: the payment page of this one is closed" in shown
    french = text_of(await browser.get(f"/fr/orders/{second[0]['id']}"))
    assert f"Vous avez payé ces données par la commande {first[0]['number']}" in french


async def test_of_two_that_were_paid_the_second_is_refunded(buyer: tuple[Browser, uuid.UUID, uuid.UUID]) -> None:
    browser, (first, second) = buyer[0], await two_pages(buyer)
    assert (await pay(second[1])).status_code == 303, "the tab that was opened last is paid first"
    await jobs()
    assert (await pay(first[1])).status_code == 303, "before any job looked at the other page"
    await work()
    await mirror_balance()
    assert await paid_and_kept() == (2, 1)
    states = {row["number"]: row["state"] for row in await fetch("SELECT number, state FROM purchase_order")}
    assert states == {first[0]["number"]: "refunded", second[0]["number"]: "paid"}
    refunds = await fetch("SELECT source_id FROM journal_entry WHERE kind = 'refund'")
    assert len(refunds) == 1
    assert await fetch_value("SELECT returned_minor = total_minor FROM purchase_order WHERE id = $1", first[0]["id"])
    assert await fetch_value("SELECT count(*) FROM invoice WHERE kind = 'credit_note'") == 1
    sent = "SELECT count(*) FROM message WHERE kind = 'paid_twice' AND recipient = $1"
    assert await fetch_value(sent, str(buyer[1])) == 1
    shown = text_of(await browser.get(f"/en/orders/{first[0]['id']}"))
    assert f"already with order {second[0]['number']}: all of this payment goes back to you" in shown
    inbox = text_of(await browser.get("/en/inbox"))
    assert f"all of the payment of {first[0]['number']} goes back to you" in inbox


async def test_both_paid_and_settled_at_once_leave_one(buyer: tuple[Browser, uuid.UUID, uuid.UUID]) -> None:
    """Several workers at once, each with both payments before it: never both kept, never both sent back."""
    opened = await two_pages(buyer)
    for _, address in opened:
        assert (await pay(address)).status_code == 303
    await jobs()
    await asyncio.gather(*(job() for job in (decide_duplicates, settle_paid) * 4))
    await asyncio.gather(run_commands(), decide_duplicates(), record_refunds(), decide_duplicates())
    await work()
    assert await paid_and_kept() == (2, 1)
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'refund'") == 1
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'paid_twice'") == 1


async def test_a_second_sale_with_a_reason_is_kept(buyer: tuple[Browser, uuid.UUID, uuid.UUID]) -> None:
    first, second = await two_pages(buyer, reason="For our other shop.")
    assert (await pay(first[1])).status_code == 303
    await work()
    assert (await pay(second[1])).status_code == 303, "its page stays open"
    await work()
    assert await paid_and_kept() == (2, 2)
    assert await fetch_value("SELECT count(*) FROM duplicate_order") == 0


async def test_what_staff_gave_back_is_not_held_against_the_second(buyer: tuple[Browser, uuid.UUID, uuid.UUID]) -> None:
    """The first is refunded before anybody decided of the second: then the second is what the partner has."""
    opened = await two_pages(buyer)
    for _, address in opened:
        assert (await pay(address)).status_code == 303
        await jobs()
    await request_order_refund(opened[0][0]["id"], "Léa", refund_id=uuid.uuid4())
    await work()
    assert await paid_and_kept() == (2, 1)
    states = {row["number"]: row["state"] for row in await fetch("SELECT number, state FROM purchase_order")}
    assert states == {opened[0][0]["number"]: "refunded", opened[1][0]["number"]: "paid"}
    assert await fetch_value("SELECT state FROM duplicate_order") == "kept"


async def test_a_basket_beside_an_open_page_is_charged_and_the_page_closed(
    buyer: tuple[Browser, uuid.UUID, uuid.UUID],
) -> None:
    """The page is paid while the basket's charge is on its way: the later one goes back; unpaid, the page is closed."""
    browser, partner, release = buyer
    quote = await make_quote(partner, release)
    page = (await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)).headers["location"]
    await save_card(browser)
    ordered = await browser.submit("/en/basket/orders", await basket_of([release]))
    assert ordered.status_code == 303, text_of(ordered)[:900]
    assert (await pay(page)).status_code == 303
    await work()
    assert await paid_and_kept() == (2, 1)
    assert await fetch_value("SELECT count(*) FROM licence WHERE cancelled_at IS NULL") == 1

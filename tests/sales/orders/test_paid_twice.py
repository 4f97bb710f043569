"""One release ordered twice: the first page is closed before the second is made; what is paid twice is an exception."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from marketplace.core.database import execute
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.payments import actions as payments
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.stripe_calls import run_command
from marketplace.oversight.invariants import broken
from marketplace.sales.orders import actions, settling
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.orders.settling import settle_paid
from tests.finance.builders.pages import form, signed_in
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import (
    basket_of,
    jobs,
    make_buyer,
    make_quote,
    open_shop,
    order_of,
    pay,
    pressed,
    save_card_on_page,
)
from tests.support.decisions import approve_waiting
from tests.support.reads import fetch, fetch_value

ADDRESS = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon"}
Buyer = tuple[Browser, uuid.UUID, uuid.UUID]


@pytest.fixture
async def buyer(stripe: Any) -> AsyncIterator[Buyer]:
    """Give a signed-in partner's browser, the partner, and a release to buy."""
    del stripe
    release, partner = await open_shop(), await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        yield browser, partner, release


async def page_of_order(buyer: Buyer, reason: str = "") -> tuple[Any, str]:
    """Order the release by a new quote; return the order and the address of its page of Stripe."""
    browser, partner, release = buyer
    quote = await make_quote(partner, release)
    answer = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS | {"reason": reason})
    assert answer.status_code == 303, page_text(answer)[:900]
    return await order_of(quote), answer.headers["location"]


async def both_paid(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Order twice and pay both pages: Stripe says that the first is closed, and was paid as it said so."""

    async def is_closed(order: uuid.UUID) -> None:
        await execute("UPDATE purchase_order SET state = 'lapsed' WHERE id = $1", order)

    with monkeypatch.context() as patched:
        patched.setattr(actions, "close_page", is_closed)
        patched.setattr(actions, "find_page", awaiting)
        opened = [await page_of_order(buyer) for _ in range(2)]
    for _, address in opened:
        assert (await pay(address)).status_code == 303
    return [order for order, _ in opened]


async def awaiting(*of: object) -> uuid.UUID | None:
    """Return the order that awaits its payment."""
    del of
    found: uuid.UUID | None = await fetch_value("SELECT id FROM purchase_order WHERE state = 'awaiting_payment'")
    return found


async def paid_and_kept() -> tuple[int, int]:
    """Return how many payments were received, and how many are not refunded."""
    received = await fetch_value("SELECT count(*) FROM payment WHERE received_minor > 0")
    kept = await fetch_value("SELECT count(*) FROM payment WHERE received_minor > refunded_minor")
    return received, kept


async def states() -> dict[str, str]:
    """Return the state of each order, by number."""
    return {row["number"]: row["state"] for row in await fetch("SELECT number, state FROM purchase_order")}


async def exceptions_paid_twice() -> list[tuple[str, str]]:
    """Return what finance reads as paid twice: the order, and the one that was paid first."""
    return [(one.reference, one.detail) for one in (await list_exceptions()).rows if one.why == "paid_twice"]


async def test_a_second_tab_closes_the_page_of_the_first(buyer: Buyer) -> None:
    browser, (first, left) = buyer[0], await page_of_order(buyer)
    second, address = await page_of_order(buyer)
    assert await states() == {first["number"]: "lapsed", second["number"]: "awaiting_payment"}
    assert (await pay(left)).status_code != 303, "Stripe takes no money on a page that is closed"
    assert (await pay(address)).status_code == 303
    await jobs()
    assert await paid_and_kept() == (1, 1)
    shown = page_text(await browser.get(f"/en/orders/{first['id']}"))
    assert f"You paid for this data with order {second['number']}: the payment page of this one is closed" in shown
    french = page_text(await browser.get(f"/fr/orders/{first['id']}"))
    assert f"Vous avez payé ces données par la commande {second['number']}" in french
    assert await exceptions_paid_twice() == []


async def test_two_clicks_at_once_leave_one_page(buyer: Buyer) -> None:
    """Each tab has a quote of its own: one is ordered, or both one after the other, and one may be paid."""
    browser, partner, release = buyer
    assert (await browser.submit("/en/billing", ADDRESS | {"reference": ""})).status_code == 303
    for _ in range(3):
        quotes = [await make_quote(partner, release) for _ in range(2)]
        tabs = [pressed(browser, f"/en/quotes/{quote}/orders", {}, [str(uuid.uuid4())]) for quote in quotes]
        answers = [answer for tab in await asyncio.gather(*tabs) for answer in tab]
        assert {one.status_code for one in answers} <= {303, 409}, [page_text(one)[:900] for one in answers]
        assert all("try again in a minute" in page_text(one) for one in answers if one.status_code == 409)
        await jobs()
        assert await fetch_value("SELECT count(*) FROM payment WHERE state = 'open'") <= 1
    for row in await fetch("SELECT checkout_url FROM payment WHERE checkout_url IS NOT NULL"):
        assert (await pay(row["checkout_url"])).status_code == 303
    await jobs()
    assert await paid_and_kept() in {(0, 0), (1, 1)}


async def test_a_second_unpaid_order_of_a_release_is_found(buyer: Buyer) -> None:
    """Whatever the program does."""
    await page_of_order(buyer)
    await page_of_order(buyer)
    assert not await broken()
    await execute("UPDATE purchase_order SET state = 'awaiting_payment'")
    assert any(line.startswith("a partner has one unpaid order") for line in await broken())
    await execute("UPDATE purchase_order SET state = 'lapsed'")


async def test_a_page_that_is_paid_while_it_is_closed_is_the_order(buyer: Buyer) -> None:
    """Its money came before the second order asked Stripe to close it: nothing more is to be paid."""
    browser, partner, release = buyer
    first, page = await page_of_order(buyer)
    assert (await pay(page)).status_code == 303, "and no webhook nor job has said so"
    quote = await make_quote(partner, release)
    answer = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)
    assert (answer.status_code, "You have this release until" in page_text(answer)) == (409, True)
    assert await states() == {first["number"]: "paid"}
    assert await paid_and_kept() == (1, 1)


async def test_while_stripe_is_silent_no_second_page_is_made(buyer: Buyer, stripe: Any) -> None:
    browser, partner, release = buyer
    first, page = await page_of_order(buyer)
    quote = await make_quote(partner, release)
    stripe.test("fault", kind="status", status=503, path="/v1/checkout/sessions/.*", method="POST", times=9)
    answer = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)
    assert (answer.status_code, "try again in a minute" in page_text(answer)) == (409, True)
    assert (await pay(page)).status_code == 303, "the first may be paid all the while"
    await jobs()
    assert await states() == {first["number"]: "paid"}


async def test_who_dies_once_the_page_is_to_be_closed_owes_nothing(buyer: Buyer) -> None:
    """The page is closed by a worker, its order lapses, and the release can be ordered again."""
    first, page = await page_of_order(buyer)
    await payments.request_expiry(first["id"])
    await jobs()
    assert (await pay(page)).status_code != 303
    assert await states() == {first["number"]: "lapsed"}
    _, again = await page_of_order(buyer)
    assert (await pay(again)).status_code == 303
    await jobs()
    assert await paid_and_kept() == (1, 1)


async def test_what_lapsed_is_closed_too_before_it_is_ordered_again(buyer: Buyer) -> None:
    first, page = await page_of_order(buyer)
    await execute("UPDATE purchase_order SET state = 'lapsed' WHERE id = $1", first["id"])
    await page_of_order(buyer)
    assert (await pay(page)).status_code != 303


async def test_what_is_paid_twice_is_an_exception_until_it_is_refunded(
    buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, (first, second) = buyer[0], await both_paid(buyer, monkeypatch)
    await jobs()
    await mirror_balance()
    assert await paid_and_kept() == (2, 2)
    [(late, kept)] = await exceptions_paid_twice()
    assert {late, kept} == {first["number"], second["number"]}
    by_number = {one["number"]: one["id"] for one in (first, second)}
    sent = await fetch("SELECT source_id FROM message WHERE kind = 'paid_twice' AND recipient = $1", str(buyer[1]))
    assert [row["source_id"] for row in sent] == [str(by_number[late])]
    sentence = f"with order {kept}: our finance staff give you this payment back"
    assert sentence in page_text(await browser.get(f"/en/orders/{by_number[late]}"))
    assert sentence not in page_text(await browser.get(f"/en/orders/{by_number[kept]}"))
    assert f"give you back the payment of {late}" in page_text(await browser.get("/en/inbox"))
    async with await signed_in("finance") as clerk:
        queue = page_text(await clerk.get("/en/finance/exceptions"))
        assert f"Paid twice: the partner had paid for this data already with order {kept}." in queue
        page = f"/en/finance/orders/{by_number[late]}"
        refund = form((await clerk.get(page)).text, f"{page}/refund") | {"reason": "Paid twice."}
        assert (await clerk.post(f"{page}/refund", data=refund)).status_code == 303
    await approve_waiting()
    assert await exceptions_paid_twice() == [], "once the refund is asked for"
    await jobs()
    assert await paid_and_kept() == (2, 1)
    assert await states() == {late: "refunded", kept: "paid"}
    assert f"with order {kept}: all of this payment goes back" in page_text(
        await browser.get(f"/en/orders/{by_number[late]}")
    )


async def test_both_paid_and_settled_at_once_are_one_exception(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    await both_paid(buyer, monkeypatch)
    monkeypatch.setattr(settling, "BATCH_SIZE", 1)
    await asyncio.gather(*(settle_paid() for _ in range(4)), *(jobs() for _ in range(2)))
    await jobs()
    assert len(await exceptions_paid_twice()) == 1
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'paid_twice'") == 1


async def test_what_staff_gave_back_is_not_held_against_the_second(
    buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is refunded by then: the second is what the partner has."""
    await both_paid(buyer, monkeypatch)
    await jobs()
    [(_, kept)] = await exceptions_paid_twice()
    first = await fetch_value("SELECT id FROM purchase_order WHERE number = $1", kept)
    await request_order_refund(first, "Léa", refund_id=uuid.uuid4())
    await jobs()
    assert await paid_and_kept() == (2, 1)
    assert await exceptions_paid_twice() == []


async def test_a_second_sale_with_a_reason_is_kept(buyer: Buyer) -> None:
    first, second = await page_of_order(buyer), await page_of_order(buyer, "For our other shop.")
    assert (await pay(first[1])).status_code == 303
    await jobs()
    assert (await pay(second[1])).status_code == 303, "its page stays open"
    await jobs()
    assert await paid_and_kept() == (2, 2)
    assert await exceptions_paid_twice() == []


async def test_a_basket_closes_the_page_of_what_is_in_it(buyer: Buyer) -> None:
    browser, _, release = buyer
    _, page = await page_of_order(buyer)
    await save_card_on_page(browser, "/basket")
    ordered = await browser.submit("/en/basket/orders", await basket_of([release]))
    assert ordered.status_code == 303, page_text(ordered)[:900]
    assert (await pay(page)).status_code != 303
    await jobs()
    assert await paid_and_kept() == (1, 1)
    assert await fetch_value("SELECT count(*) FROM licence WHERE cancelled_at IS NULL") == 1


async def test_what_may_repeat_closes_the_page_once_it_is_paid(buyer: Buyer) -> None:
    """As an award or a subscription's delivery does: its order is beside the page until then."""
    first, page = await page_of_order(buyer)
    await execute("UPDATE purchase_order SET may_repeat = true WHERE id = $1", first["id"])
    other, left = await page_of_order(buyer)
    assert (await pay(page)).status_code == 303
    await jobs()
    await run_command(await payments.request_expiry(other["id"]))
    assert (await pay(left)).status_code != 303
    assert await states() == {first["number"]: "paid", other["number"]: "lapsed"}

"""Money that was a gift, or bought a benefit, and a claim about its licence: nobody owes it again, and nobody spends it twice."""

import asyncio
import uuid

import httpx

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.sales.orders.claim_actions import file_claim, propose
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.people.builders import make_staff, token, visiting, words
from tests.sales.builders.claims import agree_to_claim, claim_form
from tests.subscribers.builders import sales
from tests.subscribers.builders.payees import DAYS_15, balance_of, earn, paying, paying_three, write_bank_details
from tests.support.reads import fetch, fetch_value

IBAN = "FR7630006000011234567890189"
MINE, BOOKS = "/en/earnings/rewards", "/en/finance/rewards"


async def post_form(browser: httpx.AsyncClient, page: str, path: str, **fields: object) -> None:
    form = token(await browser.get(page)) | {"form_id": str(uuid.uuid4())}
    answer = await browser.post(path, data=form | fields)
    assert answer.status_code == 303, words(answer)


async def list_and_give(nora: httpx.AsyncClient, *givers: httpx.AsyncClient) -> None:
    """List an association, and have people give what they earn to it."""
    await post_form(nora, BOOKS, f"{BOOKS}/associations", code="sea-rescue", name="Sea Rescue", iban=IBAN)
    for giver in givers:
        await post_form(giver, MINE, MINE, way="gift", gift_to="sea-rescue")


async def refund_all(order: uuid.UUID, licence: uuid.UUID) -> None:
    """Claim an order, have two people give all of it back, and let Stripe's answer and the shares follow."""
    first, second = await make_staff("Samir", "steward"), await make_staff("Nora")
    partner = await fetch_value("SELECT partner FROM purchase_order WHERE id = $1", order)
    claim, total = uuid.uuid4(), await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", order)
    await execute("UPDATE payment SET received_minor = amount_minor, payment_intent_id = 'pi_' || subject")
    if not await fetch_value("SELECT count(*) FROM claim WHERE outcome = ''"):
        await file_claim(partner, order, "wrong_figures", "Sunday is empty.", claim=claim)
    claim = await fetch_value("SELECT id FROM claim WHERE outcome = ''")
    await propose(first, claim, "refund", "Sunday was lost.", refund_minor=total)
    await agree_to_claim(second, claim)
    await execute("UPDATE stripe_command SET state = 'done' WHERE id = $1", claim)
    await sales.refund_part(licence, total)
    await execute("UPDATE payment SET state = 'refunded' WHERE refunded_minor = amount_minor")
    await cancel_shares()
    await hold_shares()


async def test_a_claim_about_a_gift_leaves_giver_and_association_what_they_have() -> None:
    """A share is held two weeks and may be claimed about for thirty days: the gift is made, and the loss is the operator's."""
    async with paying_three(), visiting(role="finance") as nora, visiting(1) as ada, visiting(2) as bob:
        await list_and_give(nora, ada, bob)
        await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
        given = await balance(chart.GIFTS)
        assert given == -2 * 3333
        left = [await balance_of(line) for line in (1, 2, 3)]
        licence = await fetch_value("SELECT id FROM licence")
        await refund_all(await sales.order_of_licence(licence), licence)
        assert await balance(chart.GIFTS) == given, "the association has what it was given"
        assert [await balance_of(line) for line in (1, 2, 3)] == left, "and nobody owes anything"
        assert {row["state"] for row in await fetch("SELECT state FROM reward")} == {"done"}
        shown = words(await ada.get(MINE))
        assert "€33.33" in shown
        await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
        assert await balance(chart.GIFTS) == given, "the next run gives it no second time"
        await sales.balances()


async def test_a_claim_about_a_gift_goes_from_page_to_page() -> None:
    """The partner, two of the staff, the giver and finance, each on its own pages; only Stripe's answer is written here."""
    claims = "/en/staff/claims"
    async with (
        paying_three(),
        visiting(role="finance") as nora,
        visiting(role="steward") as samir,
        visiting(1) as ada,
        visiting(partner=await fetch_value("SELECT partner FROM purchase_order")) as claire,
    ):
        await list_and_give(nora, ada)
        await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
        assert await balance(chart.GIFTS) == (given := -3333)
        licence = await fetch_value("SELECT id FROM licence")
        order, left = await sales.order_of_licence(licence), await balance_of(1)
        path = f"/en/orders/{order}/claim"
        await post_form(claire, path, path, reason="wrong_figures", evidence="Sunday is empty.")
        assert "Sunday is empty." in words(await samir.get(claims))
        claim = await fetch_value("SELECT id FROM claim")
        total = await fetch_value("SELECT total_minor FROM purchase_order")
        await execute("UPDATE payment SET received_minor = amount_minor, payment_intent_id = 'pi_' || subject")
        amount = f"{total // 100},{total % 100:02}"
        answer = {"claim": claim, "proposal": "refund", "amount": amount, "answer": "Sunday was lost."}
        await post_form(samir, claims, f"{claims}/propose", **answer)
        agreed = {"claim": str(claim), "decision": "agree", "form_id": str(uuid.uuid4())}
        own = await samir.post(f"{claims}/decide", data=token(await samir.get(claims)) | agreed)
        assert (own.status_code, "someone else must decide" in words(own)) == (403, True)
        assert "Sunday was lost." not in words(await claire.get(path)), "nobody agreed yet"
        await post_form(nora, claims, f"{claims}/decide", **await claim_form(claim))
        shown = words(await claire.get(path))
        assert "Sunday was lost." in shown
        assert "on its way back to you" in words(await claire.get(f"/en/orders/{order}"))
        await execute("UPDATE stripe_command SET state = 'done' WHERE id = $1", claim)
        await sales.refund_part(licence, total)
        await execute("UPDATE payment SET state = 'refunded' WHERE refunded_minor = amount_minor")
        await cancel_shares()
        await hold_shares()
        assert "The whole amount was given back" in words(await claire.get(f"/en/orders/{order}"))
        assert await balance(chart.GIFTS) == given, "the association has what it was given"
        assert await balance_of(1) == left, "and the giver owes nothing"
        assert "€33.33" in words(await ada.get(MINE))
        await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
        assert await balance(chart.GIFTS) == given, "the next run gives it no second time"
        late = await claire.post(path, data=token(await claire.get("/en/orders")) | {"form_id": str(uuid.uuid4())})
        assert late.status_code in (409, 410, 422), "what went back whole is claimed about no more"
        await sales.balances()


async def test_what_is_claimed_about_is_given_to_nobody_and_what_is_returned_is_cancelled() -> None:
    with paying():
        await sales.write_lines()
        release = await sales.seal_weights({1: 1, 2: 1})
        licence = await sales.write_sale(release, 20_000, fee=0, sold_at=clock.now() - DAYS_15)
        order = await sales.order_of_licence(licence)
        await hold_shares()
        await write_bank_details(1, 2)
        partner = await fetch_value("SELECT partner FROM purchase_order")
        await file_claim(partner, order, "incomplete", "Half of it.", claim=uuid.uuid4())
        assert await sales.close_month() == 0
        async with visiting(role="finance") as nora, visiting(1) as ada:
            await list_and_give(nora, ada)
            await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
            assert await balance(chart.GIFTS) == 0, "a claim waits: nothing is anybody's to give"
            await refund_all(order, licence)
            await sales.close_month()
            await post_form(nora, BOOKS, f"{BOOKS}/runs", way="gift")
            assert await balance(chart.GIFTS) == 0
            assert await fetch_value("SELECT count(*) FROM reward") == 0
        assert await balance_of(1) == 0
        await sales.balances()


async def test_a_benefit_is_bought_once_with_what_buys_one() -> None:
    with paying():
        await sales.write_lines()
        await earn({1: 1}, 3_000)
        await write_bank_details(1)
        async with visiting(role="finance") as nora, visiting(1) as ada, visiting() as phone:
            phone.cookies.update(ada.cookies)
            benefit = {"code": "data-5", "title_fr": "5 Go", "title_en": "5 GB", "price": "10,00"}
            await post_form(nora, BOOKS, f"{BOOKS}/benefits", **benefit)
            assert 10_000_000 <= await balance_of(1) < 20_000_000, "it buys one, and not two"
            form = str(uuid.uuid4())

            async def buy(browser: httpx.AsyncClient, written: dict[str, str], form_id: str) -> httpx.Response:
                chosen = written | {"form_id": form_id, "benefit": "data-5"}
                return await browser.post(f"{MINE}/buy", data=chosen)

            first, second = token(await ada.get(MINE)), token(await phone.get(MINE))
            answers = await asyncio.gather(buy(ada, first, form), buy(ada, first, form))
            assert [one.status_code for one in answers] == [303, 303]
            assert await fetch_value("SELECT count(*) FROM reward") == 1, "two presses of one button buy once"
            again = await buy(phone, second, str(uuid.uuid4()))
            assert (again.status_code, "does not cover it yet" in words(again)) == (409, True)
            await execute("UPDATE benefit SET price_minor = 100")
            paid = await balance_of(1)
            tabs = await asyncio.gather(
                *(
                    buy(one, written, str(uuid.uuid4()))
                    for one, written in ((ada, first), (phone, second))
                    for _ in "12"
                )
            )
            bought = sum(one.status_code == 303 for one in tabs)
            assert bought == min(4, paid // 1_000_000)
            assert await balance_of(1) == paid - bought * 1_000_000 >= 0
            await sales.balances()

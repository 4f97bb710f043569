"""The auctions' money: who may bid, what a reserve covers, charged once off session, second chances, deposits, clean books."""

import asyncio
import json
import uuid
from typing import Any

import pytest
import rfc8785
from msgspec.structs import replace

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import get_quote, list_priced_releases
from marketplace.catalogue.offers.signed_quotes import check_awarded
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import charge, eligibility
from marketplace.sales.auctions.actions import cancel
from marketplace.sales.auctions.queries import get_auction
from marketplace.site.storefront.reminders import write_to_bidders
from pricing.auctions.forgone import History, Window, window_reserve
from pricing.order import from_canonical
from tests.money.builders import REFUSING, refusing, save
from tests.people.builders import PASSWORD, Browser, add_staff, kinds_written, page_text, spender_for
from tests.sales.builders.auctions import DAY, announce_of_shop, end_auction, make_bidder, move_end, open_auction, place
from tests.sales.builders.shop import FLOOR, counts, jobs, make_buyer, make_sale, open_shop, pay
from tests.support.reads import ORDERED, fetch, fetch_one, fetch_value
from tests.support.scenes import books_are_clean

WANTS_THEM = "authentication_required"


# ------------------------------------------------------------------ who may bid
async def test_a_bid_needs_a_vetted_partner_with_a_way_to_pay(stripe: Any) -> None:
    await open_shop()
    for kind in ("ascending", "limited"):
        auction = await open_auction(kind, reserve_minor=FLOOR)
        poor = await make_bidder(with_method=False)
        unvetted = await make_bidder(vetted=False)
        for bidder, refusal in ((poor, "no_payment_method"), (unvetted, "not_vetted")):
            assert await eligibility.find_refusal(bidder.partner, auction) == refusal
            with pytest.raises(NotAllowed, match="way to be paid" if bidder is poor else "vetted"):
                await place(bidder.partner, auction, 2 * FLOOR)
        assert await fetch_value("SELECT count(*) FROM bid WHERE auction = $1", auction) == 0
        await save(stripe, poor.partner, token="tok_visa")
        await place(poor.partner, auction, 2 * FLOOR)
        await execute("UPDATE saved_method SET ends_on = CURRENT_DATE")
        assert await eligibility.find_refusal(poor.partner, auction) == "no_payment_method", "an expired card is none"


async def test_a_deposit_lets_one_bid_in_its_auction_alone_and_is_released(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    auction, other = await announce_of_shop(release), await announce_of_shop(release)
    actor = Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True)
    deposit = uuid.uuid4()
    url = await eligibility.ask_deposit(actor, auction, deposit=deposit)
    assert url
    assert await eligibility.ask_deposit(actor, auction, deposit=deposit) == url
    assert await eligibility.ask_deposit(actor, auction, deposit=uuid.uuid4()) == url, "one deposit at a time"
    assert await eligibility.find_refusal(ann, auction) == "no_payment_method"
    await pay(url)
    await eligibility.refresh_deposit(bob, deposit)
    await eligibility.refresh_deposit(ann, deposit)
    assert await eligibility.find_refusal(ann, auction) is None
    assert await eligibility.find_refusal(ann, other) == "no_payment_method"
    assert await eligibility.find_refusal(bob, auction) == "no_payment_method"
    await move_end(auction, "now() + interval '60 days'")
    assert await eligibility.find_refusal(ann, auction) == "no_payment_method", "the bank lets it go before the end"
    await move_end(auction, "now() + interval '1 day'")
    await place(ann, auction, FLOOR)
    await save(stripe, bob, token="tok_visa")
    await place(bob, auction, FLOOR + 5_000)
    assert await eligibility.end_deposits() == 0, "held back while the auction is on"
    await end_auction(auction)
    await ending.settle_sales()
    assert await fetch_value("SELECT ending FROM auction_deposit") is None, "who lost may win what is not paid"
    await jobs()
    await ending.settle_sales()
    assert await fetch_value("SELECT ending FROM auction_deposit") == "released"
    assert {"won", "deposit_released"} <= set(await kinds_written())
    await run_commands()
    await books_are_clean()
    assert await fetch_value("SELECT state FROM payment WHERE subject = $1", deposit) == "released"
    with pytest.raises(Conflict):
        await eligibility.ask_deposit(actor, auction, deposit=uuid.uuid4())
    with pytest.raises(NotFound):
        await eligibility.ask_deposit(actor, uuid.uuid4(), deposit=uuid.uuid4())


# ------------------------------------------------------------------ award → charge
async def test_the_winner_is_charged_once_off_session(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    for partner in (ann, bob):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await place(bob, auction, 30_000)
    await end_auction(auction)
    assert await fetch_value("SELECT net_minor FROM auction_sale") == 30_000
    await asyncio.gather(*(asyncio.create_task(charge.charge_sales()) for _ in range(4)))
    sale = await fetch_value("SELECT id FROM auction_sale")
    winner = Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True)
    assert await charge.pay(winner, sale, order_id=uuid.uuid4()) == sale, "a click makes no second order"
    await jobs()
    assert await counts("purchase_order", "licence", "entitlement") == (1, 1, 1)
    order = await fetch_one(f"SELECT * FROM {ORDERED}")
    assert order
    assert (order["state"], order["net_minor"], order["partner"], order["id"]) == ("paid", 30_000, ann, sale)
    await ending.settle_sales()
    assert await fetch_value("SELECT state FROM auction_sale") == "paid"
    assert await fetch_value("SELECT verb FROM stripe_command WHERE subject = $1", sale) == "charge"
    await books_are_clean()
    assert await balance("411000") == 0
    quote = await get_quote(order["quote"], ann)
    check_awarded(quote)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        shown = page_text(await browser.get(f"/en/quotes/{order['quote']}"))
        assert "An auction set this price" in shown
        assert "An auction set this price" not in page_text(await browser.get(f"/en/orders/{sale}"))
    with pytest.raises(Invalid):
        check_awarded(replace(quote, amount_minor=1))


async def test_awarded_orders_teach_demand_nothing(stripe: Any) -> None:
    release = await open_shop()
    ann = await make_buyer("atelier")
    await save(stripe, ann, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await end_auction(auction)
    await charge.charge_sales()
    sheet = await fetch_value("SELECT sheet FROM offer")
    with clock.shifted(DAY):
        assert await catalogue.draw_of_day(sheet, clock.now()) == 10_000, "nobody answered a posted price"


async def test_where_the_bank_wants_the_winner_there_the_page_is_paid(stripe: Any) -> None:
    release = await open_shop()
    ann = await make_buyer("atelier")
    await save(stripe, ann, token="tok_visa")
    await execute("UPDATE saved_method SET method_id = $1", await refusing(stripe, ann, REFUSING[WANTS_THEM]))
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await end_auction(auction)
    await ending.settle_sales()
    await run_commands()
    await run_commands()
    sale = await fetch_value("SELECT id FROM auction_sale")
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1", sale)
    assert payment
    assert (payment["state"], payment["declined"]) == ("open", WANTS_THEM)
    await pay(payment["checkout_url"])
    await jobs()
    await ending.settle_sales()
    assert await fetch_value("SELECT state FROM auction_sale") == "paid"
    await books_are_clean()


async def test_who_does_not_pay_forfeits_the_deposit_and_the_next_is_charged(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    await save(stripe, bob, token="tok_visa")
    auction = await announce_of_shop(release)
    deposit = uuid.uuid4()
    url = await eligibility.ask_deposit(
        Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True), auction, deposit=deposit
    )
    assert url
    await pay(url)
    await eligibility.refresh_deposit(ann, deposit)
    await place(ann, auction, 70_000)
    await place(bob, auction, 30_000)
    await end_auction(auction)
    assert await kinds_written() == ["won"], "with the award; Bob, who lost, was never outbid"
    await ending.settle_sales()
    await run_commands()
    order = await fetch_value("SELECT purchase_order FROM auction_sale")
    assert await fetch_value("SELECT ending FROM auction_deposit") is None, "held back until the winner paid"
    await execute("UPDATE auction_sale SET due_at = now() + interval '1 hour'")
    assert [await write_to_bidders() for _ in range(2)] == [1, 0]
    assert await kinds_written() == ["payment_due", "won"]
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second'")
    assert await ending.settle_sales() == 0, "its page may still be paid"
    await execute("UPDATE payment SET requested_at = requested_at - interval '1 hour'")
    await jobs()
    winner = Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True)
    with pytest.raises(Expired):
        await charge.pay(winner, await fetch_value("SELECT id FROM auction_sale"), order_id=uuid.uuid4())
    await ending.settle_sales()
    await ending.settle_sales()
    sales = await fetch("SELECT sale.state, net_minor FROM auction_sale AS sale ORDER BY due_at")
    assert [(row["state"], row["net_minor"]) for row in sales] == [("defaulted", 30_000), ("due", FLOOR)]
    await jobs()
    await ending.settle_sales()
    assert await fetch_value("SELECT count(*) FROM auction_sale WHERE state = 'paid'") == 1
    deposit_row = await fetch_one("SELECT * FROM auction_deposit")
    assert deposit_row
    assert deposit_row["ending"] == "forfeited"
    kinds = await kinds_written()
    assert kinds.count("won") == 2, "the next, too, is a winner"
    assert "deposit_captured" in kinds
    await eligibility.end_deposits()
    await eligibility.end_deposits()
    assert -(await balance("758100")) in (deposit_row["amount_minor"], -deposit_row["amount_minor"])
    assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'deposit_forfeited'") == 1
    assert await fetch_value("SELECT state FROM purchase_order WHERE id = $1", order) == "lapsed"
    await books_are_clean()
    assert await balance("411000") == 0, "the deposit and the sale are both explained to the cent"
    assert list((await list_exceptions()).rows) == [], "finance has nothing to look into"


# ------------------------------------------------------------------ the reserve
@pytest.mark.usefixtures("stripe")
async def test_a_reserve_is_what_pricing_reckons_and_may_only_be_raised() -> None:

    release = await open_shop()
    ann = await make_buyer("atelier")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await make_sale(browser, ann, release)
        await make_sale(browser, ann, release)
    auction = await announce_of_shop(release, "exclusive")
    row = await get_auction(auction)
    computed = json.loads(row.computation)
    found = window_reserve(
        from_canonical(rfc8785.dumps(computed["price"])),
        History(**computed["history"]),
        Window(**computed["window"]),
        computed["past_bids_minor"],
    )
    assert (found.reserve_minor, found.forgone_minor) == (row.reserve_minor, row.forgone_minor)
    assert computed["history"] == {"sales": 2, "days": 30}, "listed today: a month at least"
    assert computed["window"]["days"] == 30
    price = (await catalogue.price_now(*await list_priced_releases([release]), now=clock.now())).amount_minor
    assert 2 * FLOOR < row.forgone_minor <= 3 * price
    for lower in (row.reserve_minor - 1, 1):
        with pytest.raises(Invalid, match="never lower"):
            await announce_of_shop(release, "exclusive", reserve_minor=lower)
    await cancel(auction, "A higher one follows", by="Steward")
    higher = await announce_of_shop(release, "exclusive", reserve_minor=row.reserve_minor + 5)
    assert (await get_auction(higher)).reserve_minor == row.reserve_minor + 5
    await cancel(higher, "Another kind follows", by="Steward")
    with pytest.raises(Invalid, match="never lower"):
        await announce_of_shop(release, "limited", reserve_minor=FLOOR - 1)
    assert (await get_auction(await announce_of_shop(release, "limited"))).reserve_minor == FLOOR


@pytest.mark.usefixtures("stripe")
async def test_a_steward_sees_the_reckoning_before_and_after() -> None:

    await open_shop()
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    offer, now = await fetch_value("SELECT id FROM offer"), clock.now()
    async with Browser() as steward, Browser(steward.app) as nobody:
        await steward.sign_in("sam@operator.example")
        fields = {
            "kind": "exclusive",
            "offer": str(offer),
            "opens_at": f"{now:%Y-%m-%dT%H:%M}",
            "licences": "1",
            "closes_at": f"{now + DAY:%Y-%m-%dT%H:%M}",
            "reserve": "",
            "exclusive_from": f"{now + 2 * DAY:%Y-%m-%dT%H:%M}",
            "exclusive_to": f"{now + 9 * DAY:%Y-%m-%dT%H:%M}",
        }
        shown = page_text(await steward.submit("/en/steward/auctions/reserve", fields))
        assert "The reserve, as pricing computes it" in shown
        assert "One more sale, for prudence" in shown
        assert (await steward.submit("/en/steward/auctions/reserve", fields | {"exclusive_to": ""})).status_code == 422
        form = str(uuid.uuid4())
        answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
        assert answer.headers["location"] == f"/en/auctions/{form}", answer.text
        assert "How the reserve came about" in page_text(await steward.get(f"/en/auctions/{form}"))
        seen = page_text(await nobody.get(f"/en/auctions/{form}"))
        assert "How the reserve came about" not in seen
        assert "The reserve covers the ordinary sales that the window shuts out" in seen
        assert "couvre les ventes ordinaires" in page_text(await nobody.get(f"/fr/auctions/{form}"))


@pytest.mark.usefixtures("stripe")
async def test_a_partner_saves_a_card_on_the_page() -> None:

    release = await open_shop()
    await make_buyer("atelier")
    auction = await announce_of_shop(release, "ascending")
    async with Browser() as ann:
        await ann.sign_in("atelier@partner.example")
        shown = page_text(await ann.get(f"/en/auctions/{auction}"))
        assert "Before you bid" in shown
        assert "Your maximum, in euros" not in shown
        path = f"/auctions/{auction}"
        saved = str(uuid.uuid4())
        answer = await ann.submit("/en/payment-method", {"back": path}, form_id=saved)
        assert answer.status_code == 303
        assert (await pay(answer.headers["location"])).status_code == 303
        shown = page_text(await ann.get(f"/en/payment-method?saved={saved}&back={path}"))
        assert "You may bid in any open auction" in shown
        assert "Back to the auction" in shown
        assert "Back to the auction" not in page_text(await ann.get("/en/payment-method?back=//evil.example/"))
        assert "Your maximum, in euros" in page_text(await ann.get(f"/en/auctions/{auction}"))
        await ann.submit(f"/en/payment-method/{saved}/forget", {})
        assert "None saved" in page_text(await ann.get("/en/payment-method"))
        assert (await ann.submit(f"/en/payment-method/{saved}/forget", {})).status_code == 404
        answer = await ann.submit(f"/en/auctions/{auction}/deposit", {})
        await pay(answer.headers["location"])
        deposit = await fetch_value("SELECT id FROM auction_deposit")
        shown = page_text(await ann.get(f"/en/auctions/{auction}?deposit={deposit}"))
        assert "is held back on your card" in shown
        assert "Your maximum, in euros" in shown

"""Every way that money comes, goes back and is paid on, in one set of books: nothing unmatched, and other programs agree."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from marketplace import clock
from marketplace.auctions import award as ending
from marketplace.auctions import eligibility
from marketplace.database import execute
from marketplace.earnings.actions import cancel_shares, hold_shares
from marketplace.embedded.bank import Bank
from marketplace.finance.actions import reconcile
from marketplace.finance.exception_queries import list_exceptions
from marketplace.finance.queries import last_run
from marketplace.identity.actors import Actor
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from marketplace.payouts import actions as payouts
from marketplace.payouts import bank_details
from marketplace.stripe_accounts.transfers import connected_account
from tests.marketplace.auctions.test_money import announced, bid, end
from tests.marketplace.bookkeeping.test_exports import PROGRAMS, checked, written
from tests.marketplace.earnings.sales import close_month
from tests.marketplace.identity.site import make_staff
from tests.marketplace.payments import scenes
from tests.marketplace.payments.test_off_session import save
from tests.marketplace.payouts import payees
from tests.marketplace.purchases import shop
from tests.marketplace.purchases.test_disputes import fund
from tests.support.reads import fetch, fetch_one, fetch_value

if TYPE_CHECKING:
    from pathlib import Path


async def sell_in_every_way(stripe: Any) -> None:
    """Card, debit, a debit not honoured, transfer; a part and a whole given back; disputes won and lost."""
    for name in ("card", "part", "whole", "won", "lost"):
        await scenes.settled(name)
    for name, iban in (("debit", "DE89370400440532013000"), ("bounced", "DE62370400440532013001")):
        await scenes.make_order(name)
        await scenes.pay(scenes.named(name, "order"), iban=iban)
    await scenes.jobs()
    assert await unmatched() == [], "debits are under way"
    await asyncio.to_thread(stripe.test, "settle")
    await scenes.refund("part", part=True)
    await scenes.refund("whole", part=False)
    await scenes.dispute("lost")
    charge = await fetch_value("SELECT charge_id FROM payment WHERE subject = $1", scenes.named("won", "order"))
    contest = await asyncio.to_thread(stripe.test, "dispute", charge=charge)
    await scenes.jobs()
    assert await unmatched() == ["dispute_open"]
    await asyncio.to_thread(stripe.test, "close_dispute", dispute=contest["id"], won=True)
    offer = await fetch_one("SELECT floor_minor, cap_minor FROM offer")
    assert offer
    await execute("UPDATE offer SET floor_minor = 150000, cap_minor = 150000")
    await scenes.make_order("transfer")
    await execute("UPDATE offer SET floor_minor = $1, cap_minor = $2", *offer)
    await scenes.jobs()
    await shop.pay(
        await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", scenes.named("transfer", "order")),
        "transfer",
    )
    await scenes.jobs()
    [intent] = [
        one for one in await asyncio.to_thread(stripe.list, "payment_intents") if one["status"] == "requires_action"
    ]
    reference = intent["next_action"]["display_bank_transfer_instructions"]["reference"]
    await asyncio.to_thread(fund, stripe, intent["customer"], 180_000, reference)


async def auction_it(stripe: Any, release: uuid.UUID, ann: uuid.UUID) -> None:
    """Award to a winner who never pays and forfeits the deposit, then to the next, charged off session."""
    bob = await shop.make_buyer("bureau")
    await save(stripe, bob, token="tok_visa")
    auction, deposit = await announced(release), uuid.uuid4()
    url = await eligibility.ask_deposit(Actor(name="Ann", partner=ann, vetted=True), auction, deposit=deposit)
    assert url
    await shop.pay(url)
    await eligibility.refresh_deposit(ann, deposit)
    await bid(ann, auction, 70_000)
    await bid(bob, auction, 30_000)
    await end(auction)
    await ending.settle_sales()
    await scenes.jobs()
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second'")
    await execute(
        "UPDATE purchase_order SET ordered_at = ordered_at - interval '1 hour' WHERE state = 'awaiting_payment'"
    )
    for _ in range(3):
        await scenes.jobs()
        await ending.settle_sales()
    states = [row["state"] for row in await fetch("SELECT state FROM auction_sale ORDER BY state")]
    assert states == ["defaulted", "paid"]
    assert await balance(chart.FORFEITED_DEPOSITS) < 0


async def pay_subscribers(stripe: Any) -> None:
    """Pay two by bank, of whom one's account is closed, and one through Stripe."""
    await payees.give_details(1, 2)
    await payees.claim(3)
    await asyncio.to_thread(stripe.test, "onboard", account=await connected_account(3))
    assert await bank_details.choose_stripe(3)
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    sent = await payees.sent(nora=nora, paul=paul)
    transfers = await payouts.draft(nora, route="stripe")
    assert transfers
    await payouts.approve(transfers, paul, reason="checked")
    await payouts.send(transfers, paul)
    await scenes.jobs()
    await payouts.follow_transfers()
    bank = Bank(payees.OUR_IBAN, returns={payees.iban_of(2): "MS02"})
    bank.submit(await payees.file_of(sent))
    for days in (4, 5, 6):
        await payees.bank_day(bank, days)
    states = [tuple(row) for row in await fetch("SELECT subscriber, state FROM payout ORDER BY 1")]
    assert states == [(1, "settled"), (2, "failed"), (3, "settled")]


async def unmatched() -> list[str]:
    await reconcile()
    return [row.why for row in (await list_exceptions()).rows]


@pytest.mark.deep
async def test_all_the_money_in_one_set_of_books(stripe: Any, tmp_path: Path) -> None:
    market = await scenes.shop()
    await sell_in_every_way(stripe)
    await auction_it(stripe, market.release, market.partner)
    for _ in range(3):
        await scenes.jobs()
    assert await unmatched() == []
    await asyncio.to_thread(stripe.test, "clock", days=15)
    with payees.paying():
        await cancel_shares()
        await hold_shares()
        await close_month()
        assert await balance(chart.SUBSCRIBERS_HELD) == 0
        await pay_subscribers(stripe)
        assert await unmatched() == []
        assert await balance(chart.PARTNERS) == await balance(chart.DISPUTES) == await balance(chart.SUSPENSE) == 0
        assert await balance(chart.SUBSCRIBERS_IN_TRANSIT) == 0
        comparison = await last_run()
        assert (comparison.stripe_minor - comparison.ledger_minor, comparison.unmatched) == (0, 0)
        clerk = await make_staff("Nadia")
        year = clock.now().year
        days = dt.date(year, 1, 1), dt.date(year, 12, 31)
        _, fec = await written(clerk, "fec", *days)
        assert fec.count(b"\n") > 50
        books = {name: (await written(clerk, name, *days))[1].decode() for name in ("beancount", "hledger")}
    for parameters in PROGRAMS:
        name, program = parameters.values
        accepted, output = checked(list(program), tmp_path / f"books.{name}", books[str(name)])
        assert accepted, output

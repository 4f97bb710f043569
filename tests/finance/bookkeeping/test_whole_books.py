"""Every way that money comes, goes back and is paid on, in one set of books: nothing unmatched, and other programs agree."""

import asyncio
import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.web.formats import paris_day
from marketplace.demo.bank import Bank
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bookkeeping.business_queries import list_revenue
from marketplace.finance.bookkeeping.judgements import list_presented
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.queries import last_run
from marketplace.money.credit.proposals import propose_write_down
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.transfers import connected_account
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import eligibility
from marketplace.sales.orders.claim_actions import file_claim, propose
from marketplace.sales.subscriptions.actions import deliver, subscribe
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from tests.catalogue.builders import charge_at_least, have_everything_cost
from tests.finance.bookkeeping.validators import PROGRAMS, checked_by, write_export
from tests.finance.builders.banking import bank_day
from tests.finance.builders.statements import banked
from tests.money.builders import save, with_limit
from tests.people.builders import make_staff, spender_for
from tests.sales.builders import shop
from tests.sales.builders.auctions import announce_of_shop, end_auction, place
from tests.sales.builders.claims import agree_to_claim
from tests.sales.builders.shop import on_credit, send_transfer
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.subscribers.builders.sales import close_month
from tests.support import scenes
from tests.support.decisions import decide as write_down
from tests.support.owner import as_owner
from tests.support.reads import ORDERED, fetch, fetch_value


async def sell_and_return(stripe: Any) -> None:
    """Card, debit, a debit not honoured, transfer; a part and a whole given back; disputes won and lost."""
    for name in ("card", "part", "whole", "won", "lost"):
        await scenes.sell_named(name)
    for name, iban in (("debit", "DE89370400440532013000"), ("bounced", "DE62370400440532013001")):
        await scenes.order_named(name)
        await scenes.pay_subject(scenes.named(name, "order"), iban=iban)
    await scenes.run_jobs()
    assert await unmatched() == [], "debits are under way"
    await asyncio.to_thread(stripe.test, "settle")
    await scenes.refund_named("part", part=True)
    await scenes.refund_named("whole", part=False)
    await scenes.lose_dispute("lost")
    charge = await fetch_value("SELECT charge_id FROM payment WHERE subject = $1", scenes.named("won", "order"))
    contest = await asyncio.to_thread(stripe.test, "dispute", charge=charge)
    await scenes.run_jobs()
    assert await unmatched() == ["dispute_open"]
    await asyncio.to_thread(stripe.test, "close_dispute", dispute=contest["id"], won=True)
    await have_everything_cost(150_000)
    await scenes.order_named("transfer")
    await charge_at_least(shop.FLOOR)
    await scenes.run_jobs()
    await shop.pay(
        await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", scenes.named("transfer", "order")),
        "transfer",
    )
    await scenes.run_jobs()
    [intent] = [
        one for one in await asyncio.to_thread(stripe.list, "payment_intents") if one["status"] == "requires_action"
    ]
    reference = intent["next_action"]["display_bank_transfer_instructions"]["reference"]
    await asyncio.to_thread(send_transfer, stripe, intent["customer"], 180_000, reference)


async def auction_it(stripe: Any, release: uuid.UUID, ann: uuid.UUID) -> None:
    """Award to a winner who never pays and forfeits the deposit, then to the next, charged off session."""
    bob = await shop.make_buyer("bureau")
    await save(stripe, bob, token="tok_visa")
    auction, deposit = await announce_of_shop(release), uuid.uuid4()
    url = await eligibility.ask_deposit(
        Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True), auction, deposit=deposit
    )
    assert url
    await shop.pay(url)
    await eligibility.refresh_deposit(ann, deposit)
    await place(ann, auction, 70_000)
    await place(bob, auction, 30_000)
    await end_auction(auction)
    await ending.settle_sales()
    await scenes.run_jobs()
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second'")
    await execute("UPDATE payment SET requested_at = requested_at - interval '1 hour' WHERE paid_at IS NULL")
    for _ in range(3):
        await scenes.run_jobs()
        await ending.settle_sales()
    states = [row["state"] for row in await fetch("SELECT state FROM auction_sale ORDER BY state")]
    assert states == ["defaulted", "paid"]
    assert await balance(chart.FORFEITED_DEPOSITS) < 0


async def renew_and_claim(stripe: Any, market: Any) -> None:
    """Have a subscription bring the next release, charged to a saved card, and give back a part of a sale that was claimed."""
    await execute("UPDATE dataset SET cadence = 'week'")
    await save(stripe, market.partner, token="tok_visa")
    await subscribe(market.partner, "lyon", by=await spender_for(market.partner), releases=4, subscription=uuid.uuid4())
    now = clock.now()
    release = await shop.seal_release(rows=201, period=(now - dt.timedelta(days=8), now - dt.timedelta(days=1)))
    manifest = await object_store.get(object_store.private_key(market.release, "manifest.parquet"))
    await object_store.put(object_store.private_key(release, "manifest.parquet"), manifest)
    await as_owner("ALTER TABLE release DISABLE TRIGGER sealed_for_ever")
    await execute(
        """UPDATE release SET contributors = like_it.contributors, total_weight = like_it.total_weight,
                  manifest_sha256 = like_it.manifest_sha256, published_people = like_it.published_people,
                  noise_variance_micro = 0
           FROM release AS like_it WHERE release.id = $1 AND like_it.id = $2""",
        release,
        market.release,
    )
    await as_owner("ALTER TABLE release ENABLE TRIGGER sealed_for_ever")
    assert await deliver() == 1
    await scenes.run_jobs()
    sold = await fetch_value(f"SELECT state FROM {ORDERED} WHERE release = $1", release)
    assert sold == "paid", "the subscription's release is charged"
    claim, nora, samir = uuid.uuid4(), await make_staff("Nora"), await make_staff("Samir")
    order = scenes.named("card", "order")
    await file_claim(market.partner, order, "wrong_figures", "A zone is empty on Sunday.", claim=claim)
    await propose(nora, claim, "refund", "Sunday was lost.", refund_minor=1_000)
    await agree_to_claim(samir, claim)


async def sell_twice_on_credit(market: Any) -> None:
    """Sell twice on credit: one is paid by a bank line, of the other a part comes after it was written off, then the rest."""
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(market.partner, 10_000_000, ada, bob)
    paid, late = await on_credit(market.partner, market.release), await on_credit(market.partner, market.release)
    with clock.shifted(dt.timedelta(days=31)):
        form = uuid.uuid4()
        await propose_write_down("loss", late["id"], 0, ada, reason="No answer.", form_id=form)
        await write_down(form, bob, approve=True)
    assert await balance(chart.LOSSES) >= late["net_minor"]
    lines = await banked(paid["total_minor"], 5, late["total_minor"] - 5, iban="DE89370400440532013000")
    for line, order, amount in zip(
        lines, (paid, late, late), (paid["total_minor"], 5, late["total_minor"] - 5), strict=True
    ):
        await settle_line(line, [("order", order["number"], amount)], ada)
    assert await balance(chart.ON_CREDIT) == 0


async def pay_three_ways(stripe: Any) -> None:
    """Pay two by bank, of whom one's account is closed, and one through Stripe."""
    await payees.write_bank_details(1, 2)
    await payees.claim_lines(3)
    await asyncio.to_thread(stripe.test, "onboard", account=await connected_account(3))
    assert await bank_details.choose_stripe(3)
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    sent = await payees.draft_and_send(nora=nora, paul=paul)
    transfers = await payouts.draft(nora, route="stripe")
    assert transfers
    await payouts.approve(transfers, paul, reason="checked")
    await payouts.send(transfers, paul)
    await scenes.run_jobs()
    await payouts.follow_transfers()
    bank = Bank(OUR_IBAN, returns={payees.iban_of(2): "MS02"})
    bank.submit(await file_of_run(sent))
    for days in (4, 5, 6):
        await bank_day(bank, days)
    states = [tuple(row) for row in await fetch("SELECT subscriber, state FROM payout ORDER BY 1")]
    assert states == [(1, "settled"), (2, "failed"), (3, "settled")]


def last_year() -> tuple[dt.date, dt.date]:
    """Return the first and the last of the days that the books are of."""
    today = clock.now().date()
    return today - dt.timedelta(days=365), today + dt.timedelta(days=1)


async def unmatched() -> list[str]:
    await reconcile()
    return [row.why for row in (await list_exceptions()).rows]


@pytest.mark.deep
async def test_all_the_money_in_one_set_of_books(stripe: Any, tmp_path: Path) -> None:
    market = await scenes.shop()
    await sell_and_return(stripe)
    await auction_it(stripe, market.release, market.partner)
    await renew_and_claim(stripe, market)
    await sell_twice_on_credit(market)
    for _ in range(3):
        await scenes.run_jobs()
    assert await unmatched() == []
    await asyncio.to_thread(stripe.test, "clock", days=15)
    with payees.paying():
        await cancel_shares()
        await hold_shares()
        await close_month()
        assert await balance(chart.SUBSCRIBERS_HELD) == 0
        await pay_three_ways(stripe)
        assert await unmatched() == []
        assert await balance(chart.PARTNERS) == await balance(chart.DISPUTES) == await balance(chart.SUSPENSE) == 0
        assert await balance(chart.SUBSCRIBERS_IN_TRANSIT) == 0
        comparison = await last_run()
        assert (comparison.stripe_minor - comparison.ledger_minor, comparison.unmatched) == (0, 0)
        ways = {row.key: row.net_minor for row in await list_revenue("way", *last_year())}
        assert set(ways) == {"posted", "auction", "subscription"}
        assert sum(ways.values()) == -(await balance(chart.LICENCES_SOLD)), "each euro sold was sold in one way"
        presented = await list_presented(*last_year())
        assert sum(row.presented_minor for row in presented) == sum(ways.values())
        clerk = await make_staff("Nadia")
        year = paris_day(clock.now()).year
        days = dt.date(year, 1, 1), dt.date(year, 12, 31)
        _, fec = await write_export(clerk, "fec", *days)
        assert fec.count(b"\n") > 50
        books = {name: (await write_export(clerk, name, *days))[1].decode() for name in ("beancount", "hledger")}
    for parameters in PROGRAMS:
        name, program = parameters.values
        accepted, output = checked_by(list(program), tmp_path / f"books.{name}", books[str(name)])
        assert accepted, output

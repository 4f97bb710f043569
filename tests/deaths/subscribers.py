"""What subscribers have: shares, payouts by the bank and through Stripe, gifts, promises, switches, and leaving."""

import asyncio
import datetime as dt
from functools import partial
from typing import Any

import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import list_choices
from marketplace.consent.switches import actions as switches
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.notes.actions import state_note
from marketplace.demo.bank import Bank
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.money.ledger.periods import bounds
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.transfers import connected_account
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity import actions as identity
from marketplace.sales.auctions import reverse_actions as calls
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.my_data.actions import ask_map
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import rules as payout_rules
from marketplace.subscribers.payouts.background_work import ask_to_send
from marketplace.subscribers.payouts.bank_details import choose_stripe
from marketplace.subscribers.rewards import actions as rewards
from tests.deaths.story import Story
from tests.people.builders import PASSWORD, make_staff
from tests.sales.builders.auctions import end_reverse_auction, open_reverse_auction
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run, fund_balance
from tests.subscribers.builders.sales import check_index as check_contributions
from tests.support.reads import fetch, fetch_value
from tests.support.scenes import named

DAY = dt.timedelta(days=1)


async def close_a_month(story: Story) -> None:
    """Hold the shares of two sales, give one back, close the month in chunks, and index who contributed."""
    await sales.write_lines()
    await story.on(3, 1, year=2026)
    people = ({1: 3, 2: 5, 4: 1}, {1: 3, 5: 5})
    releases = [await sales.seal_weights(weights) for weights in people]
    await sales.promise_minimums({1: 90_000_000, 3: 1}, clock.now() - DAY, clock.now() + DAY)
    for release in releases:
        await sales.write_sale(release, 9_000)
    await story.work("hold-shares", look=sales.check_whole)
    again = await sales.write_sale(releases[0], 7_000)
    await story.work("hold-shares")
    await sales.refund_licence(again)
    await story.work("cancel-shares", look=sales.check_whole)
    sold = dict(zip(releases, people, strict=True))
    await story.work("index-contributions", check=partial(check_contributions, sold))
    before = await sales.balances()
    await story.on(3, 31, 22, year=2026)
    await story.act(partial(close_months, lines_a_chunk=2, chunks_a_part=2), "close in chunks", look=sales.check_whole)
    await story.work("close-month")
    assert await sales.balances() == {who: (0, mine[0]) for who, mine in before.items() if mine[0]}
    await sales.check_whole()


async def pay_by_bank(story: Story) -> None:
    """Pay three people: the bank pays one, rejects one and returns one."""
    story.beside.enter_context(payees.paying())
    bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"}, returns={payees.iban_of(3): "MS02"})
    await sales.write_lines()
    release = await sales.seal_weights({1: 1, 2: 1, 3: 1})
    await sales.write_sale(release, 20_000, fee=0, sold_at=clock.now() - payees.DAYS_15)
    await story.work("hold-shares")
    until = await fetch_value("SELECT max(hold_until) FROM licence")
    story.be_at(bounds(until.date().replace(day=1))[1] + DAY)
    await story.work("close-month")
    await payees.write_bank_details(1, 2, 3)
    await story.work("draft-payouts")
    run, nora, paul = await fetch_value("SELECT id FROM payout_run"), await make_staff("Nora"), await make_staff("Paul")
    await story.act(partial(payouts.prepare, run, nora), "prepare")
    await story.act(partial(payouts.approve, run, paul, reason="checked"), "approve")
    await story.act(partial(payouts.send, run, paul), "send")
    answer = bank.submit(await file_of_run(run))
    await story.act(partial(payouts.record_answer, run, answer, None), "record an answer")
    for day in (1, 2):
        await import_bank_statement(bank.close_day(dt.date(2090, 1, day)), person=None, new_account=True)
        await story.work(("match-payouts", "match-payouts back")[day - 1])
    rows = await fetch("SELECT subscriber, state FROM payout ORDER BY subscriber")
    assert [tuple(row) for row in rows] == [(1, "settled"), (2, "failed"), (3, "failed")]
    assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0


async def pay_through_stripe(story: Story) -> None:
    """Pay two people through Stripe, each by one transfer."""
    story.beside.enter_context(payees.paying())
    await sales.write_lines()
    await payees.earn({1: 1, 2: 1, 3: 1})
    await fund_balance(story.stripe, 20_000)
    await payees.claim_lines(1, 2)
    for line in (1, 2):
        account = await connected_account(line)
        await story.at_stripe("onboard", account=account)
        await story.act(partial(choose_stripe, line), "choose Stripe")
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    await story.act(partial(payouts.draft, nora, route="stripe"), "draft")
    run = await fetch_value("SELECT id FROM payout_run")
    await payouts.approve(run, paul, reason="checked")
    story.beside.enter_context(pytest.MonkeyPatch.context()).setattr(payout_rules, "PAYEES_A_PAGE", 1)
    await story.act(partial(ask_to_send, run, paul), "ask to send")
    await story.work("send-payouts", "stripe-commands", "follow-transfers", "stripe-balance")
    assert await fetch_value("SELECT state FROM payout_run") == "settled"


async def give(story: Story) -> None:
    """Give what three people earned to an association, and pay it once."""
    story.beside.enter_context(payees.paying())
    await sales.write_lines()
    await payees.earn({1: 1, 2: 1, 3: 1})
    await payees.write_bank_details(1, 2, 3)
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    await rewards.list_association("sea-rescue", name="Sea rescue", iban=OUR_IBAN, actor=nora)
    await rewards.list_benefit("data", title_fr="1 Go", title_en="1 GB", price_minor=400, actor=nora)
    await story.act(partial(rewards.buy, 1, "data", named("1", "benefit")), "buy a benefit")
    for line in (1, 2, 3):
        await rewards.choose(line, "gift", "sea-rescue")
    await story.act(partial(rewards.make_run, "gift", named("gift", "run"), paul), "move gifts")
    month = clock.now().date().replace(day=1)
    story.be_at(bounds(month)[1] + DAY)
    await story.act(partial(rewards.pay_gifts, month, paul), "pay gifts")
    assert await fetch_value("SELECT count(*) FROM gift_payment") == 1


async def check_alike() -> None:
    """Refuse a line of which some uses are paused and others are not."""
    assert len({choice.given for choice in await list_choices(1)}) == 1


async def pause(story: Story) -> None:
    """Pause every use at once, and go on with all of them."""
    await identity.add_subscribers([1])
    for use in ("statistics", "planning"):
        code = await consent.define_purpose("presence", use, title_fr=use, title_en=use)
        await consent.publish_notice(code, text_fr="…", text_en="…")
        await consent.give(1, code)
    await story.act(partial(switches.pause, 1, named("1", "pause")), "pause", look=check_alike)
    assert {choice.given for choice in await list_choices(1)} == {False}
    await story.act(partial(switches.resume, 1, named("1", "resume")), "resume", look=check_alike)
    assert {choice.given for choice in await list_choices(1)} == {True}
    assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = 1") == 6
    async with transaction():
        await state_note("order", {"order": "1"}, is_awaited=False)
    await story.work("note-words")
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 0
    [(_, code)] = await identity.issue_activation_codes([1])
    person = await identity.claim_line(1, code, email="zoe@nulle-part.example", name="Zoé", password=PASSWORD)
    await story.act(partial(ask_map, named("1", "map"), person, 1, "s"), "ask for a map")
    await story.work("draw-own-maps")


async def leave(story: Story) -> None:
    """Erase who is paid at Stripe: the account there is closed, the list of the erased says so, and their events go."""
    await identity.add_subscribers([1])
    [(_, code)] = await identity.issue_activation_codes([1])
    person = await identity.claim_line(1, code, email="zoe@nulle-part.example", name="Zoé", password=PASSWORD)
    await story.act(partial(connected_account, 1), "connect", then=("stripe-commands",))
    await story.act(partial(erase, person), "erase")
    await story.wait()
    await execute("UPDATE erasure SET noted_at = NULL")
    await story.work("stripe-commands account", "note-erasures", "retract-erased")
    assert await asyncio.to_thread(story.stripe.list, "accounts") == []
    assert await fetch_value("SELECT count(*) FROM person WHERE subscriber = 1") == 0


async def award(story: Story) -> None:
    """Award a call for contributors, once."""
    call, [stratum] = await open_reverse_auction()
    for line, least in enumerate((1_000_000, 3_000_000, 2_000_000, 2_500_000)):
        asking = partial(calls.ask, line, call, stratum, least_micro=least)
        await story.act(asking, "ask for a price")
    await end_reverse_auction(call)
    await story.work("award-reverse-auctions")
    assert await fetch_value("SELECT count(*) FROM contributor_promise") == 2


STORIES: dict[Any, str] = {
    close_a_month: "hold-shares, cancel-shares, index-contributions, close in chunks",
    pay_by_bank: "hold-shares, close-month, draft-payouts, prepare, approve, send, record an answer, match-payouts, "
    "match-payouts back",
    pay_through_stripe: "choose Stripe, draft, ask to send, send-payouts, stripe-commands, follow-transfers, stripe-balance",
    give: "buy a benefit, move gifts, pay gifts",
    pause: "pause, resume, note-words, ask for a map, draw-own-maps",
    leave: "connect, erase, stripe-commands account, note-erasures, retract-erased",
    award: "ask for a price, award-reverse-auctions",
}

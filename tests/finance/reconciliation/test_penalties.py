"""What unpaid awards bring in, from the bid to the books: kept, paid, disputed, given back; named where it differs or is owed."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.oversight import invariants
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.forfeits import enter_forfeits
from tests.finance.builders.pages import signed_in
from tests.money.builders import save
from tests.people.builders import page_text
from tests.sales.builders.auctions import LIMIT, announce_of_shop, do_not_pay, end_auction, place
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, open_shop, pay
from tests.support.reads import fetch, fetch_value

MONTH = dt.timedelta(days=31)


async def unmatched_after_jobs() -> list[tuple[str, int | None]]:
    """Return what is unmatched once jobs have run, with its cents."""
    await jobs()
    await ending.settle_sales()
    await reconcile()
    await enter_forfeits()
    return [(row.why, row.amount_minor) for row in (await list_exceptions()).rows]


async def a_defaulter(stripe: Any) -> uuid.UUID:
    """Return who won without a deposit, did not pay, and owes what the next pays less."""
    release = await open_shop()
    crook, ann = await make_buyer("crook"), await make_buyer("ann")
    for partner in (crook, ann):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release, "limited", unsecured_times=3)
    await place(ann, auction, 2 * FLOOR)
    await place(crook, auction, LIMIT)
    await end_auction(auction)
    await do_not_pay(stripe, crook)
    await run_commands()
    return crook


@pytest.mark.long
async def test_a_penalty_has_its_own_entry_and_is_returned_as_it_came(stripe: Any) -> None:
    crook = await a_defaulter(stripe)
    assert await unmatched_after_jobs() == []
    with clock.shifted(MONTH):
        assert ("penalty_unpaid", FLOOR) in await unmatched_after_jobs(), "a month on, it is named"
    await pay(await fetch_value("SELECT checkout_url FROM payment WHERE state = 'open'"))
    assert await unmatched_after_jobs() == []
    assert (await balance(chart.PENALTIES), await balance(chart.FORFEITED_DEPOSITS)) == (-FLOOR, 0)
    intent = await fetch_value(
        """SELECT payment_intent_id FROM payment JOIN auction_deposit AS debt ON debt.id = subject
           WHERE payment.state = 'paid' AND partner = $1""",
        crook,
    )
    given = await asyncio.to_thread(stripe.post, "refunds", payment_intent=intent, amount=str(FLOOR // 4))
    assert await unmatched_after_jobs() == [], "what is given back leaves the books as it came"
    assert await balance(chart.PENALTIES) == -(FLOOR - FLOOR // 4)
    await asyncio.to_thread(stripe.test, "fail_refund", refund=given["id"])
    assert await unmatched_after_jobs() == []
    assert await balance(chart.PENALTIES) == -FLOOR, "a refund that failed came in again"
    dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
    assert await unmatched_after_jobs() == [("dispute_open", -FLOOR)], "named once, while its bank decides"
    await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=False)
    assert await unmatched_after_jobs() == [], "lost, it is no payment without an order"
    assert (await balance(chart.PENALTIES), await balance(chart.DISPUTES)) == (0, 0)
    kinds = [
        row["kind"] for row in await fetch("SELECT kind FROM journal_entry WHERE kind LIKE 'penalty%' ORDER BY id")
    ]
    assert kinds == ["penalty_received", "penalty_given_back", "penalty_given_back", "penalty_charged_back"]
    assert await invariants.broken() == []
    async with await signed_in("auditor") as visitor:
        page = page_text(await visitor.get("/en/finance/penalties"))
        assert "not while it owes" in page
        assert "Reste dû" in page_text(await visitor.get("/fr/finance/penalties"))


async def test_a_deposit_that_is_not_entered_is_named_as_one(stripe: Any) -> None:
    """Captured and not entered, it is a deposit whose entry lacks; not a payment that nobody knows."""
    await a_defaulter(stripe)
    await pay(await fetch_value("SELECT checkout_url FROM payment WHERE state = 'open'"))
    await jobs()
    await execute("UPDATE auction_deposit SET ending = NULL, ended_at = NULL")
    await reconcile()
    assert [(row.why, row.amount_minor) for row in (await list_exceptions()).rows] == [("deposit_differs", FLOOR)]
    await execute("UPDATE auction_deposit SET ending = 'forfeited', ended_at = now()")
    await asyncio.gather(*(asyncio.create_task(enter_forfeits()) for _ in range(4)))
    assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'penalty_received'") == 1
    assert await unmatched_after_jobs() == []

"""A refund after the hold, clicked: the page warns, without the tick nothing moves, the shares stay and the operator loses."""

import asyncio
import datetime as dt
from typing import Any

from marketplace.core import clock
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import count_exceptions
from marketplace.money.ledger.chart import LOSSES, SUBSCRIBERS_PAYABLE
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.earnings.actions import cancel_shares
from tests.finance.builders.pages import form, signed_in
from tests.people.builders import page_text
from tests.subscribers.builders.sales import close_month
from tests.support.decisions import approve_waiting
from tests.support.reads import fetch_value
from tests.support.scenes import run_jobs, sell_named


async def test_a_refund_after_the_hold_is_the_operators_loss(stripe: Any) -> None:
    order = await sell_named("late")
    page, path = f"/en/finance/orders/{order}", f"/en/finance/orders/{order}/refund"
    with clock.shifted(dt.timedelta(days=15)):
        assert await close_month() == 1
        theirs = await balance(SUBSCRIBERS_PAYABLE)
        async with await signed_in("finance") as clerk:
            shown = await clerk.get(page)
            assert "what goes back is the operator’s loss" in page_text(shown)
            fields = form(shown.text, path)
            refused = await clerk.post(path, data={**fields, "reason": "Their data was wrong"})
            assert refused.status_code == 409
            assert "say that the operator bears the loss" in page_text(refused)
            assert await fetch_value("SELECT count(*) FROM proposal") == 0
            shown = {**fields, "reason": "Their data was wrong", "bears_loss": "yes"}
            answers = await asyncio.gather(*(clerk.post(path, data=shown) for _ in range(2)))
            assert [answer.status_code for answer in answers] == [303, 303]
        await approve_waiting()
        for _ in range(2):
            await run_jobs()
        await cancel_shares()
        await reconcile()
        assert await balance(SUBSCRIBERS_PAYABLE) == theirs < 0
        assert await balance(LOSSES) > 0
        assert await count_exceptions() == 0
    assert [one["amount"] for one in stripe.list("refunds")] == [
        await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", order)
    ]

"""Two people at once: a proposal about a sale and a decision about it lock in one order, and neither dies of the other."""

from __future__ import annotations

import asyncio
import uuid

from marketplace import clock
from marketplace.credit.actions import decide, propose_write_down
from marketplace.database import execute, transaction
from marketplace.errors import Conflict
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from tests.marketplace.credit.test_credit import DAY, on_credit, with_limit
from tests.marketplace.identity.site import make_staff
from tests.marketplace.purchases.shop import make_buyer, open_shop
from tests.support.waiting import until_blocked


async def test_a_proposal_that_meets_a_decision_is_refused_or_waits_and_no_deadlock_ends_either() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    sale = (await on_credit(partner, release))["id"]
    locked, over, first = asyncio.Event(), asyncio.Event(), uuid.uuid4()

    async def use_the_sale() -> None:
        async with transaction():
            await execute("SELECT FROM credit_sale WHERE subject = $1 FOR UPDATE", sale)
            locked.set()
            await over.wait()

    async def propose(form: uuid.UUID) -> None:
        await propose_write_down("provision", sale, 50, ada, reason="No answer.", form_id=form)

    with clock.shifted(40 * DAY):
        await propose(first)
        using = asyncio.create_task(use_the_sale())
        await locked.wait()
        proposing = asyncio.create_task(propose(uuid.uuid4()))
        await until_blocked(1)
        deciding = asyncio.create_task(decide(first, bob, approve=True))
        await until_blocked(2)
        over.set()
        proposed, decided, _ = await asyncio.gather(proposing, deciding, using, return_exceptions=True)
    assert isinstance(proposed, Conflict), proposed
    assert decided is None
    assert -await balance(chart.PROVISIONS) == 50

"""Two people at once, and a death on the way: locks in one order; a bad debt is booked once and its duplicate sent once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.credit.actions import decide, propose_write_down
from marketplace.database import execute, transaction
from marketplace.einvoicing.duplicates import draw_duplicate
from marketplace.errors import Conflict
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from tests.marketplace.credit.test_credit import DAY, on_credit, with_limit
from tests.marketplace.identity.site import make_staff
from tests.marketplace.messages.written import kinds_written
from tests.marketplace.purchases.shop import make_buyer, open_shop
from tests.support.killing_in_place import killed_at_every_await, the_dead_rest
from tests.support.waiting import until_blocked

if TYPE_CHECKING:
    from types import FrameType


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


@pytest.mark.deep
async def test_a_bad_debt_killed_at_every_await_is_booked_and_its_duplicate_sent_once() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    order = await on_credit(partner, release)
    loss = uuid.uuid4()

    async def lose() -> None:
        with contextlib.suppress(Conflict):  # it was decided by the one that died just before it could answer
            await decide(loss, bob, approve=True)

    async def look() -> None:
        written, entered = (await kinds_written()).count("invoice_unpaid"), await balance(chart.LOSSES)
        assert (written, entered) in ((0, 0), (1, order["net_minor"]))

    with clock.shifted(40 * DAY):
        await propose_write_down("loss", order["id"], 0, ada, reason="Bankrupt.", form_id=loss)
        async with the_dead_rest():
            assert await killed_at_every_await(lose, look) > 5
        await look()
        assert (await kinds_written()).count("invoice_unpaid") == 1


async def test_a_duplicate_is_drawn_beside_the_loop_as_other_files_are() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    order, loss, beside = (await on_credit(partner, release))["id"], uuid.uuid4(), set[str]()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            beside.add(f"{Path(frame.f_code.co_filename).name} {frame.f_code.co_name}")

    with clock.shifted(40 * DAY):
        await propose_write_down("loss", order, 0, ada, reason="Bankrupt.", form_id=loss)
        await decide(loss, bob, approve=True)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())  # whose threads have not begun
        threading.setprofile(note)  # of threads that begin from now on: this one is not looked at
        try:
            number, pdf = await draw_duplicate(order, partner)
        finally:
            threading.setprofile(None)
    assert number.startswith("F-")
    assert pdf.startswith(b"%PDF")
    assert "invoice_pdf.py draw" in beside

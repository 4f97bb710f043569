"""Two people at once, and a death on the way: locks in one order; a bad debt is booked once and its duplicate sent once."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict
from marketplace.finance.einvoicing.duplicates import draw_duplicate
from marketplace.money.credit.proposals import propose_write_down
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from tests.money.builders import DAY, with_limit
from tests.people.builders import make_staff
from tests.sales.builders.shop import make_buyer, on_credit, open_shop
from tests.support.decisions import decide
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

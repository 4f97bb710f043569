"""Demand learns from what is sold on credit while it may still be paid in time, and not from what is overdue or lost."""

import datetime as dt
import uuid

from marketplace.catalogue.offers.actions import refresh_demand
from marketplace.core import clock
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.money.credit import rules
from marketplace.money.credit.proposals import propose_write_down
from marketplace.sales.orders.refunds import request_order_refund
from tests.finance.builders.statements import banked
from tests.money.builders import with_limit
from tests.people.builders import make_staff
from tests.sales.builders.shop import make_buyer, on_credit, open_shop
from tests.support.decisions import decide
from tests.support.reads import fetch_value

DAY = dt.timedelta(days=1)


async def sales_learnt(after: dt.timedelta) -> int:
    """Return how many sales the multiplier of the day so long from now is drawn from."""
    with clock.shifted(after):
        await refresh_demand()
    return int(await fetch_value("SELECT sales FROM demand_draw ORDER BY day DESC LIMIT 1"))


async def test_a_sale_on_credit_teaches_until_it_is_overdue_and_again_once_it_is_paid() -> None:
    """Not between, nor lost, nor paid in part, nor once its payment is undone."""
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 2_000_000, ada, bob)
    order = await on_credit(partner, release)
    assert [await sales_learnt(days * DAY) for days in (8, 22, 32)] == [1, 1, 0]
    with clock.shifted(33 * DAY):
        loss = uuid.uuid4()
        await propose_write_down("loss", order["id"], 0, ada, reason="Bankrupt.", form_id=loss)
        await decide(loss, bob, approve=True)
    assert await sales_learnt(40 * DAY) == 0
    with clock.shifted(41 * DAY):
        first, rest = await banked(40, order["total_minor"] - 40)
        await settle_line(first, [("order", order["number"], 40)], ada)
    assert await sales_learnt(48 * DAY) == 0
    with clock.shifted(49 * DAY):
        await settle_line(rest, [("order", order["number"], order["total_minor"] - 40)], ada)
    assert await sales_learnt(56 * DAY) == 1
    with clock.shifted(57 * DAY):
        await undo_matches(rest, ada, reason="Another’s.")
    assert await sales_learnt(64 * DAY) == 0


async def test_a_bad_debt_is_forgotten_with_its_entry_and_a_refund_on_credit_as_any() -> None:
    """Written off a second after it was due, when the day it was due on is not over; the other one goes back unpaid."""
    release, partner, other = await open_shop(), await make_buyer(), await make_buyer("bureau")
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    for one in (partner, other):
        await with_limit(one, 2_000_000, ada, bob)
    lost, returned = await on_credit(partner, release), await on_credit(other, release)
    known = "SELECT array_agg(credit_sale ORDER BY credit_sale) FROM posted_sale"
    assert await fetch_value(known) == sorted([lost["id"], returned["id"]])
    assert await sales_learnt(8 * DAY) == 2
    await request_order_refund(returned["id"], "Ada", refund_id=uuid.uuid4())
    assert await sales_learnt(16 * DAY) == 1
    just_due = rules.DAYS_TO_PAY * DAY + dt.timedelta(seconds=1)
    with clock.shifted(just_due):
        loss = uuid.uuid4()
        await propose_write_down("loss", lost["id"], 0, ada, reason="Bankrupt.", form_id=loss)
        await decide(loss, bob, approve=True)
    assert await sales_learnt(just_due) == 0

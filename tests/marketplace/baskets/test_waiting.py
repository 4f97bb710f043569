"""Lines of a basket that cost less for what is dearer in it wait for that to be paid: left unpaid, it takes nothing off."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import Any, NamedTuple

import pytest

from marketplace import clock
from marketplace.baskets import actions
from marketplace.database import execute
from marketplace.errors import Conflict
from marketplace.purchases.actions import check_second, lapse_unpaid, settle_paid
from marketplace.purchases.invoices import change_billing
from tests.marketplace.identity.site import Browser, text_of
from tests.marketplace.payments.test_off_session import REFUSING, refusing, save
from tests.marketplace.purchases.shop import jobs, make_buyer, open_shop, pay, seal_release
from tests.support.reads import fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
ORDERS = """SELECT purchase_order.id, release, net_minor, purchase_order.state, checkout_url, waits_for
    FROM purchase_order LEFT JOIN payment ON subject = purchase_order.id
    ORDER BY net_minor DESC, release"""


class Ordered(NamedTuple):
    """A basket's partner, its releases, and what each costs everybody."""

    partner: uuid.UUID
    releases: list[uuid.UUID]
    posted: dict[uuid.UUID, int]

    async def states(self) -> list[tuple[bool, str]]:
        """Return whether each line has something off, and its order's state; what costs its full price first."""
        rows = await fetch(ORDERS)
        return sorted((row["net_minor"] < self.posted[row["release"]], row["state"]) for row in rows)


async def order_five(stripe: Any, *, method: str | None = None) -> Ordered:
    """Order five releases at once: two at their price, two for a twentieth less, one for a tenth; by a card that a bank may refuse."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    more = [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2, 3, 4)]
    partner, releases = await make_buyer(), [first, *more]
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save(stripe, partner, token="tok_visa")
    if method:
        await execute("UPDATE saved_method SET method_id = $1", await refusing(stripe, partner, REFUSING[method]))
    lines = await actions.read_lines(releases)
    total = sum(one.amount_minor for one in lines)
    await actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
    return Ordered(partner, releases, {line.release.id: line.priced.amount_minor for line in lines})


async def test_each_line_is_charged_once_what_is_dearer_is_paid(stripe: Any) -> None:
    ordered = await order_five(stripe)
    waiting = {len(row["waits_for"]) for row in await fetch(ORDERS)}
    assert waiting == {0, 2, 4}
    assert await fetch_value("SELECT count(*) FROM payment") == 2
    for paid in (2, 4, 5):
        await jobs()
        await asyncio.gather(*(settle_paid() for _ in range(3)))
        assert [state for _, state in await ordered.states()].count("paid") == paid
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'") == 5, "once each"
    assert await fetch_value("SELECT count(*) FROM licence") == 5
    assert not [row for row in await fetch(ORDERS) if row["waits_for"]]


async def test_lines_left_unpaid_make_no_other_cheaper(stripe: Any) -> None:
    """Its bank wants the partner there for each charge, so that it chooses which pages to pay on."""
    ordered = await order_five(stripe, method="authentication_required")
    for _ in range(3):
        await jobs()
    rows = await fetch(ORDERS)
    assert [row["net_minor"] < ordered.posted[row["release"]] for row in rows if row["checkout_url"]] == [False] * 2
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        waits = next(row["id"] for row in rows if row["waits_for"])
        page = await browser.get(f"/en/orders/{waits}")
        assert "once the dearer ones are paid" in text_of(page)
        assert "une fois les plus chères payées" in text_of(await browser.get(f"/fr/orders/{waits}"))
        assert (await browser.get(f"/en/orders/{waits}?returned=1")).status_code == 200
        assert (await browser.submit(f"/en/orders/{waits}/pay", {})).headers["location"] == f"/en/orders/{waits}"
    [first] = [row["release"] for row in rows if row["id"] == waits]
    with pytest.raises(Conflict, match="is being paid"):
        await check_second(ordered.partner, first, 0, "")
    await pay(next(row["checkout_url"] for row in rows if row["checkout_url"]))
    await jobs()
    assert (await ordered.states()).count((False, "paid")) == 1
    with clock.shifted(2 * DAY):
        await lapse_unpaid()
        await jobs()
    assert await ordered.states() == [(False, "lapsed"), (False, "paid")] + [(True, "lapsed")] * 3
    assert await fetch_value("SELECT count(*) FROM licence") == 1
    await jobs()
    assert await fetch_value("SELECT count(*) FROM payment") == 2, "no money is asked for what lapsed"

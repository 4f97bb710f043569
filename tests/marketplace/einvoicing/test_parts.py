"""What is paid on invoice in parts is said part by part, once each, below zero where it goes back; reports have the same."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.bank.candidates import settle_line
from marketplace.bank.matching import undo_matches
from marketplace.einvoicing import queries
from marketplace.einvoicing.actions import mend
from marketplace.einvoicing.parts import PartToSay
from marketplace.purchases.refunds import request_order_refund
from tests.marketplace.credit.test_credit import banked, with_limit
from tests.marketplace.einvoicing.test_travelling import amounts_reported, months, whys
from tests.marketplace.einvoicing.travelling import (
    number_of,
    open_shop,
    platform_running,
    sell,
    states,
    transmission_of,
    work,
)
from tests.marketplace.finance import sales
from tests.marketplace.identity.site import make_staff
from tests.support.dying import killed_everywhere
from tests.support.reads import fetch

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

pytestmark = pytest.mark.usefixtures("database_url")
DAY = dt.timedelta(days=1)


async def two_clerks() -> tuple[Actor, Actor]:
    """Open the shop to a partner with a limit; return two people of finance."""
    await open_shop()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(sales.PARTNER, 1_000_000, ada, bob)
    return ada, bob


async def paid(order: uuid.UUID, clerk: Actor, amount: int) -> int:
    """Have the bank's line of an amount match an order; return the line."""
    [line] = await banked(amount)
    await settle_line(line, [("order", str(order), amount)], clerk)
    return line


async def test_each_payment_is_reported_once_and_below_zero_where_it_is_returned() -> None:
    ada, _ = await two_clerks()
    async with platform_running() as platform:
        order = await sell(on_credit=True)
        number = await number_of(order)
        await work()
        assert await states() == {number: "deposited"}
        assert await amounts_reported(platform) == [], "nothing is paid yet"
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (0, sales.VAT)
        await paid(order, ada, 3_333)
        for _ in range(2):
            await work()
        reported = [(number, "33.33", "20.00")]
        assert await amounts_reported(platform) == reported
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (555, 1_445)
        line = await paid(order, ada, 8_667)
        await work()
        reported.append((number, "86.67", "20.00"))
        assert await amounts_reported(platform) == reported
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (sales.VAT, 0)
        await undo_matches(line, ada, reason="Another order's.")
        await work()
        reported.append((number, "-86.67", "20.00"))
        assert await amounts_reported(platform) == reported
        await settle_line(line, [("order", str(order), 8_667)], ada)
        await request_order_refund(order, "Ada", refund_id=uuid.uuid4(), amount_minor=1_001)
        await work()
        reported.append((number, "86.67", "20.00"))
        assert await amounts_reported(platform) == reported, "a credit note alone moves no money"
        await months()
        await paid(order, ada, -1_001)
        await work()
        reported.append((number, "-10.01", "20.00"))
        assert await amounts_reported(platform) == reported
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (month.booked_minor, 0)
        assert sum(float(amount) for _, amount, _ in reported) == pytest.approx(109.99)
        files = await queries.list_flows(await transmission_of(number))
        assert [file.kind for file in files] == ["invoice"] + ["receipt"] * 5
        assert await whys() == {}


def test_vat_of_parts_adds_up_in_whatever_order_clocks_have_them() -> None:
    now, one, paid_minor, found = clock.now(), uuid.uuid4(), 0, []
    for amount in (-3_333, 3_333, 1_001, 10_999):
        paid_minor += amount
        part = PartToSay(one, one, now, amount, paid_minor, sales.NET, sales.VAT, "", now, "", b"")
        found.append(part.vat_of_part())
    assert found[0] == -found[1]
    assert sum(found) == sales.VAT


async def test_an_invoice_issued_anew_has_its_parts_said_back_and_said_again() -> None:
    ada, _ = await two_clerks()
    async with platform_running() as platform:
        order = await sell(on_credit=True)
        former = await number_of(order)
        await work()
        await paid(order, ada, 2_000)
        await work()
        platform.report(former, 210, "TX_TVA_ERR", "Le taux est faux")
        await work()
        await mend(await transmission_of(former), ada, reason="Another rate", form_id=uuid.uuid4())
        await work()
        anew = await number_of(order)
        reported = [(former, "20.00", "20.00"), (former, "-20.00", "20.00"), (anew, "20.00", "20.00")]
        assert sorted(await amounts_reported(platform)) == sorted(reported)
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (333, 1_667)
        await paid(order, ada, 10_000)
        await work()
        assert sorted(await amounts_reported(platform)) == sorted([*reported, (anew, "100.00", "20.00")])
        [month] = await months()
        assert (month.statuses_minor, month.waiting_minor) == (sales.VAT, 0)


async def test_payments_of_others_are_reported_in_the_month_of_each() -> None:
    ada, _ = await two_clerks()
    start = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
    async with platform_running():
        with clock.started_at(start):
            order = await sell("unverified", "DE", "DE136695976", on_credit=True)
            await paid(order, ada, 5_000)
            await work()
        with clock.started_at(start + 29 * DAY):
            await work()
            [month] = await months()
            assert (month.reports_minor, month.waiting_minor) == (833, 1_167)
            await paid(order, ada, 7_000)
        with clock.started_at(start + 60 * DAY):
            await work()
            await work()
            rows = await fetch(
                """SELECT first_day::text AS day, documents, net_minor, vat_minor, sequence FROM e_report
                   WHERE kind = 'payments' ORDER BY first_day"""
            )
            assert [tuple(row) for row in rows] == [
                ("2026-11-01", 1, 4_167, 833, 1),
                ("2026-12-01", 1, 5_833, 1_167, 1),
            ]
            assert (await months())[-1].reports_minor == sales.VAT
            assert await whys() == {}


@pytest.mark.deep
async def test_killed_at_its_awaits_each_part_is_said_once(database_url: str) -> None:
    await two_clerks()
    async with platform_running():
        assert await killed_everywhere("tests.marketplace.einvoicing.killed", "parts", database_url, every=3) > 5

"""What is paid on invoice in parts is said part by part, once each, below zero where it goes back; reports have the same."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.finance.einvoicing import actions, queries
from marketplace.finance.einvoicing.actions import mend
from marketplace.finance.einvoicing.parts import PartToSay, queue_part_receipts
from marketplace.finance.reconciliation.exception_queries import list_blocking, list_exceptions
from marketplace.people.identity.actors import Actor
from marketplace.sales.orders.refunds import request_order_refund
from tests.finance.builders import sales
from tests.finance.builders.statements import banked
from tests.finance.builders.travelling import (
    amounts_reported,
    equal_months,
    exceptions_on_the_way,
    exchange_all,
    number_of,
    platform_running,
    sell_under,
    states_of_documents,
    transmission_of,
    write_french_shop,
)
from tests.money.builders import with_limit
from tests.people.builders import make_staff
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("database_url")
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


async def two_clerks() -> tuple[Actor, Actor]:
    """Open the shop to a partner with a limit; return two people of finance."""
    await write_french_shop()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(sales.PARTNER, 1_000_000, ada, bob)
    return ada, bob


async def match_order(order: uuid.UUID, clerk: Actor, amount: int) -> int:
    """Have the bank's line of an amount match an order; return the line."""
    [line] = await banked(amount)
    await settle_line(line, [("order", str(order), amount)], clerk)
    return line


@pytest.mark.long
async def test_each_payment_is_reported_once_and_below_zero_where_it_is_returned() -> None:
    ada, _ = await two_clerks()
    async with platform_running() as platform:
        order = await sell_under(on_credit=True)
        number = await number_of(order)
        await exchange_all()
        assert await states_of_documents() == {number: "deposited"}
        assert await amounts_reported(platform) == [], "nothing is paid yet"
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (0, sales.VAT)
        await match_order(order, ada, 3_333)
        for _ in range(2):
            await exchange_all()
        reported = [(number, "33.33", "20.00")]
        assert await amounts_reported(platform) == reported
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (555, 1_445)
        line = await match_order(order, ada, 8_667)
        await exchange_all()
        reported.append((number, "86.67", "20.00"))
        assert await amounts_reported(platform) == reported
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (sales.VAT, 0)
        await undo_matches(line, ada, reason="Another order's.")
        await exchange_all()
        reported.append((number, "-86.67", "20.00"))
        assert await amounts_reported(platform) == reported
        await settle_line(line, [("order", str(order), 8_667)], ada)
        await request_order_refund(order, "Ada", refund_id=uuid.uuid4(), amount_minor=1_001)
        await exchange_all()
        reported.append((number, "86.67", "20.00"))
        assert await amounts_reported(platform) == reported, "a credit note alone moves no money"
        await equal_months()
        await match_order(order, ada, -1_001)
        await exchange_all()
        reported.append((number, "-10.01", "20.00"))
        assert await amounts_reported(platform) == reported
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (month.booked_minor, 0)
        assert sum(float(amount) for _, amount, _ in reported) == pytest.approx(109.99)
        files = await queries.list_flows(await transmission_of(number))
        assert [file.kind for file in files] == ["invoice"] + ["receipt"] * 5
        assert await exceptions_on_the_way() == {}


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
        order = await sell_under(on_credit=True)
        former = await number_of(order)
        await exchange_all()
        await match_order(order, ada, 2_000)
        await exchange_all()
        platform.report(former, 210, "TX_TVA_ERR", "Le taux est faux")
        await exchange_all()
        await mend(await transmission_of(former), ada, reason="Another rate", form_id=uuid.uuid4())
        await exchange_all()
        anew = await number_of(order)
        reported = [(former, "20.00", "20.00"), (former, "-20.00", "20.00"), (anew, "20.00", "20.00")]
        assert sorted(await amounts_reported(platform)) == sorted(reported)
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (333, 1_667)
        await match_order(order, ada, 10_000)
        await exchange_all()
        assert sorted(await amounts_reported(platform)) == sorted([*reported, (anew, "100.00", "20.00")])
        [month] = await equal_months()
        assert (month.statuses_minor, month.waiting_minor) == (sales.VAT, 0)


async def rejected_while(number: str, saying: Callable[[], Awaitable[int]]) -> None:
    """Have a rejection be recorded after what is to be said was listed, and before it is written."""
    its, locked, over = await transmission_of(number), asyncio.Event(), asyncio.Event()

    async def reject() -> None:
        async with transaction():
            await actions._note(its, f"late {number}", 213, clock.now(), "REJ_SEMAN", "BR-FR-10")
            locked.set()
            await over.wait()

    async def report() -> None:
        await saying()

    rejecting = asyncio.create_task(reject())
    await locked.wait()
    writing = asyncio.create_task(report())
    await until(lambda: writing.done() or fetch_value("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"))
    over.set()
    await asyncio.gather(rejecting, writing)


@pytest.mark.long
async def test_what_is_listed_just_before_its_invoice_is_rejected_is_not_said() -> None:
    ada, _ = await two_clerks()
    async with platform_running() as platform:
        in_parts, whole = await sell_under(on_credit=True), await sell_under()
        first, second = await number_of(in_parts), await number_of(whole)
        await exchange_all()
        reported = [(second, "120.00", "20.00")]
        assert await amounts_reported(platform) == reported
        await match_order(in_parts, ada, 3_333)
        await rejected_while(first, queue_part_receipts)
        assert not await fetch_value("SELECT count(*) FROM settled_part")
        await as_owner("DELETE FROM einvoicing_flow WHERE kind = 'receipt'")
        await execute(
            "INSERT INTO einvoice_unsaid (what, subject, at) SELECT 'receipt', invoice, created_at FROM transmission"
        )
        assert (
            await fetch_value("SELECT state FROM transmission WHERE id = $1", await transmission_of(second))
            == "deposited"
        )
        await rejected_while(second, actions.queue_receipts)
        assert not await fetch_value("SELECT count(*) FROM einvoicing_flow WHERE kind = 'receipt'")
        await exchange_all()
        assert await amounts_reported(platform) == reported
        for number in (first, second):
            await mend(await transmission_of(number), ada, reason="Written anew.", form_id=uuid.uuid4())
        await exchange_all()
        anew = [await number_of(in_parts), await number_of(whole)]
        reported += [(anew[1], "120.00", "20.00"), (anew[0], "33.33", "20.00")]
        assert await amounts_reported(platform) == reported, "the new ones are said, the rejected ones never"


async def test_what_waits_to_leave_waits_on_where_its_invoice_is_rejected_meanwhile() -> None:
    ada, _ = await two_clerks()
    async with platform_running() as platform:
        orders = [await sell_under(on_credit=True), await sell_under()]
        numbers = [await number_of(order) for order in orders]
        await exchange_all()
        before = await amounts_reported(platform)
        await match_order(orders[0], ada, 3_333)
        await queue_part_receipts()
        await execute(
            """UPDATE einvoicing_flow SET state = 'pending', platform_id = NULL, submitted_at = NULL, answered_at = NULL,
                      attempts = 0 WHERE kind = 'receipt'"""
        )
        for number in numbers:
            platform.report(number, 213, "REJ_SEMAN", "BR-FR-10")
        async with httpx.AsyncClient() as client:
            await actions.receive_changes(client, await fetch_value("SELECT read_until FROM einvoicing_state"))
        assert set((await states_of_documents()).values()) == {"rejected"}
        await exchange_all()
        assert await amounts_reported(platform) == before


@pytest.mark.long
async def test_a_payment_that_nothing_says_is_named_until_it_is_said() -> None:
    """Plant three: a French company's, what a cancelled invoice's parts were, and one of another country's month."""
    ada, _ = await two_clerks()
    start = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
    async with platform_running() as platform:
        with clock.started_at(start):
            order = await sell_under(on_credit=True)
            french = await number_of(order)
            await exchange_all()
            await match_order(order, ada, 3_333)
            assert await exceptions_on_the_way() == {}, "the job has its hour"
        with clock.started_at(start + 2 * HOUR):
            assert await exceptions_on_the_way() == {french: "part_unreported 212"}
            [named] = [row for row in (await list_exceptions()).rows if row.reference == french]
            assert named.amount_minor == 3_333
            blocking = await list_blocking(start + 40 * DAY)
            assert french in {row.reference for row in blocking}, "the month does not close over it"
            await exchange_all()
            assert await exceptions_on_the_way() == {}
            platform.report(french, 210, "TX_TVA_ERR", "Le taux est faux")
            await exchange_all()
            await mend(await transmission_of(french), ada, reason="Another rate", form_id=uuid.uuid4())
        with clock.started_at(start + 4 * HOUR):
            named = {row.amount_minor for row in (await list_exceptions()).rows if row.why == "part_unreported"}
            assert -3_333 in named, "what was said of the cancelled one"
            await exchange_all()
            assert await exceptions_on_the_way() == {}
            other = await sell_under("unverified", "DE", "DE136695976", on_credit=True)
            german = await number_of(other)
            await match_order(other, ada, 5_000)
            await exchange_all()
        with clock.started_at(start + 27 * DAY):
            assert german not in await exceptions_on_the_way()
        with clock.started_at(start + 29 * DAY):
            assert (await exceptions_on_the_way())[german] == "part_unreported payments"
            await exchange_all()
            assert await exceptions_on_the_way() == {}


@pytest.mark.long
async def test_payments_of_others_are_reported_in_the_month_of_each() -> None:
    ada, _ = await two_clerks()
    start = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
    async with platform_running():
        with clock.started_at(start):
            order = await sell_under("unverified", "DE", "DE136695976", on_credit=True)
            await match_order(order, ada, 5_000)
            await exchange_all()
        with clock.started_at(start + 29 * DAY):
            await exchange_all()
            [month] = await equal_months()
            assert (month.reports_minor, month.waiting_minor) == (833, 1_167)
            await match_order(order, ada, 7_000)
        with clock.started_at(start + 60 * DAY):
            await exchange_all()
            await exchange_all()
            rows = await fetch(
                """SELECT first_day::text AS day, documents, net_minor, vat_minor, sequence FROM e_report
                   WHERE kind = 'payments' ORDER BY first_day"""
            )
            assert [tuple(row) for row in rows] == [
                ("2026-11-01", 1, 4_167, 833, 1),
                ("2026-12-01", 1, 5_833, 1_167, 1),
            ]
            assert (await equal_months())[-1].reports_minor == sales.VAT
            assert await exceptions_on_the_way() == {}

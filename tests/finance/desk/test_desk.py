"""The desk: what waits, who can act on it, the file of it in which no cell is a formula, and the search over it all."""

import csv
import io
import uuid
from collections.abc import Callable
from typing import Any

from babel.dates import format_date

from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.finance.desk import queries
from marketplace.finance.reconciliation.assignments import note_exception
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, bank_says
from tests.people.builders import Browser, make_staff, page_text
from tests.subscribers.builders import payees
from tests.support.month import load_month, make_month
from tests.support.month_invoices import load_invoices
from tests.support.reads import fetch_one, fetch_value

WHY = "line_unexplained"


async def test_what_waits_is_in_order_and_with_whom_it_is() -> None:
    async with payees.paying_three():
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        small, large, mine, theirs = await bank_says(
            Entry(-37, "B1", "Frais"), Entry(90_000, "=1+1", "?", name="ATELIER"), Entry(12, "B3"), Entry(13, "B4")
        )
        await propose_write_off(WHY, str(small), nora, reason="Too small to ask.", form_id=uuid.uuid4())
        await note_exception(WHY, str(mine), nora, assignee=nora.person, form_id=uuid.uuid4())
        await note_exception(WHY, str(theirs), nora, assignee=paul.person, form_id=uuid.uuid4())
        assert await payouts.draft(paul)
        async with Browser() as browser:
            browser.client.cookies.set(COOKIE, (await begin_session(nora.person)).value or "")
            shown = page_text(await browser.get("/en/finance/desk"))
            yours, _, others = shown.partition("With others")
            assert "=1+1" in yours
            assert yours.index("€900.00") < yours.index("€0.12") < yours.index("€99.99"), (
                "by age × amount: the run is new"
            )
            assert "B3 €0.12" in yours
            assert "Paul" in yours, "who prepared the run"
            assert others.index("Paul") < others.index("The whole queue")
            assert "Write-off to decide B1" in others, "who proposed it does not decide"
            assert "B4" in others
            narrowed = page_text(await browser.get("/fr/finance/desk?kind=run_to_approve&sort=age"))
            drafted = await fetch_value("SELECT (drafted_at AT TIME ZONE 'Europe/Paris')::date FROM payout_run")
            day = format_date(drafted, "medium", locale="fr")
            assert f"Campagne de versements à approuver {day}" in narrowed, "its day, as its page's title writes it"
            assert "B3" not in narrowed
            rows = list(
                csv.reader(
                    io.StringIO((await browser.get("/en/finance/desk.csv?sort=amount")).content.decode("utf-8-sig"))
                )
            )
            assert rows[0] == ["What", "Which", "Why", "Amount", "Since", "With", "Page"]
            assert (rows[1][1], rows[1][3]) == ("'=1+1", "900.00"), "no cell is a formula, and amounts are numbers"
            assert {"B1", "B3", "B4"} < {row[1] for row in rows}
            browser.client.cookies.set(COOKIE, (await begin_session(paul.person)).value or "")
            yours = page_text(await browser.get("/en/finance/desk")).partition("With others")[0]
            assert "Write-off to decide B1" in yours, "another person decides"
            assert "€99.99" not in yours, "who prepared it does not approve it"
            assert large


async def test_the_search_finds_by_number_name_and_reference() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    await bank_says(Entry(12, "REF-77", "Virement", name="ATELIER DU LAC"))
    number = await fetch_value("SELECT number FROM purchase_order")
    company = await fetch_value("SELECT company FROM partner")
    nora = await make_staff("Nora")
    async with Browser() as browser:
        browser.client.cookies.set(COOKIE, (await begin_session(nora.person)).value or "")

        async def found(text: str) -> str:
            return (await browser.get("/en/find", params={"text": text})).text

        assert f"/en/finance/orders/{order}" in await found(number.lower())
        assert f"/en/finance/orders?number={number}" in await found(company[:4])
        invoice = await fetch_value("SELECT number FROM invoice")
        assert invoice in await found(invoice)
        entry, text = await fetch_one("SELECT id, text FROM journal_entry WHERE kind = 'sale'")
        assert f"/en/finance/journal/{entry}" in await found(text)
        assert "/en/finance/bank/lines/" in await found("du lac")
        for nothing in ("%", "x", "nowhere to be found", "' OR 1=1"):
            assert "Nothing has that" in await found(nothing)
        assert (await browser.get("/en/find")).status_code == 200


def test_the_search_reads_what_is_meant_and_no_others(apart: Callable[[Callable[[], Any]], None]) -> None:
    async def reads() -> int:
        sql = """SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
                 WHERE relname IN ('purchase_order', 'invoice', 'balance_transaction', 'payment')"""
        return await fetch_scalar(int, sql) or 0

    async def found(text: str) -> list[tuple[str, str]]:
        return [(row.kind, row.title) for row in await queries.search(text)]

    async def story() -> None:
        await load_month(make_month(300))
        await load_invoices()
        await execute("ANALYZE")
        order = await fetch_value("SELECT id FROM purchase_order WHERE number = 'P-2026-000123'")
        invoice = await fetch_value("SELECT max(number) FROM invoice WHERE kind = 'invoice'")
        async with transaction():
            for way in ("seqscan", "mergejoin", "hashjoin"):
                await execute(f"SET LOCAL enable_{way} = off")  # so few rows are else read as they lie
            before = await reads()
            assert ("order", "P-2026-000123") in await found("123")
            assert {title for _, title in await found("p-2026-00012")} == {
                f"P-2026-00012{digit}" for digit in range(10)
            }
            assert {("order", "P-2026-000124"), ("invoice", "F-2026-000124")} <= set(await found("2026-00012"))
            meant = await queries.search(str(order))
            assert [(row.kind, row.detail) for row in meant][:2] == [("order", "Acme"), ("entry", "sale")]
            assert await found(invoice.lower()) == [("invoice", invoice)]
            assert ("transaction", "txn_ch_123") in await found("ch_123")
            assert await found("nowhere to be found") == []
            assert await reads() - before < 1_000, "less than any table whole, by so many searches"

    apart(story)

"""Finance's lists: sorted by their headings and narrowed over all pages; their files have all rows in that order."""

import re

import pytest

from marketplace.core.database import execute
from marketplace.core.paging import PAGE_SIZE
from marketplace.money.ledger import chart, queries
from tests.finance.builders import sales
from tests.finance.builders.banking import decide_everything, pay_subscribers
from tests.finance.builders.pages import rows_of_csv, signed_in
from tests.people.builders import page_text
from tests.support.reads import fetch_value


async def test_orders_are_sorted_and_narrowed_over_all_pages_and_so_is_their_file() -> None:
    await sales.write_shop()
    for number in range(PAGE_SIZE + 2):
        order = await sales.write_order()
        await execute("UPDATE purchase_order SET reference = $2 WHERE id = $1", order, str(number))
    await sales.pay_unseen(order)
    await sales.write_settled(order)
    await sales.mirror_charge(order)
    newest = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", order)
    lowest, highest = [await fetch_value(f"SELECT {end}(number) FROM purchase_order") for end in ("min", "max")]
    another = await fetch_value("SELECT number FROM purchase_order WHERE id <> $1 LIMIT 1", order)
    async with await signed_in("auditor") as visitor:
        first = page_text(await visitor.get("/en/finance/orders?sort=number"))
        assert lowest in first
        assert highest not in first, "sorted over all pages, not within the one that is shown"
        assert newest in page_text(await visitor.get("/en/finance/orders"))
        paid = page_text(await visitor.get("/fr/finance/orders?which=paid&sort=total"))
        assert newest in paid
        assert another not in paid
        file = await rows_of_csv(visitor, "/en/finance/orders.csv?sort=number")
        assert len(file) == PAGE_SIZE + 2
        assert [row[0] for row in file] == sorted(row[0] for row in file)
        assert [row[0] for row in await rows_of_csv(visitor, "/en/finance/orders.csv?which=paid")] == [newest]
        assert (await visitor.get("/en/finance/orders?sort=;DROP&which=%27")).status_code == 200, "nonsense is no order"
        charges = await rows_of_csv(visitor, "/en/finance/transactions.csv?category=charge")
        assert [(row[2], row[3], row[8]) for row in charges] == [("Charge", "120.00", newest)]
        assert await rows_of_csv(visitor, "/en/finance/transactions.csv?category=nothing") == []
        assert "Charge" in page_text(await visitor.get("/en/finance/reconciliation?category=charge"))
        assert await rows_of_csv(visitor, "/en/finance/penalties.csv") == []


async def test_journal_trail_statements_write_offs_and_runs_are_sorted_narrowed_and_handed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await sales.write_shop()
    await decide_everything()
    await pay_subscribers()
    async with await signed_in("auditor") as visitor:
        whole = await rows_of_csv(visitor, "/en/finance/journal.csv")
        assert [int(row[1]) for row in await rows_of_csv(visitor, "/en/finance/journal.csv?sort=oldest")] == [
            int(row[1]) for row in reversed(whole)
        ]
        by_debit = [float(row[4]) for row in await rows_of_csv(visitor, "/en/finance/journal.csv?sort=debit")]
        assert by_debit == sorted(by_debit, reverse=True)
        assert max(by_debit) > min(by_debit)
        kinds = {
            row[2] for row in await rows_of_csv(visitor, "/en/finance/journal.csv?kind=write_off&since=2020-01-01")
        }
        assert kinds == {"Write-off"}
        account = await rows_of_csv(visitor, f"/en/finance/journal.csv?account={chart.BANK_CHARGES}&sort=credit")
        assert [row[4] for row in account] == ["0.30"]
        assert (await visitor.get("/en/finance/journal.csv?account=000")).status_code == 404
        page = (await visitor.get("/en/finance/journal?sort=debit&kind=sale")).text
        assert "/en/finance/journal.csv?account=&amp;kind=sale" in page
        assert 'aria-sort="other"' in page
        assert "Newest first" in page
        by_amount, by_date = "sort=debit", "sort=oldest"
        assert by_amount in (page := (await visitor.get("/en/finance/journal")).text)
        assert by_date in page
        monkeypatch.setattr(queries, "MOST_SORTED", 1)
        page = (await visitor.get("/en/finance/journal?sort=debit")).text
        assert "entries are sorted here by their date alone" in page
        assert by_date in page
        assert f"{by_amount}&amp;" not in page.partition("<table")[2].partition("</thead>")[0]
        newest = [int(row[1]) for row in whole][:3]
        assert [int(number) for number in re.findall(r"/finance/journal/(\d+)", page)][:3] == newest

        trail = await rows_of_csv(visitor, "/en/finance/audit.csv?verb=write_off_approved")
        assert len(trail) == 2
        assert {row[2] for row in trail} == {"Write-off approved"}
        assert {row[1] for row in trail} == {"Bob"}
        assert "Sign-in" in {row[2] for row in await rows_of_csv(visitor, "/en/finance/audit.csv?area=access")}
        assert (await visitor.get("/en/finance/audit.csv?person=odd")).status_code == 422

        approved = await rows_of_csv(visitor, "/en/finance/decisions.csv?kind=write_off&which=approved&sort=amount")
        assert [row[2] for row in approved] == ["120.00", "-0.07"]
        assert await rows_of_csv(visitor, "/en/finance/decisions.csv?kind=write_off&which=waiting") == []
        assert "Too small to ask." in page_text(await visitor.get("/fr/finance/decisions?which=approved&sort=decided"))
        assert "Too small to ask." not in page_text(await visitor.get("/en/finance/decisions?which=refused"))

        [statement] = await rows_of_csv(visitor, "/en/finance/bank/statements.csv?sort=closes")
        assert statement[3:7] == ["10.00", "15.43", "4", "2"]
        assert await rows_of_csv(visitor, "/en/finance/bank/statements.csv?iban=DE00") == []
        assert "S1" in page_text(await visitor.get("/fr/finance/bank?sort=oldest"))
        assert "S1" not in page_text(await visitor.get("/en/finance/bank?iban=DE00&sort=imported"))

        [run] = await rows_of_csv(visitor, "/en/finance/payout-runs.csv?sort=amount&which=sent")
        assert (run[2], run[5], run[6]) == ("sent", "Nora", "Paul")
        assert await rows_of_csv(visitor, "/en/finance/payout-runs.csv?which=draft&sort=people") == []
        assert "Paul" in page_text(await visitor.get("/fr/finance/payout-runs?sort=oldest"))
        assert "Paul" not in page_text(await visitor.get("/en/finance/payout-runs?which=cancelled&sort=people"))
    async with await signed_in("finance") as clerk:
        areas = await rows_of_csv(clerk, "/en/finance/audit.csv?area=access")
        assert "Sign-in" not in {row[2] for row in areas}, "finance reads what was decided"

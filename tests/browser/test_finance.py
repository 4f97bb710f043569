"""Finance's work clicked in Chromium: a statement imported, a line matched, another split, a write-off by two, a month closed."""

import datetime as dt
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.periods import bounds, month_of, next_month
from marketplace.money.ledger.queries import balance
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import add_staff
from tests.support.browsing import Guest, open_visit
from tests.support.market import PASSWORD, running
from tests.support.reads import fetch_value

MONTH = month_of(bounds(month_of(clock.now()))[0] - dt.timedelta(days=1))
FIRST, LAST = MONTH + dt.timedelta(days=2), next_month(MONTH) - dt.timedelta(days=1)


async def books_of_a_month() -> str:
    """Leave a month with a payout, an order paid at the bank, and nothing explained yet; the order's number."""
    for name in ("finance", "second", "auditor"):
        role = "finance" if name == "second" else name
        await add_staff(f"{name}@people.example", name.title(), role, PASSWORD)
    await sales.write_shop()
    order = await sales.write_paid_order()
    at = bounds(MONTH)[0] + dt.timedelta(days=1)
    with clock.shifted(at - clock.now()):
        await sales.write_settled(order)
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, source_id, status, created_at,
                                            available_on)
           SELECT 'txn_' || name, 'payout', -amount, 0, -amount, name, 'available', $1, $1
           FROM (VALUES ('po_march', 70000), ('po_twin', 5000), ('po_other', 5000)) AS payout (name, amount)""",
        at,
    )
    for name, amount in (("po_march", 70_000), ("po_twin", 5_000), ("po_other", 5_000)):
        await record(
            "stripe_payout", f"txn_{name}", at=at, text="Payout", postings=[(chart.TRANSFERS, chart.STRIPE, amount)]
        )
    await execute(
        "INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, 0, 0, 0)", clock.now()
    )
    number: str = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", order)
    return number


def statement(number: str) -> Statement:
    owed = sales.NET + sales.VAT
    entries = [
        Entry(70_000, "B1", "STRIPE po_march", "Stripe Payments Europe"),
        Entry(5_000, "B2", "", "Inconnu"),
        Entry(owed - 150 + 5_000, "B3", f"{number} et virement", "ACME SAS"),
        Entry(-12, "B4", "Arrondi"),
    ]
    for entry in entries:
        entry.day = FIRST
    return Statement(entries, opening=100_000, name="RELEVE-1", message="MSG-1", day=LAST)


async def imports(clerk: Guest, path: Path) -> None:
    await clerk.click("Bank")
    await clerk.page.get_by_label("Statement of the bank").set_input_files(path)
    await clerk.press("Import", again_by_address=False)
    await clerk.read("not known as ours")
    await clerk.go("/finance/bank")
    await clerk.page.get_by_label("Statement of the bank").set_input_files(path)
    await clerk.page.get_by_label("It is of an account of ours").check()
    await clerk.press("Import")
    await clerk.read("Imported: 1 statement with 4 lines")
    await clerk.page.get_by_label("Statement of the bank").set_input_files(path)
    await clerk.press("Import")
    await clerk.read("already here: 1")
    await clerk.click("RELEVE-1")


async def matches_by_keys(clerk: Guest) -> None:
    """Walk the queue with j and Enter, and match with one more Enter."""
    await clerk.go("/finance/exceptions?why=line_unexplained")
    page = clerk.page
    links = page.locator("table.queue tbody a")
    place = (await links.all_inner_texts()).index("B2")
    for _ in range(place + 1):
        await page.keyboard.press("j")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await clerk.read("Inconnu")
    await clerk.look()
    await page.keyboard.press("j")
    assert (await page.evaluate("document.activeElement.textContent")) == "Match"
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await clerk.look()


async def split_line(clerk: Guest, number: str) -> None:
    await clerk.go("/finance/exceptions")
    await clerk.click("B3")
    await clerk.click("Split it, or say it is a fee")
    other = await fetch_value(
        """SELECT source_id FROM balance_transaction WHERE category = 'payout' AND NOT EXISTS (
               SELECT FROM bank_match WHERE target_id = source_id AND undone_at IS NULL)"""
    )
    page = clerk.page
    for part, (kind, target, amount) in enumerate(
        (("order", number, "120,00"), ("payout", other, "50.00"), (chart.BANK_CHARGES, "", "")), 1
    ):
        await page.get_by_label(f"What part {part} is").select_option(kind)
        await page.get_by_label(f"Number of part {part}").fill(target)
        await page.get_by_label(f"Amount of part {part}").fill(amount)
    await clerk.press("Explain it so", Note="Bank took its fee")
    await clerk.read("explained")


async def writes_off(clerk: Guest, second: Guest) -> None:
    await clerk.go("/finance/exceptions")
    await clerk.click("B4")
    await clerk.press("Propose the write-off", Reason="Rounding of the bank; nobody to ask.")
    await clerk.read("waits for a second person")
    await clerk.go("/finance/decisions")
    await clerk.read("waits for a second person")
    await second.sign_in("second@people.example")
    await second.go("/finance")
    await second.click("B4")
    await second.press("Approve B4")
    await second.read("approved")


async def closes(clerk: Guest, second: Guest) -> None:
    await clerk.go("/finance/periods")
    await clerk.press("Propose to close")
    await clerk.read("waits for a second person")
    await second.go("/finance/periods")
    await second.press("Close")
    await second.read("Every month that is over is closed.")
    await clerk.click("Audit trail")
    await clerk.press("Show", Did_what="period_closed")
    await clerk.page.get_by_role("cell", name="Period closed").wait_for()


@pytest.mark.deep
async def test_finance_matches_splits_writes_off_and_closes(chromium: str, tmp_path: Path) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        number = await books_of_a_month()
        sent = statement(number)
        path = tmp_path / "statement.xml"
        path.write_bytes(sent.xml("08"))
        clerk, second = await visit.guest(), await visit.guest()
        await clerk.sign_in("finance@people.example")
        await clerk.go("/finance")
        await imports(clerk, path)
        assert await balance(chart.TRANSFERS) == 10_000, "the payout that names itself is matched"
        await matches_by_keys(clerk)
        await split_line(clerk, number)
        await writes_off(clerk, second)
        assert await balance(chart.SUSPENSE) == 0
        assert await balance(chart.BANK) == sent.ends_at()
        await closes(clerk, second)
        await clerk.go("/finance/trial-balance?by=recording")
        await clerk.go("/finance/exports")
        for path in ("penalties", "business/roles", "orders?sort=total", "payout-runs"):
            await second.go(f"/finance/{path}")

"""The desk by the keyboard alone: two people settle all that waits, close the month and fetch its books; FR on a phone, EN at 1280 px."""

import datetime as dt

import pytest
from playwright.async_api import ViewportSize

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.demo.einvoicing_platform import Platform
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bookkeeping.export_files import write_exports
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds, closed_until, month_of, next_month
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.actors import Actor
from marketplace.sales.orders.invoices import render_invoices
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement
from tests.finance.builders.travelling import exchange_all, number_of, platform_running, write_french_shop
from tests.money.builders import with_limit
from tests.people.builders import add_staff
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN
from tests.support.browsing import DESK, PHONE, open_visit
from tests.support.keyboard import Typist, sit_down
from tests.support.market import PASSWORD, running
from tests.support.reads import fetch_value

MONTH = month_of(bounds(month_of(clock.now()))[0] - dt.timedelta(days=1))
REASON = "Looked at with care."
SALE = sales.NET + sales.VAT


async def staff(name: str) -> Actor:
    """Let a clerk in who can sign in."""
    person = await add_staff(f"{name}@people.example", name.title(), "finance", PASSWORD)
    return Actor(name=name.title(), person=person, role="finance")


async def business_of_a_month(platform: Platform) -> tuple[str, str]:
    """Leave a month in which everything waits for finance; the number of the order on credit, and of its invoice.

    A run of what subscribers earned is drafted; an order on credit is paid by a bank line that names nobody; its invoice is
    rejected; a bank line is of a rounding.
    """
    nora, paul = await staff("nora"), await staff("paul")
    at = bounds(MONTH)[0] + dt.timedelta(days=1)
    with clock.shifted(at - clock.now()):
        await write_french_shop()
        await with_limit(sales.PARTNER, 1_000_000, nora, paul)
        paid = await sales.write_paid_order()
        licence = await sales.write_settled(paid)
        await sales.mirror_charge(paid)
        await sales.hold_shares(licence)
        await sales.release_shares(licence)
        owed = await sales.write_order(on_credit=True)
        await sales.write_settled(owed)
        await render_invoices()
        invoice = await number_of(owed)
        platform.refuses[invoice] = (213, "REJ_SEMAN", "BR-FR-10 : le SIREN du vendeur manque")
        await exchange_all()
        await payees.write_bank_details(1, 2, 3)
    day = MONTH + dt.timedelta(days=4)
    entries = [Entry(SALE, "B1", "Notre commande", "ACME SAS"), Entry(-7, "B2", "Arrondi")]
    for entry in entries:
        entry.day = day
    sent = Statement(entries, name="RELEVE-1", message="MSG-1", day=next_month(MONTH) - dt.timedelta(days=1))
    await import_bank_statement(sent.xml(), person=None, new_account=True)
    await execute(
        "INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, 0, 0, 0)", clock.now()
    )
    assert await payouts.draft(nora)
    return str(await fetch_value("SELECT number FROM purchase_order WHERE id = $1", owed)), invoice


async def come_to_desk(person: Typist, email: str) -> None:
    """Come in, and go to the desk."""
    await person.page.goto(f"{person.base}/{person.spoken}/sign-in")
    await person.look()
    await person.type("Email", email)
    await person.type("Password", PASSWORD)
    await person.press("Sign in")
    await person.go_on_foot("Desk")


async def settle_from_desk(nora: Typist, order: str, invoice: str) -> None:
    """Match the line that pays the order, propose to write the rounding off, and have the invoice issued again."""
    await nora.follow("B1")
    await nora.press("Match with %(what)s")
    assert await balance(chart.ON_CREDIT) == 0, order
    await nora.go_on_foot("Desk", "B2")
    await nora.type("Reason", REASON)
    await nora.press("Propose the write-off")
    await nora.go_on_foot("Desk", invoice, "Where it comes from")
    await nora.type("Reason", REASON)
    await nora.press("Cancel and issue again")
    await render_invoices()
    await exchange_all()
    await nora.go_on_foot("Desk")


async def decide_from_desk(paul: Typist) -> None:
    """Approve and send the run, and approve the write-off, from the desk."""
    drafted = "SELECT to_char(drafted_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') FROM payout_run"
    await paul.follow(paul.day_in_words(str(await fetch_value(drafted))))
    await paul.type("Reason", REASON)
    await paul.press("Approve %(amount)s")
    await paul.press("Send %(amount)s")
    await paul.go_on_foot("Desk", "B2")
    await paul.press("Approve %(what)s", what="B2")
    await paul.go_on_foot("Desk")


async def close_month_from_desk(nora: Typist, paul: Typist) -> None:
    """Nora proposes the month, which is all that waits; Paul sees it on his desk, and closes it for ever."""
    month = f"{MONTH:%Y-%m}"
    assert (await list_exceptions()).rows == [], "the queue is empty"
    await nora.page.reload()
    await nora.follow(nora.day_in_words(month))
    await nora.press("Propose to close %(month)s")
    assert await nora.reads("waits for a second person")
    await nora.go_on_foot("Desk")
    assert await nora.reads("Nothing waits for you.")
    await paul.page.reload()
    await paul.follow(paul.day_in_words(month))
    await paul.press("Close %(month)s for ever")
    assert await paul.reads("Every month that is over is closed.")
    assert await closed_until() == bounds(next_month(MONTH))[0]


async def fetch_books(paul: Typist) -> bytes:
    """Have the books of the year written, and fetch them."""
    await paul.go_on_foot("Exports")
    await paul.press("Write the file")
    assert await write_exports() == 1
    await paul.page.reload()
    await paul.reach("FEC…")
    async with paul.page.expect_download() as downloading:
        await paul.page.keyboard.press("Enter")
    return (await (await downloading.value).path()).read_bytes()


@pytest.mark.deep
@pytest.mark.parametrize(("spoken", "size"), [("fr", PHONE), ("en", DESK)])
async def test_two_people_close_a_month_by_the_keyboard_alone(
    chromium: str, spoken: str, size: ViewportSize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYOUT_IBAN", OUR_IBAN)
    monkeypatch.setenv("PAYOUT_THRESHOLD_MINOR", "1")
    monkeypatch.setenv("EINVOICING_FROM", MONTH.isoformat())
    settings.cache_clear()
    async with platform_running() as platform, running() as market, open_visit(chromium, market) as visit:
        order, invoice = await business_of_a_month(platform)
        nora, paul = [
            await sit_down(visit.browser, visit.troubles, market.base, spoken, size) for _ in ("Nora", "Paul")
        ]
        await come_to_desk(nora, "nora@people.example")
        await settle_from_desk(nora, order, invoice)
        await come_to_desk(paul, "paul@people.example")
        await decide_from_desk(paul)
        await close_month_from_desk(nora, paul)
        books = (await fetch_books(paul)).decode("iso-8859-15")
        assert {invoice, "B1", "B2"} <= set(books.replace("\n", "\t").split("\t")), "the archive has what was settled"

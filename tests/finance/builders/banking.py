"""A little of everything that finance decides: bank lines explained, opened again and written off, a write-off, a closed month."""

import datetime as dt
import os
import uuid

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.demo.bank import Bank
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds
from marketplace.people.identity.actors import Actor
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import make_staff
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.decisions import decide
from tests.support.reads import fetch, fetch_one

LONG_AGO = dt.date(2020, 1, 1)


async def decide_everything() -> None:
    """Let two clerks do what clerks do."""
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    given = Statement([Entry(-30, "B1"), Entry(500, "B2"), Entry(-7, "B3"), Entry(80, "B4")], opening=1_000)
    await import_bank_statement(given.xml(), person=ada.person, new_account=True)
    first, second, third, _ = [row["id"] for row in await fetch("SELECT id FROM bank_line ORDER BY id")]
    await settle_line(first, [("fee", chart.BANK_CHARGES, -30)], ada)
    await settle_line(second, [("fee", chart.ADVANCES, 500)], ada)
    await undo_matches(second, bob, reason="Not an advance.")
    await _write_off("line_unexplained", str(third), ada, bob)
    order = await sales.write_sold_order()
    await _write_off("sale_without_charge", str(order), ada, bob)
    starts_at, ends_at = bounds(LONG_AGO)
    await execute(
        """INSERT INTO period (month, starts_at, ends_at, closed_at, closed_by, checks)
           VALUES ($1, $2, $3, $4, $5, '[]')""",
        LONG_AGO,
        starts_at,
        ends_at,
        ends_at + dt.timedelta(days=3),
        ada.person,
    )


async def _write_off(why: str, subject: str, one: Actor, other: Actor) -> None:
    form = uuid.uuid4()
    await propose_write_off(why, subject, one, reason="Too small to ask.", form_id=form)
    await decide(form, other, approve=True)


async def pay_subscribers() -> None:
    """Send a payout run of what one licence earns."""
    os.environ |= {"PAYOUT_IBAN": OUR_IBAN, "PAYOUT_THRESHOLD_MINOR": "1"}
    settings.cache_clear()
    order = await sales.write_paid_order()
    licence = await sales.write_settled(order)
    await sales.mirror_charge(order)
    await sales.hold_shares(licence)
    await sales.release_shares(licence)
    await payees.write_bank_details(1, 2, 3)
    await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))


async def bank_day(bank: Bank, days: int = 4) -> int:
    """Let the bank close a day that many days on, take its statement and match it; return how many lines were explained."""
    statement = bank.close_day(clock.now().date() + dt.timedelta(days=days))
    await import_bank_statement(statement, person=None, new_account=True)
    return await match_payouts()


async def bank_of_today() -> Bank:
    """Return our bank where its last statement left it."""
    last = await fetch_one("SELECT closing_minor, sequence FROM bank_statement ORDER BY sequence DESC LIMIT 1")
    bank = Bank(OUR_IBAN)
    if last:
        bank.balance_cents, bank.days = last["closing_minor"], last["sequence"]
    return bank


async def bank_pays(run: uuid.UUID) -> int:
    """Let the bank pay a sent run; return how many of its lines were explained."""
    bank = await bank_of_today()
    bank.submit(await file_of_run(run))
    return await bank_day(bank)

"""A little of everything that finance decides: bank lines explained, opened again and written off, a write-off, a closed month."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from marketplace.bank.actions import import_bank_statement
from marketplace.bank.candidates import settle_line
from marketplace.bank.matching import undo_matches
from marketplace.database import execute
from marketplace.finance.write_offs import decide_write_off, propose_write_off
from marketplace.ledger import chart
from marketplace.ledger.periods import bounds
from tests.marketplace.bank.statements import Entry, Statement
from tests.marketplace.finance import sales
from tests.marketplace.identity.site import make_staff
from tests.support.reads import fetch

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

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
    order = await sales.make_order()
    await sales.pay_unseen(order)
    await sales.settle(order)
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
    await decide_write_off(form, other, approve=True)

"""What becomes of rules for bank lines: a person ends one, and a job books what they are for.

A rule books money without anybody looking, so one person proposes it and another decides, and it books nothing larger
than it says. What it booked is a match like any other: undone on the line's page, and not booked again.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.locks import lock
from marketplace.finance.bank.matching import match_lines, on_account
from marketplace.finance.bank.rule_queries import SQL, LineToBook
from marketplace.finance.bank.rule_tables import BankRule
from marketplace.people.audit_trail.actions import note_action
from marketplace.subscribers.payouts import actions as payouts

if TYPE_CHECKING:
    import uuid

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

BATCH_SIZE: Final = 1_000


class StoredRule(Struct, frozen=True):
    """A rule as stored."""

    words: str
    account: str
    ended_at: dt.datetime | None


async def end_rule(rule: uuid.UUID, actor: Actor) -> None:
    """End a rule: from now on it books nothing, and what it booked stays."""
    async with transaction():
        row = await _lock_rule(rule)
        if row.ended_at is not None:
            raise Conflict("That rule books nothing, so there is nothing to end.")
        end: Values = {BankRule.ended_by: actor.person, BankRule.ended_at: clock.now()}
        await BankRule.update(end).where(BankRule.id == rule)
        await note_action(actor, "bank_rule_ended", row.words, before={"account": row.account})


async def _lock_rule(rule: uuid.UUID) -> StoredRule:
    return existing(
        await fetch_row(StoredRule, select(StoredRule, BankRule).where(BankRule.id == rule).lock_rows("UPDATE")),
        NotFound("There is no such rule."),
    )


async def book_by_rules() -> int:
    """Book the open lines that approved rules are for, and return how many. A job."""
    booked = 0
    while done := await _book_some():
        booked += done
    return booked


async def _book_some() -> int:
    async with transaction():
        await lock(payouts.LOCK)
        lines = await fetch_rows(LineToBook, SQL["lines_to_book"], BATCH_SIZE)
        matches = [on_account(row.line, row.account, row.amount_minor, reason=f"by_rule {row.rule}") for row in lines]
        await match_lines(matches, person=None)
    return len(lines)

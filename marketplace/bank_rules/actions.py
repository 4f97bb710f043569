"""The verbs of rules: propose one from a line, decide about another's, end one; and the job that books what they are for.

A rule books money without anybody looking, so one person proposes it and another decides, and it books nothing larger
than it says. What it booked is a match like any other: undone on the line's page, and not booked again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import check_reason, note_action
from marketplace.bank.matching import FEE_ACCOUNTS, match_lines, on_account
from marketplace.bank_rules.queries import SQL, LineToBook
from marketplace.bank_rules.tables import BankRule
from marketplace.database import fetch_row, fetch_rows, select, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.ledger import two_people
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import bank_rule_to_decide
from marketplace.messages.rules import Recipient
from marketplace.payouts import actions as payouts

if TYPE_CHECKING:
    from marketplace.database import Values
    from marketplace.identity.actors import Actor

SHORTEST_WORDS, LONGEST_WORDS = 3, 140
LARGEST_MINOR: Final = 10**12
BATCH_SIZE: Final = 1_000


class Stored(Struct, frozen=True):
    """A rule as stored."""

    words: str
    account: str
    reason: str
    proposed_by: uuid.UUID
    approved: bool | None
    ended_at: dt.datetime | None


def check_rule(words: str, most_minor: int, account: str) -> str:
    """Return a rule's words without the space around them; refuse what says too little, books nothing, or may not be."""
    plain = " ".join(words.split())
    if not SHORTEST_WORDS <= len(plain) <= LONGEST_WORDS:
        raise Invalid(
            "A rule needs {shortest} to {longest} characters of a line’s words.",
            shortest=SHORTEST_WORDS,
            longest=LONGEST_WORDS,
        )
    if not 0 < most_minor <= LARGEST_MINOR:
        raise Invalid("A rule needs an amount above zero that it books at most.")
    if account not in FEE_ACCOUNTS:
        raise Invalid("Choose an account of the list.")
    return plain


async def propose_rule(
    words: str,
    account: str,
    actor: Actor,
    *,
    comes_in: bool,
    most_minor: int,
    reason: str,
    form_id: uuid.UUID,
) -> None:
    """Propose to book lines with these words on an account, once a form; nothing is booked before another agrees."""
    words, reason = check_rule(words, most_minor, account), check_reason(reason)
    async with transaction():
        proposal = BankRule(
            id=form_id,
            words=words,
            comes_in=comes_in,
            most_minor=most_minor,
            account=account,
            reason=reason,
            proposed_by=actor.person,
            proposed_at=clock.now(),
        )
        if not await BankRule.insert(proposal).on_conflict(action="DO NOTHING").returning(BankRule.id):
            return
        noted = {"account": account, "amount_minor": most_minor}
        await note_action(actor, "bank_rule_proposed", words, reason=reason, after=noted)
        await send(bank_rule_to_decide.KIND, form_id, [Recipient("role", "finance")])


async def decide_rule(rule: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse what someone else proposed; approved, it books the open lines that it is for.

    Refuses who proposed it, and what was decided before.
    """
    async with transaction():
        row = await _lock_rule(rule)
        who = await two_people.decide(BankRule, rule, row, actor, approve=approve)
        await note_action(
            actor,
            "bank_rule_approved" if approve else "bank_rule_refused",
            row.words,
            reason=row.reason,
            after={"account": row.account} | who,
        )
    if approve:
        await book_by_rules()


async def end_rule(rule: uuid.UUID, actor: Actor) -> None:
    """End a rule: from now on it books nothing, and what it booked stays."""
    async with transaction():
        row = await _lock_rule(rule)
        if not row.approved or row.ended_at is not None:
            raise Conflict("That rule books nothing, so there is nothing to end.")
        end: Values = {BankRule.ended_by: actor.person, BankRule.ended_at: clock.now()}
        await BankRule.update(end).where(BankRule.id == rule)
        await note_action(actor, "bank_rule_ended", row.words, before={"account": row.account})


async def _lock_rule(rule: uuid.UUID) -> Stored:
    row = await fetch_row(Stored, select(Stored, BankRule).where(BankRule.id == rule).lock_rows("UPDATE"))
    if row is None:
        raise NotFound("There is no such rule.")
    return row


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

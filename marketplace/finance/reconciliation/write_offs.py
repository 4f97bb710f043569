"""Writing an exception off: one person proposes with a reason, another approves or refuses; the books follow the approval."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import in_words
from marketplace.core.words import Words
from marketplace.finance.bank.matching import Match, match_lines
from marketplace.finance.reconciliation.exception_queries import ExceptionRow, get_exception
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.finance.reconciliation.rules import may_write_off, write_off_postings
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.queries import find_proposal
from marketplace.people.proposals.rules import Decision, ProposalKind
from marketplace.subscribers.payouts import actions as payouts

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor


class ToWriteOff(Struct, frozen=True):
    """An exception as it was when somebody proposed to write it off; `amount_minor` in cents."""

    why: str
    subject: str
    reference: str
    amount_minor: int | None
    happened_at: dt.datetime


async def _check(document: ToWriteOff) -> None:
    # All that explains bank lines takes turns, and this writes off what a line may settle.
    await lock(payouts.LOCK)
    current = await _get_writable(document.why, document.subject)
    if current.amount_minor != document.amount_minor:
        raise Conflict("It is about another amount by now: refuse it, and propose it again.")


async def _get_writable(why: str, subject: str) -> ExceptionRow:
    row = await get_exception(why, subject)
    if not may_write_off(why, row.amount_minor):
        raise Conflict("That cannot be written off: it must be corrected where it comes from.")
    return row


async def _post(document: ToWriteOff, decision: Decision) -> None:
    amount, how = document.amount_minor, EXCEPTIONS[document.why].write_off
    if how is not None and how.is_match:
        assert amount, "a bank line moves something"
        account = chart.DIFFERENCES_GAINED if amount > 0 else chart.DIFFERENCES_LOST
        proposal = str(decision.proposal)
        match = Match(int(document.subject), "write_off", proposal, amount, account, reasons=("chosen",))
        await match_lines([match], person=decision.proposed_by)
    elif postings := write_off_postings(document.why, amount):
        await record(
            "write_off",
            decision.proposal,
            at=document.happened_at,
            late=True,
            text=f"{document.reference}: {decision.reason[:200]}",
            postings=postings,
        )


def _facts(document: ToWriteOff) -> list[tuple[str, str]]:
    return [(gettext("Why"), in_words(EXCEPTIONS[document.why].sentence, detail=""))]


WRITE_OFF: Final = ProposalKind(
    code="write_off",
    document=ToWriteOff,
    words=Words("Write-off to decide"),
    path="/finance/decisions?kind=write_off",
    refusal="Someone has proposed to write that off already.",
    check=_check,
    apply=_post,
    subject="{why} {subject}",
    reference="{reference}",
    about="{why} {reference}",
    facts=_facts,
    noted={"amount_minor": "amount_minor"},
)


async def propose_write_off(why: str, subject: str, actor: Actor, *, reason: str, form_id: uuid.UUID) -> None:
    """Propose to write an exception off; once a form, and one proposal an exception at a time."""
    reason = check_reason(reason)
    if await find_proposal(form_id):
        return
    row = await _get_writable(why, subject)
    document = ToWriteOff(why, subject, row.reference, row.amount_minor, row.at)
    await propose(WRITE_OFF, document, actor, form_id=form_id, reason=reason)

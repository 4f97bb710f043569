"""What may settle an exception: candidates from the other side, and settling one by a bank line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import PARIS
from marketplace.finance.bank.candidates import (
    Candidate,
    list_for_line,
    list_lines_for,
    list_lines_for_order,
    settle_line,
)
from marketplace.finance.bank.queries import get_line
from marketplace.finance.bank.rules import Clue
from marketplace.finance.reconciliation.exception_queries import ExceptionRow, get_exception
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


async def list_candidates(exception: ExceptionRow) -> list[Candidate]:
    """Return what may settle an exception, best first; none for what a bank line cannot settle."""
    subject = exception.subject
    match EXCEPTIONS[exception.why].settled_by:
        case "line":
            return await list_for_line((await get_line(int(subject))).line)
        case "order":
            return await list_lines_for_order(subject)
        case "payout" | "payout_line" as kind:
            assert exception.amount_minor is not None, "a payout has an amount"
            day = exception.at.astimezone(PARIS).date()
            payer = "Stripe" if kind == "payout" else ""
            return await list_lines_for(Clue(exception.amount_minor, day, [subject], subject, payer))
        case _:
            return []


async def settle_by_line(why: str, subject: str, line_id: int, actor: Actor) -> None:
    """Settle a payout or a sale without money, or one that the bank kept, with one bank line of the same amount."""
    exception = await get_exception(why, subject)
    kind = EXCEPTIONS[why].settled_by
    if kind in ("", "line"):
        raise Invalid("A bank line does not settle that.")
    line = (await get_line(line_id)).line
    if line.amount_minor != exception.amount_minor:
        raise Invalid("The bank line is of another amount: split it instead.")
    await settle_line(line_id, [(kind, subject, line.amount_minor)], actor)

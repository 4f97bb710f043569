"""What may settle an exception: candidates from the other side, and settling one by a bank line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.bank.candidates import Candidate, list_for_line, list_lines_for, list_lines_for_order, settle_line
from marketplace.bank.queries import get_line
from marketplace.bank.rules import Clue
from marketplace.errors import Invalid
from marketplace.finance.exceptions import get_exception
from marketplace.web.formats import PARIS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import asyncpg

    from marketplace.identity.actors import Actor


async def list_candidates(exception: Mapping[str, Any] | asyncpg.Record) -> list[Candidate]:
    """Return what may settle an exception, best first; none for what a bank line cannot settle."""
    why, subject = exception["why"], exception["subject"]
    if why == "line_unexplained":
        return await list_for_line(await get_line(int(subject)))
    if why in ("payout_without_line", "payout_kept"):
        at = exception["at"].astimezone(PARIS).date()
        payer = "Stripe" if why == "payout_without_line" else ""
        return await list_lines_for(Clue(exception["amount_minor"], at, [subject], subject, payer))
    if why == "sale_without_charge":
        return await list_lines_for_order(subject)
    return []


async def settle_by_line(why: str, subject: str, line_id: int, actor: Actor) -> None:
    """Settle a payout or a sale without money, or one that the bank kept, with one bank line of the same amount."""
    exception = await get_exception(why, subject)
    kind = {"payout_without_line": "payout", "payout_kept": "payout_line", "sale_without_charge": "order"}.get(why)
    if kind is None:
        raise Invalid("A bank line does not settle that.")
    line = await get_line(line_id)
    if line["amount_minor"] != exception["amount_minor"]:
        raise Invalid("The bank line is of another amount: split it instead.")
    await settle_line(line_id, [(kind, subject, line["amount_minor"])], actor)

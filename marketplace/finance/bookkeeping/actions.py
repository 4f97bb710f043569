"""Bookkeeping's verb: reverse an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.database import transaction
from marketplace.core.errors import Conflict
from marketplace.finance.bookkeeping.rules import REVERSIBLE
from marketplace.money.ledger.actions import reverse
from marketplace.money.ledger.queries import get_entry
from marketplace.people.audit_trail.actions import check_reason, note_action

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


async def reverse_entry(entry_id: int, actor: Actor, *, reason: str) -> int:
    """Reverse an entry by a new one that points to it, and record who and why; return the new entry's id."""
    reason = check_reason(reason)
    whole = await get_entry(entry_id)
    if whole.entry.kind not in REVERSIBLE:
        raise Conflict("That entry follows something else, which must be undone where it happened.")
    async with transaction():
        made = await reverse(entry_id, text=f"Reversal: {reason[:200]}")
        await note_action(actor, "entry_reversed", f"entry {entry_id}", reason=reason, after={"entry": made})
    return made

"""Months closed by two people: one proposes a month whose checks pass, another agrees, and it is closed for ever.

The checks are made again as the second person agrees: what came in between stops the close, and the proposal waits.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.words import Words
from marketplace.finance.bookkeeping.closing import check_closable, close_month
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor


class Month(Struct, frozen=True):
    """A month, as 2026-11."""

    month: str

    @property
    def first(self) -> dt.date:
        """Its first day."""
        return dt.date.fromisoformat(f"{self.month}-01")


async def _check(document: Month) -> None:
    await check_closable(document.first)


async def _close(document: Month, decision: Decision) -> None:
    await close_month(document.first, decision.actor, decision.noted)


CLOSE_MONTH: Final = ProposalKind(
    code="month",
    document=Month,
    words=Words("Month to close"),
    path="/finance/periods",
    refusal="Someone has proposed to close that month already.",
    check=_check,
    apply=_close,
    subject="{month}",
    reference="{month}",
    verbs={"proposed": "period_close_proposed", "approved": "", "refused": "period_close_refused"},
)


async def propose_month(month: dt.date, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Propose to close a month, named by its first day, once a form; refuses one of which a check fails, or that waits."""
    await propose(CLOSE_MONTH, Month(month.isoformat()[:7]), actor, form_id=form_id)

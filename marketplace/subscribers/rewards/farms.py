"""Farms of lines: many lines with one payout account, or signed in from one browser, and a person's decision.

No program stops anything. A person of finance finds nothing wrong, or stops payouts to those accounts; either decision
is recorded with person, time and reason, and the subscribers concerned get a message.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_rows, transaction
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.message_kinds import PAYOUTS_GO_ON, PAYOUTS_WAIT
from marketplace.subscribers.payouts.actions import LOCK
from marketplace.subscribers.payouts.bank_details import mark_held
from marketplace.subscribers.rewards.queries import SQL
from marketplace.subscribers.rewards.tables import FarmDecision

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor

LINES_OF_A_FARM: Final = 5
"""An account with this many lines is shown to a person: families have fewer."""
FARMS_SHOWN: Final = 50
KINDS: Final = {
    "account": (SQL["list_account_farms"], SQL["list_lines_of_account"]),
    "browser": (SQL["list_browser_farms"], SQL["list_lines_of_browser"]),
}
"""What lines can share → the statements that find such farms, and the lines of one."""


class FarmRow(Struct, frozen=True):
    """The visible part of an account or a browser that many lines share, and the last decision."""

    key: str
    """Its mark: the account's keyed fingerprint, or a hash of browser and network."""
    name: str
    lines: int
    is_held: bool
    """Whether payouts to an account wait; for a browser, its lines' accounts show it."""
    first_at: dt.datetime
    decision: str | None
    """fine or wait."""
    reason: str | None
    decided_lines: int | None
    """How many lines it had at the decision."""
    decided_at: dt.datetime | None
    decided_by: str | None

    @property
    def is_many(self) -> bool:
        """Return whether it has enough lines for payouts to be stopped."""
        return self.lines >= LINES_OF_A_FARM

    @property
    def is_decided(self) -> bool:
        """Return whether somebody decided about it, and it has gained no line since."""
        return self.decided_lines is not None and self.lines <= self.decided_lines


async def list_farms(kind: str) -> list[FarmRow]:
    """Return accounts, or browsers at one network, with many lines, the undecided first.

    It reads the browsers of the last week, and adds the accounts with stopped payouts.
    """
    return await fetch_rows(FarmRow, KINDS[kind][0], LINES_OF_A_FARM, FARMS_SHOWN)


async def decide(kind: str, key: str, decision: str, *, reason: str, actor: Actor, form: uuid.UUID) -> None:
    """Record a person's decision about a farm, once a form, and write to the people whose payouts stop or resume.

    fine: nothing is wrong, and payouts that waited are resumed. wait: payouts to these accounts wait until it is fine.
    """
    reason = check_reason(reason)
    if kind not in KINDS or decision not in {"fine", "wait"}:
        raise Invalid("Choose one of the decisions that are offered.")
    async with transaction():
        await lock(LOCK)
        if await FarmDecision.exists().where(FarmDecision.id == form):
            return
        lines = await fetch_column(int, KINDS[kind][1], key)
        if len(lines) < (1 if decision == "fine" else LINES_OF_A_FARM):
            raise NotFound("No account or browser has that many lines any more.")
        await FarmDecision.insert(
            FarmDecision(
                id=form,
                kind=kind,
                key=key,
                lines=len(lines),
                decision=decision,
                reason=reason,
                decided_by=actor.person,
                decided_at=clock.now(),
            )
        )
        touched = await mark_held(lines, clock.now() if decision == "wait" else None)
        message = PAYOUTS_WAIT if decision == "wait" else PAYOUTS_GO_ON
        await send_each(message, [(f"{form} {line}", Recipient("line", str(line)), {}) for line in touched])
        about = {"kind": kind, "lines": len(lines), "decision": decision, "people": len(touched)}
        await note_action(actor, "farm_decided", form, reason=reason, after=about)

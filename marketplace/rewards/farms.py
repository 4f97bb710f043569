"""Farms of lines: many that want their money at one account, or sign in with one browser, and what a person decided.

Nothing is stopped by a program. A person of finance finds nothing wrong, or has payouts to those accounts wait; either is
recorded with who, when and why, and those it concerns are written to.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import check_reason, note_action
from marketplace.database import fetch_rows, transaction
from marketplace.errors import Invalid, NotFound
from marketplace.locks import lock
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import payouts_go_on, payouts_wait
from marketplace.messages.rules import Recipient
from marketplace.payouts.actions import LOCK
from marketplace.payouts.bank_details import LineRow, mark_held
from marketplace.rewards.queries import SQL
from marketplace.rewards.tables import FarmDecision

if TYPE_CHECKING:
    import uuid

    from marketplace.identity.actors import Actor

LINES_OF_A_FARM: Final = 5
"""So many lines of one account are shown to a person: families have fewer."""
FARMS_SHOWN: Final = 50
KINDS: Final = {
    "account": (SQL["list_account_farms"], SQL["list_lines_of_account"]),
    "browser": (SQL["list_browser_farms"], SQL["list_lines_of_browser"]),
}
"""What lines can share → the statements that find such farms, and the lines of one."""


class FarmRow(Struct, frozen=True):
    """An account or a browser that many lines share, as far as it is shown, and what was decided last."""

    key: str
    """What distinguishes it: the account's keyed fingerprint, or a hash of browser and network."""
    name: str
    lines: int
    is_held: bool
    """Whether payouts to an account wait; of a browser it is its lines' accounts that say so."""
    first_at: dt.datetime
    decision: str | None
    """fine or wait."""
    reason: str | None
    decided_lines: int | None
    """How many lines it had then."""
    decided_at: dt.datetime | None
    decided_by: str | None

    @property
    def is_many(self) -> bool:
        """Return whether it has so many lines that payouts may be made to wait."""
        return self.lines >= LINES_OF_A_FARM

    @property
    def is_decided(self) -> bool:
        """Return whether somebody decided about it, and it has no more lines since."""
        return self.decided_lines is not None and self.lines <= self.decided_lines


async def list_farms(kind: str) -> list[FarmRow]:
    """Return the accounts, or the browsers at one network of the last week, with many lines, and accounts to which payouts wait; the undecided first."""
    return await fetch_rows(FarmRow, KINDS[kind][0], LINES_OF_A_FARM, FARMS_SHOWN)


async def decide(kind: str, key: str, decision: str, *, reason: str, actor: Actor, form: uuid.UUID) -> None:
    """Record what a person decided about a farm, once a form, and write to those whose payouts wait for it or go on.

    fine: nothing is wrong, and payouts that waited go on. wait: payouts to these accounts wait until it is fine.
    """
    reason = check_reason(reason)
    if kind not in KINDS or decision not in {"fine", "wait"}:
        raise Invalid("Choose one of the decisions that are offered.")
    async with transaction():
        await lock(LOCK)
        if await FarmDecision.exists().where(FarmDecision.id == form):
            return
        lines = [row.subscriber for row in await fetch_rows(LineRow, KINDS[kind][1], key)]
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
        message = payouts_wait if decision == "wait" else payouts_go_on
        await send_each(message.KIND, [(f"{form} {line}", Recipient("line", str(line)), {}) for line in touched])
        about = {"kind": kind, "lines": len(lines), "decision": decision, "people": len(touched)}
        await note_action(actor, "farm_decided", form, reason=reason, after=about)

"""Accounts for Stripe's categories that the chart does not know: one person proposes one, another decides.

Until then nothing of the category is posted and no month closes. What was posted stays where it is: an account that is
approved later for the same category counts for what is posted from then on.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import check_reason, note_action
from marketplace.database import fetch_rows, select, transaction
from marketplace.errors import Conflict, Invalid
from marketplace.ledger import chart, two_people
from marketplace.ledger.entry_kinds import ENTRY_KINDS
from marketplace.ledger.tables import CategoryAccount
from marketplace.messages.actions import send
from marketplace.messages.kinds import category_account_to_decide
from marketplace.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

MAY_COUNTER: Final = (
    chart.SUPPLIERS,
    chart.PARTNERS,
    chart.DISPUTES,
    chart.VAT_DEDUCTIBLE,
    chart.TRANSFERS,
    chart.FEES_OF_THIRD_PARTIES,
    chart.STRIPE_FEES,
    chart.BANK_CHARGES,
    chart.LOSSES,
    chart.DIFFERENCES_LOST,
    chart.DIFFERENCES_GAINED,
)
"""Accounts that people may choose: others have a sub-ledger, a bank or a sale behind them that must agree with them."""


PROPOSED_BY: Final = {
    "": "approved IS NOT NULL, proposed_at DESC",
    "category": "category, proposed_at",
    "account": "account, proposed_at",
    "proposed": "proposed_at",
    "decided": "decided_at",
}
"""What the accounts proposed are sorted by → SQL."""


class CategoryRow(Struct, frozen=True):
    """An account proposed for a category, with the names of both people; `approved` None until somebody decides."""

    id: uuid.UUID
    category: str
    account: str
    reason: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None


class Proposed(Struct, frozen=True):
    """A proposal as stored."""

    category: str
    account: str
    reason: str
    proposed_by: uuid.UUID
    approved: bool | None


class Given(Struct, frozen=True):
    """The account that two people gave a category."""

    category: str
    account: str


async def list_given_accounts() -> dict[str, str]:
    """Return the account that two people gave each category, by category: what was approved last."""
    approved = select(Given, CategoryAccount).where(CategoryAccount.approved.eq(value=True))
    return {row.category: row.account for row in await fetch_rows(Given, approved.order_by(CategoryAccount.decided_at))}


async def list_category_accounts(which: str = "", sort: str = "") -> list[CategoryRow]:
    """Return what was ever proposed in an order of `PROPOSED_BY`: what waits first, then the newest, where it names none.

    `which` narrows it to what is waiting, approved or refused.
    """
    order = PROPOSED_BY.get(sort, PROPOSED_BY[""])
    return await fetch_rows(
        CategoryRow,
        f"""SELECT category_account.id, category, account, reason, proposed_by, proposed_at, decided_at, approved,
                  proposer.name AS proposer, decider.name AS decider
           FROM category_account JOIN person AS proposer ON proposer.id = proposed_by
           LEFT JOIN person AS decider ON decider.id = decided_by
           WHERE CASE $1::text WHEN 'waiting' THEN approved IS NULL WHEN 'approved' THEN approved
                               WHEN 'refused' THEN NOT approved ELSE true END
           ORDER BY {order}, category_account.id""",
        which,
    )


async def propose_category_account(
    category: str, account: str, actor: Actor, *, reason: str, form_id: uuid.UUID
) -> None:
    """Propose an account for a category: once a form, and one proposal a category at a time."""
    reason = check_reason(reason)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", category):
        raise Invalid("Stripe has no category of that name.")
    if f"stripe_{category}" in ENTRY_KINDS:
        raise Conflict("The chart has an account for that category.")
    if account not in MAY_COUNTER:
        raise Invalid("Choose an account of the list.")
    async with transaction():
        proposal = CategoryAccount(
            id=form_id,
            category=category,
            account=account,
            reason=reason,
            proposed_by=actor.person,
            proposed_at=clock.now(),
        )
        refusal = Conflict("Someone has proposed an account for that category already.")
        if not await two_people.propose(proposal, otherwise=refusal):
            return
        await note_action(actor, "category_account_proposed", category, reason=reason, after={"account": account})
        await send(category_account_to_decide.KIND, form_id, [Recipient("role", "finance")])


async def decide_category_account(proposal: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse what someone else proposed; refuses who proposed it, and what was decided before."""
    async with transaction():
        row = await two_people.lock_proposal(Proposed, CategoryAccount, proposal)
        who = await two_people.decide(CategoryAccount, proposal, row, actor, approve=approve)
        await note_action(
            actor,
            "category_account_approved" if approve else "category_account_refused",
            row.category,
            reason=row.reason,
            after={"account": row.account} | who,
        )

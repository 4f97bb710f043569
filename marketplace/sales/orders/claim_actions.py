"""Claims: a partner files one, one person proposes, another decides; until then the licence's shares wait.

The clock of their hold stops too: after a dismissed claim they are held for the time of the claim longer. A granted
claim requests its refund in the transaction that decides, and the shares follow as after any refund.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Expired, NotAllowed
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.proposals.actions import signs_of_two
from marketplace.sales.message_kinds import CLAIM_ANSWERED, CLAIM_FILED
from marketplace.sales.orders import claim_rules
from marketplace.sales.orders.claim_queries import ClaimRow, get_claim
from marketplace.sales.orders.claim_tables import Claim
from marketplace.sales.orders.queries import get_order
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.orders.returns import freeze_shares, thaw_shares

if TYPE_CHECKING:
    import uuid

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


async def file_claim(partner: uuid.UUID, order: uuid.UUID, reason: str, evidence: str, *, claim: uuid.UUID) -> None:
    """File a claim about a partner's own order and stop its shares; the same id files once.

    Refuses another partner's order, an order that is not paid, has ended or was paid more than rules.CLAIM_DAYS ago,
    and a second claim while one is open.
    """
    row = await get_order(partner, order)
    async with transaction():
        await lock(f"claims {order}")
        if await Claim.exists().where(Claim.id == claim, Claim.purchase_order == order):
            return
        now = clock.now()
        is_over = row.cancelled_at is not None or row.revoked_at is not None
        given = claim_rules.check_claim(
            reason, evidence, state=row.state, paid_at=row.paid_at, is_over=is_over, now=now
        )
        if await Claim.exists().where(Claim.purchase_order == order, Claim.outcome == ""):
            raise Conflict("Your claim about this order is being looked at already.")
        if await Claim.exists().where(Claim.id == claim):
            raise Conflict("That claim already exists; go back, reload the page and try again.")
        await Claim.insert(Claim(id=claim, purchase_order=order, reason=reason, evidence=given, filed_at=now))
        await freeze_shares(order, now)
        await send(CLAIM_FILED, claim, [Recipient("role", "finance")], number=row.number)


async def withdraw_claim(partner: uuid.UUID, order: uuid.UUID) -> None:
    """Withdraw the open claim about a partner's own order, if there is one: its shares continue as before."""
    await get_order(partner, order)
    async with transaction():
        await lock(f"claims {order}")
        now = clock.now()
        withdrawn: Values = {Claim.outcome: "withdrawn", Claim.ended_at: now}
        is_open = (Claim.purchase_order == order) & (Claim.outcome == "")
        if await Claim.update(withdrawn).where(is_open).returning(Claim.id):
            await thaw_shares(order, now)


async def propose(who: Actor, claim: uuid.UUID, proposal: str, answer: str, *, refund_minor: int | None) -> None:
    """Propose a decision of a claim, or replace the proposal; the partner reads the answer once another person agreed.

    Sending it again changes nothing.

    refund_minor: VAT included, in cents; None without a refund.
    """
    async with transaction():
        row = await _lock_open(claim)
        amount = refund_minor if proposal == "refund" else None
        given = claim_rules.check_proposal(proposal, answer, amount, row.left_minor)
        if (row.proposed_by, row.proposal, row.refund_minor, row.answer) == (who.person, proposal, amount, given):
            return
        proposed: Values = {
            Claim.proposal: proposal,
            Claim.refund_minor: amount,
            Claim.answer: given,
            Claim.proposed_by: who.person,
            Claim.proposed_at: clock.now(),
        }
        await Claim.update(proposed).where(Claim.id == claim)
        after = {"proposal": proposal, "refund_minor": amount}
        await note_action(who, "claim_proposed", f"order {row.purchase_order}", reason=given, after=after)


async def decide(who: Actor, claim: uuid.UUID, *, sha256: str, agree: bool) -> None:
    """Agree to another person's proposal, which decides the claim; or refuse it, and the claim waits for another.

    sha256: the hash of the decision that the person saw; refuses another one, proposed since. A refund is requested in
    the same transaction; while the payment is disputed it is refused, and the bank decides first.
    """
    async with transaction():
        row = await _lock_open(claim)
        if row.proposed_by is None:
            raise Conflict("Nobody has proposed a decision yet.")
        if row.proposed_by == who.person:
            raise NotAllowed("You proposed it: someone else must decide.")
        if row.decision_sha256 != sha256:
            raise Conflict("That is not the document that you looked at: read it again.")
        now = clock.now()
        if agree:
            await _decide(row, who, now_decided={Claim.outcome: row.proposal, Claim.decided_by: who.person})
        else:
            forgotten: Values = {
                Claim.proposal: "",
                Claim.refund_minor: None,
                Claim.answer: "",
                Claim.proposed_by: None,
                Claim.proposed_at: None,
            }
            await Claim.update(forgotten).where(Claim.id == claim)
        await note_action(
            who,
            "claim_decided" if agree else "claim_proposal_refused",
            f"order {row.purchase_order}",
            reason=row.answer,
            before={"outcome": ""},
            after={"outcome": row.proposal if agree else "", "refund_minor": row.refund_minor, "at": now.isoformat()}
            | await signs_of_two(who.person, row.proposed_by),
        )


async def _decide(row: ClaimRow, who: Actor, *, now_decided: Values) -> None:
    """Write the outcome, resume the shares, request the refund, and write to the partner."""
    now = clock.now()
    await Claim.update(now_decided | {Claim.ended_at: now}).where(Claim.id == row.id)
    await thaw_shares(row.purchase_order, now)
    if row.proposal == "refund":
        # Two people decided: the operator bears the loss on shares that are no longer held.
        await request_order_refund(
            row.purchase_order,
            f"{row.proposer}, {who.name} (claim)",
            refund_id=row.id,
            amount_minor=row.refund_minor,
            bears_loss=True,
        )
    to = [Recipient("partner", str(row.partner))]
    await send(CLAIM_ANSWERED, row.id, to, number=row.number, id=str(row.purchase_order))


async def _lock_open(claim: uuid.UUID) -> ClaimRow:
    """Return a claim, locked until the transaction ends; refuse a decided or withdrawn one."""
    await lock(f"claims {(await get_claim(claim)).purchase_order}")
    row = await get_claim(claim)
    if row.outcome:
        raise Expired("That claim is decided already, or was withdrawn.")
    return row

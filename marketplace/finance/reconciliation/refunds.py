"""Refunds of two people: one proposes how much of an order's money goes back, another approves exactly that amount."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import transaction
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.people.audit_trail.actions import check_reason
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.queries import find_proposal
from marketplace.people.proposals.rules import Decision, ProposalKind
from marketplace.sales.orders.refunds import check_order_refund, request_order_refund

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


class OrderRefund(Struct, frozen=True):
    """What goes back of an order's payment, VAT included, in cents; `bears_loss`: after the hold, at the operator's loss."""

    order: uuid.UUID
    number: str
    amount_minor: int
    bears_loss: bool


async def propose_refund(
    order: uuid.UUID,
    amount_minor: int | None,
    actor: Actor,
    *,
    reason: str,
    form_id: uuid.UUID,
    bears_loss: bool = False,
) -> None:
    """Propose to refund an order, or a part of it, once a form; one proposal of an order waits at a time.

    amount_minor: VAT included; None: all that remains now. bears_loss: after the hold, the operator pays for shares
    that the subscribers keep.
    """
    reason = check_reason(reason)
    async with transaction():
        if await find_proposal(form_id):
            return
        number, amount = await check_order_refund(order, amount_minor, bears_loss=bears_loss)
        document = OrderRefund(order, number, amount, bears_loss)
        await propose(REFUND, document, actor, form_id=form_id, reason=reason)


async def _check(document: OrderRefund) -> None:
    await check_order_refund(document.order, document.amount_minor, bears_loss=document.bears_loss)


async def _refund(document: OrderRefund, decision: Decision) -> None:
    await request_order_refund(
        document.order,
        f"{decision.proposer}, {decision.actor.name}",
        refund_id=decision.proposal,
        amount_minor=document.amount_minor,
        bears_loss=document.bears_loss,
    )


def _facts(document: OrderRefund) -> list[tuple[str, str]]:
    return [(gettext("Loss"), gettext("The operator bears the loss"))] if document.bears_loss else []


REFUND: Final = ProposalKind(
    code="refund",
    document=OrderRefund,
    words=Words("Refund to decide"),
    path="/finance/orders/{order}",
    refusal="Someone has proposed a refund of that order already.",
    check=_check,
    apply=_refund,
    subject="{order}",
    reference="{number}",
    about="order {order}",
    facts=_facts,
    noted={"amount_minor": "amount_minor", "bears_loss": "bears_loss"},
)

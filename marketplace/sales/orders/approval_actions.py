"""An approver's decision: approve exactly the order that somebody else asked for, which places it, or refuse it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.ending import require_approver
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.spending.rules import Spender
from marketplace.sales.message_kinds import PURCHASE_APPROVED, PURCHASE_REFUSED
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.approval_queries import get_request
from marketplace.sales.orders.approval_rules import check_decision
from marketplace.sales.orders.approval_tables import PurchaseRequest
from marketplace.sales.orders.rules import ENGLISH_CHECKOUT, CheckoutWords

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


async def decide(
    who: Actor,
    quote: uuid.UUID,
    *,
    sha256: str,
    approve: bool,
    email: str,
    words: CheckoutWords = ENGLISH_CHECKOUT,
) -> uuid.UUID | None:
    """Approve an order, and place it for who asked, or refuse it; return the order.

    sha256: the hash of the document that the approver looked at. email: for Stripe's receipt. The decision is
    committed before the order is placed, and says so even if the order is refused by then, such as by a revoked limit;
    approving again tries again. An order that is not exactly that document any more, such as by another VAT, is not
    placed: its new document waits for a decision of its own.
    """
    assert who.partner
    async with transaction():
        await require_approver(who.partner, who.person)
        asked = PurchaseRequest.select(PurchaseRequest.id).where(PurchaseRequest.quote == quote)
        await fetch_scalar(uuid.UUID, asked.lock_rows("UPDATE"))
        row = await get_request(quote, who.partner)
        now = clock.now()
        check_decision(
            is_own=row.asked_by == who.person,
            is_expired=row.expires_at <= now,
            is_ordered=row.purchase_order is not None,
            same=row.document_sha256 == sha256,
            approved=row.approved,
            approve=approve,
        )
        if row.approved is None:
            decided: Values = {"decided_by": who.person, "decided_at": now, "approved": approve}
            await PurchaseRequest.update(decided).where(PurchaseRequest.id == row.id)
            await note_access(who, "purchase_approved" if approve else "purchase_refused", quote, sha256=sha256)
            if row.asked_by:
                kind = PURCHASE_APPROVED if approve else PURCHASE_REFUSED
                await send(kind, sha256, [Recipient("person", str(row.asked_by))], quote=str(quote))
    if not approve:
        return None
    document = row.read()
    return await order(
        who.partner,
        quote,
        by=Spender(who.partner, None if row.api_key else row.asked_by, row.api_key),
        order_id=row.id,
        email=email,
        words=words,
        reference=document.reference,
        reason=document.reason,
        terms=document.terms,
        pay_by=document.pay_by,
    )

"""Orders under spending limits: each is counted where it is placed, and not any more once it lapsed and cannot be paid.

An order beyond what its spender may order without approval is asked of the company's approvers: its administrators, and who has that role.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import asyncpg
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_scalar, transaction
from marketplace.core.errors import Conflict
from marketplace.core.statements import load_statements
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.proposals.rules import fingerprint, written
from marketplace.people.spending.actions import return_spent, spend
from marketplace.people.spending.rules import BeyondLimit, Purchase
from marketplace.sales.message_kinds import PURCHASE_TO_APPROVE
from marketplace.sales.orders.approval_queries import SQL as APPROVALS
from marketplace.sales.orders.approval_queries import get_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.spending.rules import Spender
    from marketplace.sales.orders.approval_rules import PurchaseDocument
    from marketplace.sales.orders.tables import Order

SQL: Final = load_statements(__package__, "limit_queries.sql")
RETURNED_WITHIN: Final = dt.timedelta(days=40)
"""Longer than an order of this month or a transfer may wait before it lapses."""
BATCH_SIZE: Final = 200


class WrittenRequest(Struct, frozen=True):
    """A request that was written just now: who orders, or who made the key that does."""

    asked_by: uuid.UUID | None


async def count_order(
    by: Spender,
    order: Order,
    datasets: Sequence[str],
    purposes: Sequence[str],
    approval: tuple[uuid.UUID, PurchaseDocument] | None = None,
) -> None:
    """Count an order of these datasets against the spending limit of who places it, in the transaction that writes it.

    approval: the quote and the document that an approver may have approved; None: nobody was asked. Refuses, with BeyondLimit, what the limit
    does not allow.
    """
    await return_lapsed(by.partner)
    given = (approval[0], fingerprint(approval[1])) if approval else None
    approver = await fetch_scalar(uuid.UUID, APPROVALS["find_approver"], *given) if given else None
    await spend(by, Purchase(order.id, order.net_minor, datasets, purposes, approver), order.ordered_at)


async def ask_approval(by: Spender, quote: uuid.UUID, order: uuid.UUID, document: PurchaseDocument) -> None:
    """Ask the company's approvers to approve exactly this order, each by a message; once a document.

    Refuses, with BeyondLimit, what one of them refused, and where nobody else may approve it.
    """
    now, sha256 = clock.now(), fingerprint(document)
    given = (order, quote, by.person, by.key, written(document), sha256, now)
    try:
        async with transaction():
            if new := await fetch_row(WrittenRequest, APPROVALS["ask"], *given):
                to = await fetch_column(str, APPROVALS["list_approvers"], by.partner, new.asked_by)
                if not to:
                    raise BeyondLimit("Nobody else may approve this order: it needs a second approver.")
                row = await get_request(quote, by.partner)
                people = [Recipient("person", one) for one in to]
                await send(PURCHASE_TO_APPROVE, sha256, people, name=row.asker, quote=str(quote))
                await note_access(by.person, "approval_asked", quote, sha256=sha256, key=by.key)
    except asyncpg.UniqueViolationError:
        raise Conflict(
            "That order already exists, for another quote; go back, reload the page and try again."
        ) from None
    if (await get_request(quote, by.partner)).approved is False:
        raise BeyondLimit("An approver of your company refused this order.")


async def is_stopped(order: uuid.UUID) -> bool:
    """Return whether the spending limit of an order is not in force any more."""
    return bool(await fetch_scalar(bool, SQL["is_stopped"], order))


async def return_lapsed(partner: uuid.UUID | None = None) -> int:
    """Return to spending limits what lapsed orders had counted for that nobody can pay; return how many.

    partner: whose; None: everybody's.
    """
    lapsed = await fetch_column(uuid.UUID, SQL["list_lapsed"], partner, RETURNED_WITHIN, BATCH_SIZE)
    return await return_spent(lapsed)

"""Service credits: refunds for a subscription's release that came late, or covers fewer people than sold.

A shortfall is recorded with the order; once the order is paid, that part is refunded like any other: an entry, a credit
note, and the operator's loss. The shares of the people in it stay.
"""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.datasets.releases.tables import Release
from marketplace.money.payments.queries import find_refund_amount
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.message_kinds import SERVICE_CREDITED_LATE, SERVICE_CREDITED_SHORT, SERVICE_CREDITED_TWICE
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.orders.tables import OrderReturn
from marketplace.sales.subscriptions.queries import SQL
from marketplace.sales.subscriptions.tables import ServiceCredit
from pricing.credits import credit_basis_points, credit_minor

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import ListedRelease
    from marketplace.core.database import Values

BATCH_SIZE = 200
LEAST_DAYS = 3
DAY = dt.timedelta(days=1)


class DeliveredRelease(Struct, frozen=True):
    """A subscription's promises and the facts of its order's release; coverage in millionths."""

    promised_days: int
    promised_coverage_micro: int
    waited_since: dt.datetime
    first_sealed_at: dt.datetime
    coverage_micro: int
    total_minor: int


class DueCredit(Struct, frozen=True):
    """A credit of a paid order, the refund in cents, and the shortfall of its release; coverage in millionths."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    partner: uuid.UUID
    number: str
    refund_minor: int
    days_late: int
    coverage_micro: int
    promised_coverage_micro: int


async def days_to_promise(latest: ListedRelease) -> int:
    """Return within how many days of its period's end a release is promised: a day more than the latest one needed."""
    sealed_at = await fetch_scalar(dt.datetime, Release.select(Release.sealed_at).where(Release.id == latest.id))
    return max(LEAST_DAYS, -(-((sealed_at or latest.period_to) - latest.period_to) // DAY) + 1)


async def note_credit(subscription: uuid.UUID, order: uuid.UUID) -> None:
    """Record the credit of an order, if its release falls short; in the transaction that orders it."""
    row = await fetch_row(DeliveredRelease, SQL["get_delivered"], subscription, order)
    assert row, "a subscription promises, and its order is of a release"
    days_late = max(-(-(row.first_sealed_at - row.waited_since - row.promised_days * DAY) // DAY), 0)
    part = credit_basis_points(days_late, row.coverage_micro, row.promised_coverage_micro)
    if part:
        await ServiceCredit.insert(
            ServiceCredit(
                id=uuid.uuid4(),
                purchase_order=order,
                subscription=subscription,
                days_late=days_late,
                coverage_micro=row.coverage_micro,
                promised_coverage_micro=row.promised_coverage_micro,
                basis_points=part,
                refund_minor=credit_minor(row.total_minor, part),
            )
        )


async def give_credits() -> int:
    """Request the refunds of credits whose orders are paid, each once; return how many. A part of the job.

    While money of the order is under way or disputed, the credit waits, without delaying others. A credit refunds at
    most what remains of the order; nothing if all of it is being refunded.
    """
    given, after = 0, uuid.UUID(int=0)
    while due := await fetch_rows(DueCredit, SQL["list_due_credits"], BATCH_SIZE, after):
        for credit in due:
            with suppress(Conflict, Invalid):
                given += await _give(credit)
        after = due[-1].id
    return given


async def _give(due: DueCredit) -> bool:
    """Request one credit's refund and write to the partner; return whether it was needed: the whole may be refunded."""
    async with transaction():
        await request_order_refund(
            due.purchase_order,
            "service credit",
            refund_id=due.id,
            amount_minor=due.refund_minor,
            bears_loss=True,
        )
        on_credit = OrderReturn.exists().where(OrderReturn.id == due.id)
        if await find_refund_amount(due.id) is None and not await on_credit:
            return False
        asked: Values = {ServiceCredit.asked_at: clock.now(), ServiceCredit.refund_minor: due.refund_minor}
        await ServiceCredit.update(asked).where(ServiceCredit.id == due.id)
        await _report(due)
    return True


async def _report(due: DueCredit) -> None:
    """Write to the partner which promise was missed, the day, the coverage or both, inside the credit's transaction."""
    is_short = due.coverage_micro < due.promised_coverage_micro
    late = {"days": str(due.days_late)} if due.days_late else {}
    short = (
        {"covered_micro": str(due.coverage_micro), "sold_micro": str(due.promised_coverage_micro)} if is_short else {}
    )
    kind = SERVICE_CREDITED_TWICE if late and short else SERVICE_CREDITED_LATE if late else SERVICE_CREDITED_SHORT
    to = [Recipient("partner", str(due.partner))]
    await send(kind, due.id, to, number=due.number, id=str(due.purchase_order), **late, **short)

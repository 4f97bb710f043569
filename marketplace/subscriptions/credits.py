"""Service credits: what a release of a subscription gives back because it came late, or covers fewer people than sold.

What falls short is written down with the order; once the order is paid, that part is refunded like any other money that
goes back: an entry, a credit note, and shares of the people in it reduced in proportion.
"""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.datasets.tables import Release
from marketplace.errors import Conflict, Invalid
from marketplace.messages.actions import send
from marketplace.messages.kinds import service_credited_late, service_credited_short, service_credited_twice
from marketplace.messages.rules import Recipient
from marketplace.payments.queries import find_refund_amount
from marketplace.purchases.refunds import request_order_refund
from marketplace.purchases.tables import OrderReturn
from marketplace.subscriptions.queries import SQL
from marketplace.subscriptions.tables import ServiceCredit
from pricing.credits import credit_basis_points, credit_minor

if TYPE_CHECKING:
    from marketplace.catalogue.queries import ListedRelease
    from marketplace.database import Values

BATCH_SIZE = 200
LEAST_DAYS = 3
DAY = dt.timedelta(days=1)


class Delivered(Struct, frozen=True):
    """What a subscription promised and what the release of its order is; coverage in millionths."""

    promised_days: int
    promised_coverage_micro: int
    waited_since: dt.datetime
    first_sealed_at: dt.datetime
    coverage_micro: int
    total_minor: int


class DueCredit(Struct, frozen=True):
    """A credit whose order is paid, what goes back of it, in cents, and what its release fell short of; coverage in millionths."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    partner: uuid.UUID
    number: str
    refund_minor: int
    days_late: int
    coverage_micro: int
    promised_coverage_micro: int


async def days_to_promise(latest: ListedRelease) -> int:
    """Return within how many days of its period's end a release is promised: a day more than the latest one took."""
    sealed_at = await fetch_scalar(dt.datetime, Release.select(Release.sealed_at).where(Release.id == latest.id))
    return max(LEAST_DAYS, -(-((sealed_at or latest.period_to) - latest.period_to) // DAY) + 1)


async def note_credit(subscription: uuid.UUID, order: uuid.UUID) -> None:
    """Write down what an order gives back, if its release falls short; in the transaction that orders it."""
    row = await fetch_row(Delivered, SQL["get_delivered"], subscription, order)
    if row is None:  # A subscription of before: nothing was promised.
        return
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
    """Ask for the refunds of credits whose orders are paid, each once; return how many. A job's.

    Where money of the order is under way or disputed, the credit waits, and keeps no other from leaving. What is left of
    the order is the most that goes back; where all of it goes back already, nothing does.
    """
    given, after = 0, uuid.UUID(int=0)
    while due := await fetch_rows(DueCredit, SQL["list_due_credits"], BATCH_SIZE, after):
        for credit in due:
            with suppress(Conflict, Invalid):
                given += await _give(credit)
        after = due[-1].id
    return given


async def _give(due: DueCredit) -> bool:
    """Ask for one credit's refund and write to the partner; return whether it was needed: the whole may be refunded."""
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
    kind = service_credited_twice if late and short else service_credited_late if late else service_credited_short
    to = [Recipient("partner", str(due.partner))]
    await send(kind.KIND, due.id, to, number=due.number, id=str(due.purchase_order), **late, **short)

"""Selling on credit: the sale itself, what is paid or returned of it, and reminders.

A partner with a limit has its licence at once; what it owes is on an account of its own until a bank line pays it. What
is provided for or written off is undone to the cent once money comes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.locks import lock
from marketplace.money.credit import rules
from marketplace.money.credit.queries import SQL, get_available, get_reclaimed
from marketplace.money.credit.rules import DAY
from marketplace.money.credit.tables import CreditMovement, CreditSale
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.message_kinds import CREDIT_DUE, CREDIT_SUSPENDED
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.core.database import Values

BATCH_SIZE: Final = 200
POSTINGS: Final = {
    "return": (chart.PARTNERS, chart.ON_CREDIT),
    "provision": (chart.PROVISIONS_MADE, chart.PROVISIONS),
    "provision_released": (chart.PROVISIONS, chart.PROVISIONS_RELEASED),
    "loss": (chart.LOSSES, chart.ON_CREDIT),
    "loss_undone": (chart.ON_CREDIT, chart.LOSSES),
}
"""Kind of movement → the account it debits and the one it credits; a payment's entry is its bank line's. The VAT of a bad debt
is on an account of its own instead."""


class Owing(Struct, frozen=True):
    """A sale on credit, locked; amounts in cents."""

    subject: uuid.UUID
    partner: uuid.UUID
    number: str
    total_minor: int
    returned_minor: int
    paid_minor: int
    written_off_minor: int
    provision_minor: int
    due_at: dt.datetime
    suspended_at: dt.datetime | None
    settled_at: dt.datetime | None

    @property
    def owed_minor(self) -> int:
        """What the partner owes of it."""
        return self.total_minor - self.returned_minor - self.paid_minor


class ToRemind(Struct, frozen=True):
    """A sale on credit that its partner is to be reminded of, or whose data is to be closed."""

    subject: uuid.UUID
    partner: uuid.UUID
    number: str
    due_at: dt.datetime
    reminders: int
    suspended_at: dt.datetime | None


# ------------------------------------------------------------------ selling, being paid, returns
async def grant(partner: uuid.UUID, subject: uuid.UUID, *, number: str, total_minor: int) -> None:
    """Sell on credit, in the transaction that writes the order `subject`: what it owes is due in thirty days.

    total_minor: VAT included. Refuses a partner without a limit, one that is overdue, and what is beyond the limit.
    """
    await lock(f"credit {partner}")
    rules.check_credit(await get_available(partner), total_minor)
    now = clock.now()
    sale = CreditSale(
        subject=subject,
        partner=partner,
        number=number,
        total_minor=total_minor,
        granted_at=now,
        due_at=now + rules.DAYS_TO_PAY * DAY,
    )
    await CreditSale.insert(sale)
    postings = [(chart.ON_CREDIT, chart.PARTNERS, total_minor)]
    await record("credit_granted", subject, at=now, text=number, postings=postings)


class SoldOrder(Protocol):
    """What is sold: an order."""

    id: Any
    number: Any
    total_minor: Any


async def grant_within(partner: uuid.UUID, sold: SoldOrder) -> bool:
    """Sell on credit as `grant` does where the partner's limit allows it; return whether it did."""
    try:
        await grant(partner, sold.id, number=sold.number, total_minor=sold.total_minor)
    except Conflict:
        return False
    return True


async def receive(subject: uuid.UUID, amount_minor: int, *, at: dt.datetime) -> None:
    """Note in the transaction that matches a bank line what it paid of a sale on credit; below zero, what it gave back.

    The entry is the match's. A bad debt is undone first, and the sale owes again what it does not pay. Refuses what gives
    back more than was paid: a payment that is undone after some of it was transferred back.
    """
    sale = await lock_sale(subject)
    if sale.paid_minor + amount_minor < 0:
        raise Conflict("More of that order was transferred back than would be left paid: undo that transfer first.")
    if amount_minor > 0 and sale.written_off_minor:
        await write_movement(sale, "loss_undone", sale.written_off_minor, at)
    await CreditMovement.insert(
        CreditMovement(id=uuid.uuid4(), sale=subject, kind="payment", amount_minor=amount_minor, at=at)
    )
    await _settle(sale, at, returned_minor=sale.returned_minor, paid_minor=sale.paid_minor + amount_minor)


async def reduce_credit(subject: uuid.UUID, amount_minor: int, *, return_id: uuid.UUID, at: dt.datetime) -> None:
    """Note in the transaction that returns a part of an order, or all, that a sale on credit owes so much less."""
    sale = await lock_sale(subject)
    if sale.written_off_minor:
        await write_movement(sale, "loss_undone", sale.written_off_minor, at)
    await write_movement(sale, "return", amount_minor, at, movement=return_id)
    await _settle(sale, at, returned_minor=sale.returned_minor + amount_minor, paid_minor=sale.paid_minor)


async def _settle(sale: Owing, at: dt.datetime, *, returned_minor: int, paid_minor: int) -> None:
    """Write what a sale owes now: nothing of it is lost any more, and its provision is what is owed at most."""
    owed = sale.total_minor - returned_minor - paid_minor
    provision = min(sale.provision_minor, max(owed, 0))
    if provision < sale.provision_minor:
        await write_movement(sale, "provision_released", sale.provision_minor - provision, at)
    written: Values = {
        CreditSale.returned_minor: returned_minor,
        CreditSale.paid_minor: paid_minor,
        CreditSale.written_off_minor: 0
        if paid_minor > sale.paid_minor or returned_minor > sale.returned_minor
        else sale.written_off_minor,
        CreditSale.provision_minor: provision,
        CreditSale.settled_at: (sale.settled_at or at) if owed <= 0 else None,
        CreditSale.suspended_at: sale.suspended_at if owed > 0 else None,
    }
    await CreditSale.update(written).where(CreditSale.subject == sale.subject)


async def write_movement(
    sale: Owing, kind: str, amount_minor: int, at: dt.datetime, *, movement: uuid.UUID | None = None
) -> None:
    """Write one movement with its entry."""
    new = CreditMovement(id=movement or uuid.uuid4(), sale=sale.subject, kind=kind, amount_minor=amount_minor, at=at)
    await CreditMovement.insert(new)
    debit, credit = POSTINGS[kind]
    vat = await _vat_of(sale, kind, amount_minor)
    against_vat = (chart.VAT_RECLAIMED, credit) if kind == "loss" else (debit, chart.VAT_RECLAIMED)
    postings = [(debit, credit, amount_minor - vat), (*against_vat, vat)] if vat else [(debit, credit, amount_minor)]
    await record(f"credit_{kind}", new.id, at=at, text=sale.number, postings=postings, late=True)


async def _vat_of(sale: Owing, kind: str, amount_minor: int) -> int:
    """Return the VAT of a bad debt, which is reclaimed (French tax code, article 272), or is due again as it is undone."""
    if kind == "loss":
        vat = await fetch_scalar(int, SQL["get_vat_of_sale"], str(sale.subject), chart.VAT_COLLECTED) or 0
        return vat * amount_minor // sale.total_minor
    return await get_reclaimed(sale.subject) if kind == "loss_undone" else 0


async def lock_sale(subject: uuid.UUID) -> Owing:
    """Return a sale on credit, locked until the open transaction ends."""
    return existing(
        await fetch_row(Owing, select(Owing, CreditSale).where(CreditSale.subject == subject).lock_rows("UPDATE")),
        NotFound("That order was not sold on credit."),
    )


# ------------------------------------------------------------------ reminders and suspension
async def remind_debtors() -> int:
    """Write to partners that are overdue, once each step, and close what they do not pay for; a job. Return how many sales.

    A step that was missed is not written afterwards: the latest that is due is.
    """
    now = clock.now()
    suspended_before = now - rules.SUSPENDED_AFTER_DAYS * DAY
    async with transaction():
        found = await fetch_rows(
            ToRemind, SQL["list_to_remind"], now, BATCH_SIZE, list(rules.REMINDED_AFTER_DAYS), suspended_before
        )
        for sale in found:
            to, details = [Recipient("partner", str(sale.partner))], {"number": sale.number, "id": str(sale.subject)}
            changed: Values = {CreditSale.reminders: rules.steps_due(sale.due_at, now)}
            if sale.suspended_at is None and sale.due_at <= suspended_before:
                changed[CreditSale.suspended_at] = now
                await send(CREDIT_SUSPENDED, f"{sale.subject} {now.date()}", to, **details)
            else:
                await send(CREDIT_DUE, f"{sale.subject} {changed[CreditSale.reminders]}", to, **details)
            await CreditSale.update(changed).where(CreditSale.subject == sale.subject)
    return len(found)

"""Columns and constraints of sales on credit: what each sale owes, and what moved it."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.people.identity.tables import Partner


class CreditSale(Table, db=DB, tablename="credit_sale"):
    """A sale that its partner pays after it has the data; amounts in cents, VAT included. Its id is the order's.

    It owes total - returned - paid: below zero, that much is to be transferred back. Of this `written_off_minor` is out of the
    books as a bad debt, and for `provision_minor` a provision is in them.
    """

    personal_data = NOBODYS
    subject = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    number = Text(unique=True)
    """The order's."""
    total_minor = BigInt()
    returned_minor = BigInt(default=0)
    paid_minor = BigInt(default=0)
    written_off_minor = BigInt(default=0)
    provision_minor = BigInt(default=0)
    granted_at = Timestamptz()
    due_at = Timestamptz()
    reminders = Integer(default=0)
    """How many were written; each step once."""
    suspended_at = Timestamptz(null=True, default=None)
    """Since when its data cannot be downloaded because it is overdue; null again once nothing is owed."""
    settled_at = Timestamptz(null=True, default=None)
    """When it came to owe nothing; null while it owes something."""
    amounts_are_parts = Check(
        "total_minor > 0 AND returned_minor BETWEEN 0 AND total_minor AND paid_minor BETWEEN 0 AND total_minor"
    )
    written_down_is_owed = Check(
        "written_off_minor >= 0 AND provision_minor >= 0 "
        "AND written_off_minor + provision_minor <= greatest(total_minor - returned_minor - paid_minor, 0)"
    )
    due_later = Check("granted_at < due_at")
    settled_owes_nothing = Check("(settled_at IS NULL) = (total_minor - returned_minor - paid_minor > 0)")
    suspended_owes = Check("suspended_at IS NULL OR settled_at IS NULL")


class CreditMovement(Table, db=DB, tablename="credit_movement"):
    """What changed the amounts of a sale on credit, with its entry in the books; append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """Of a return the order's return; else its own."""
    sale = ForeignKey(CreditSale, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """payment (of a bank line, which has the entry), return, provision, provision_released, loss or loss_undone."""
    amount_minor = BigInt()
    """Above zero; of a payment below it where a match was undone or money was transferred back."""
    at = Timestamptz()
    known_movement = Check("kind IN ('payment', 'return', 'provision', 'provision_released', 'loss', 'loss_undone')")
    moves_something = Check("amount_minor > 0 OR kind = 'payment' AND amount_minor <> 0")

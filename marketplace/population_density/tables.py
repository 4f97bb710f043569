"""Columns and constraints of callbacks: answers that are owed to a sink, until it has them."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Partner
from marketplace.personal_data import NOBODYS


class DensityCallback(Table, db=DB, tablename="density_callback"):
    """A request whose answer is to be posted; written before it is accepted, deleted once its sink has it or it is given up."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """The operation's, as the partner knows it."""
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    key_id = Text()
    """Which of the vault's keys sealed …"""
    request = Bytea()
    """… the request as it came, for it has the sink's access token."""
    asked_at = Timestamptz()
    attempts = Integer(default=0)
    next_at = Timestamptz()
    """When it is tried next; while it is, the end of that attempt's lease."""
    attempts_are_counted = Check("attempts >= 0")

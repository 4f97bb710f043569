"""Columns and constraints of callbacks: answers owed to a sink until they are delivered."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.people.identity.tables import Partner


class DensityCallback(Table, db=DB, tablename="density_callback"):
    """A request whose answer will be posted. It is written before it is accepted, and deleted after its end."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """The operation's id, as the partner knows it."""
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    key_id = Text()
    """The vault's key that sealed …"""
    request = Bytea()
    """… the request as it came, since it has the sink's access token."""
    asked_at = Timestamptz()
    attempts = Integer(default=0)
    next_at = Timestamptz()
    """When it is tried next; during an attempt, the end of its lease."""
    attempts_are_counted = Check("attempts >= 0")

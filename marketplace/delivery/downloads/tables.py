"""Columns and constraints of downloads; every download is recorded."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.sales.orders.tables import Entitlement


class Download(Table, db=DB, tablename="download"):
    """An entitled partner's download of a release."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    entitlement = ForeignKey(Entitlement, null=False, on_delete=OnDelete.restrict)
    format = Text()
    """A code of `formats.registry`."""
    byte_count = BigInt()
    at = Timestamptz()

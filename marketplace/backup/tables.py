"""Columns of restorations, from which instant this database went on anew, and of the ids of the keys that belong to it."""

from __future__ import annotations

from piccolo.columns import BigSerial, Text, Timestamptz
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS


class Restoration(Table, db=DB, tablename="restoration"):
    """One restore: what happened between the two instants is not in the database and comes again from outside."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    backed_up_at = Timestamptz()
    restored_at = Timestamptz()
    backup_sha256 = Text()
    """Of the manifest, which lists the digests of all the rest; empty where PostgreSQL went to an instant by its own log."""


class InstallationKey(Table, db=DB, tablename="installation_key"):
    """Which key belongs to this database: what names it without revealing it, noted when a process first served from here."""

    personal_data = NOBODYS
    name = Text(primary_key=True)
    """The setting."""
    key_id = Text()
    """Its public half, or the beginning of a hash."""
    noted_at = Timestamptz()

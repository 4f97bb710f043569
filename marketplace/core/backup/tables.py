"""Columns of backups, of restorations, with the instant from which the database continued, and of the ids of its keys."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Text, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


class Restoration(Table, db=DB, tablename="restoration"):
    """One restore: events between the two instants are not in the database and come again from outside."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    backed_up_at = Timestamptz()
    restored_at = Timestamptz()
    backup_sha256 = Text()
    """Of the manifest, which lists all other digests; empty if PostgreSQL's own log restored an instant."""


class Backup(Table, db=DB, tablename="backup"):
    """One backup that was made whole."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    made_at = Timestamptz()
    """The instant of the database's snapshot."""
    place = Text()
    """The file, or its address in a bucket."""
    bytes = BigInt()
    """Of the database's dump and all objects."""


class InstallationKey(Table, db=DB, tablename="installation_key"):
    """A key of this database: an id that does not reveal it, recorded when a process first served from here."""

    personal_data = NOBODYS
    name = Text(primary_key=True)
    """The setting."""
    key_id = Text()
    """Its public key, or the beginning of a hash."""
    noted_at = Timestamptz()

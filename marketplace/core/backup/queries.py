"""Queries on the last backup, and on restores: a command to Stripe may have run before a restore, so it is first looked up at Stripe."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from marketplace.core.backup.tables import Restoration
from marketplace.core.database import fetch_row, fetch_scalar, select


class RestorationRow(Struct, frozen=True):
    """A restore: the instant of its backup, and when the database continued from it."""

    backed_up_at: dt.datetime
    restored_at: dt.datetime
    backup_sha256: str


async def find_last_restoration() -> RestorationRow | None:
    """Return the latest restore, or None if the database was never restored."""
    latest = select(RestorationRow, Restoration).order_by(Restoration.id, ascending=False).limit(1)
    return await fetch_row(RestorationRow, latest)


async def find_last_backup() -> dt.datetime | None:
    """Return the instant of the latest backup that was made whole, or None if there was never one."""
    return await fetch_scalar(dt.datetime, "SELECT max(made_at) FROM backup")

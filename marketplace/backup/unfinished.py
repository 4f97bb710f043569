"""The mark of a restore that has not ended: a schema with nothing in it but a comment, which no backup has.

It is there from before the first object is put until the last step of a restore. Until then the database may lack
erasures that were asked for since, and commands to Stripe are not yet looked for there: nothing serves from it. A restore
that was killed is given again, and goes on where the mark says.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from marketplace.database import execute, fetch_scalar, transaction
from marketplace.errors import Conflict

SCHEMA: Final = "restore_unfinished"


class Mark(Struct, frozen=True):
    """What a restore began with and how far it is."""

    store: str
    """The object store that was empty when it began."""
    backup_sha256: str = ""
    """Of the backup's manifest, once every object is there and the database follows; empty before."""


async def find_mark() -> Mark | None:
    """Return the mark of a restore that has not ended, or None."""
    text = await fetch_scalar(str, "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA)
    return msgspec.json.decode(text, type=Mark) if text else None


async def write_mark(mark: Mark) -> None:
    """Mark the database, or say how far the restore is."""
    async with transaction():
        await execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        text = await fetch_scalar(str, "SELECT quote_literal($1)", msgspec.json.encode(mark).decode())
        await execute(f"COMMENT ON SCHEMA {SCHEMA} IS {text}")


async def remove_mark() -> None:
    """Say that the restore has ended."""
    await execute(f"DROP SCHEMA IF EXISTS {SCHEMA}")


async def refuse_unfinished() -> None:
    """Refuse a database whose restore has not ended."""
    if await find_mark() is not None:
        raise Conflict(
            "A restore of this database has not ended: give the same `marketplace restore` command again first."
        )

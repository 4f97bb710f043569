"""The mark of an unfinished restore: a schema with nothing in it but a comment, which no backup has.

It exists from before the first object is put until the last step of a restore. Until then the database may lack
erasures that were requested later, and commands to Stripe have not been looked up there, so nothing serves from it. A
restore that was killed is run again, and continues from the mark.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Conflict

SCHEMA: Final = "restore_unfinished"


class Mark(Struct, frozen=True):
    """How a restore began, and its progress."""

    store: str
    """The object store, empty when it began."""
    backup_sha256: str = ""
    """Of the backup's manifest, once every object is there and the database follows; empty before."""


async def find_mark() -> Mark | None:
    """Return the mark of an unfinished restore, or None."""
    text = await fetch_scalar(str, "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA)
    return msgspec.json.decode(text, type=Mark) if text else None


async def write_mark(mark: Mark) -> None:
    """Mark the database, or update the restore's progress."""
    async with transaction():
        await execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        text = await fetch_scalar(str, "SELECT quote_literal($1)", msgspec.json.encode(mark).decode())
        await execute(f"COMMENT ON SCHEMA {SCHEMA} IS {text}")


async def remove_mark() -> None:
    """Record that the restore has ended."""
    await execute(f"DROP SCHEMA IF EXISTS {SCHEMA}")


async def refuse_unfinished() -> None:
    """Refuse a database whose restore is unfinished."""
    if await find_mark() is not None:
        raise Conflict(
            "A restore of this database has not ended: give the same `marketplace restore` command again first."
        )

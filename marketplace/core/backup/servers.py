"""The recorded PostgreSQL server of the database, and its timeline: both change when the database goes back in time.

A timeline begins whenever a server starts from elsewhere than its own last transaction: when its log restores it to an
instant, or when a standby becomes primary. The record is in the database, so it goes back with it, and then differs
from the server's answer. A restored copy of a disk has the same server and timeline; that cannot be detected here.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from marketplace.core.database import execute, fetch_row, fetch_scalar, transaction
from marketplace.core.errors import Conflict

SCHEMA: Final = "server_noted"
"""A schema with nothing in it but a comment, like the mark of an unfinished restore."""
HEX: Final = 16
GONE_BACK: Final = (
    "PostgreSQL does not continue from the last transaction of this database: it was brought to an instant by its own log, or "
    "another server took over."
)
MEND: Final = "marketplace restore --from-instant INSTANT; or --nothing-lost, where no transaction is missing"


class Server(Struct, frozen=True):
    """A server by PostgreSQL's own identifier, and the number of its timeline."""

    system: str
    timeline: int


class ServerAnswer(Struct, frozen=True):
    """A server's answer."""

    system: str
    file: str


async def find_server() -> Server | None:
    """Return the database's present server; None if this role may not ask, or while it recovers."""
    if await fetch_scalar(bool, "SELECT pg_is_in_recovery()"):
        return None
    try:
        async with transaction():
            row = await fetch_row(
                ServerAnswer,
                """SELECT system_identifier::text AS system, pg_walfile_name(pg_current_wal_lsn()) AS file
                   FROM pg_control_system()""",
            )
    except asyncpg.InsufficientPrivilegeError:
        return None
    return Server(row.system, int(row.file[:8], HEX)) if row else None


async def find_noted() -> Server | None:
    """Return the server that was recorded last, or None."""
    text = await fetch_scalar(str, "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA)
    return msgspec.json.decode(text, type=Server) if text else None


async def note_server() -> None:
    """Record the present server: nothing is missing from this database, or all repairs after a gap are done."""
    if (server := await find_server()) is None:
        return
    async with transaction():
        await execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        text = await fetch_scalar(str, "SELECT quote_literal($1)", msgspec.json.encode(server).decode())
        await execute(f"COMMENT ON SCHEMA {SCHEMA} IS {text}")


async def note_first_server() -> None:
    """Record the server if none is recorded yet and this role may, as the schema's owner."""
    if await find_noted() is None:
        try:
            await note_server()
        except asyncpg.InsufficientPrivilegeError:
            return


async def has_gone_back() -> bool:
    """Return whether the server differs from the recorded one, or is on another timeline."""
    noted = await find_noted()
    return noted is not None and (await find_server() or noted) != noted


async def refuse_gone_back() -> None:
    """Refuse a database that went back, until the operator states to which instant, or that nothing is missing."""
    if await has_gone_back():
        raise Conflict(f"{GONE_BACK} Give the one that is true first: `{MEND}`.")

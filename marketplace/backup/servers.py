"""Which PostgreSQL server the database is noted to be on, and on which of its timelines: both change where it went back.

A timeline begins whenever a server goes on from elsewhere than its own last transaction: brought to an instant by its
log, or as a standby that takes over. The note is in the database, so it goes back with it, and differs then from the
server's own word. A copy of a disk that is put back is on the same timeline of the same server: that cannot be known here.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from marketplace.database import execute, fetch_row, fetch_scalar, transaction
from marketplace.errors import Conflict

SCHEMA: Final = "server_noted"
"""A schema with nothing in it but a comment, as the mark of an unfinished restore is one."""
HEX: Final = 16
GONE_BACK: Final = (
    "PostgreSQL does not go on from the last transaction of this database: it was brought to an instant by its own log, or "
    "another server took over."
)
MEND: Final = "marketplace restore --from-instant INSTANT; or --nothing-lost, where no transaction is missing"


class Server(Struct, frozen=True):
    """A server by PostgreSQL's own identifier of it, and the number of its timeline."""

    system: str
    timeline: int


class Asked(Struct, frozen=True):
    """What a server answers."""

    system: str
    file: str


async def find_server() -> Server | None:
    """Return the server that the database is on now; None where it does not say, to this role or while it recovers."""
    if await fetch_scalar(bool, "SELECT pg_is_in_recovery()"):
        return None
    try:
        async with transaction():
            row = await fetch_row(
                Asked,
                """SELECT system_identifier::text AS system, pg_walfile_name(pg_current_wal_lsn()) AS file
                   FROM pg_control_system()""",
            )
    except asyncpg.InsufficientPrivilegeError:
        return None
    return Server(row.system, int(row.file[:8], HEX)) if row else None


async def find_noted() -> Server | None:
    """Return the server that was noted last, or None."""
    text = await fetch_scalar(str, "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA)
    return msgspec.json.decode(text, type=Server) if text else None


async def note_server() -> None:
    """Note the server as it is now: nothing that this database had is missing, or all that a gap asks for was done."""
    if (server := await find_server()) is None:
        return
    async with transaction():
        await execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        text = await fetch_scalar(str, "SELECT quote_literal($1)", msgspec.json.encode(server).decode())
        await execute(f"COMMENT ON SCHEMA {SCHEMA} IS {text}")


async def note_first_server() -> None:
    """Note the server where none is noted yet and this role may, as the schema's owner may."""
    if await find_noted() is None:
        try:
            await note_server()
        except asyncpg.InsufficientPrivilegeError:
            return


async def has_gone_back() -> bool:
    """Return whether the server is another than the one noted, or on another timeline."""
    noted = await find_noted()
    return noted is not None and (await find_server() or noted) != noted


async def refuse_gone_back() -> None:
    """Refuse a database that went back, until the operator says to which instant, or that nothing is missing."""
    if await has_gone_back():
        raise Conflict(f"{GONE_BACK} Give the one that is true first: `{MEND}`.")

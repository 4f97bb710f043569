"""The tables that a migration locks, read from its text, and all of these locks at once before its first statement.

A migration that locks one table after the other while people buy may meet a purchase that has the second and waits for
the first. PostgreSQL then ends the one that has waited for a second, which may be the purchase. If everything is locked
first, within less than that second, it is never the purchase.
"""

from __future__ import annotations

import re
from typing import Final

from asyncpg.exceptions import LockNotAvailableError, QueryCanceledError
from msgspec import Struct

from marketplace.core.database import execute, fetch_rows

NAMES: Final = r"\s+((?:IF\s+EXISTS\s+|ONLY\s+)?\"?\w+\"?(?:\s*,\s*(?!DROP\b)\"?\w+\"?)*)"
MODES: Final = {
    "SHARE ROW EXCLUSIVE": rf"\b(?:REFERENCES|INSERT\s+INTO|LOCK\s+TABLE|CREATE\b[^;$]*?\b(?:TRIGGER|INDEX)\b[^;$]*?\bON){NAMES}",
    "EXCLUSIVE": rf"\b(?:UPDATE|DELETE\s+FROM){NAMES}",
    "ACCESS EXCLUSIVE": rf"\b(?:(?:ALTER|DROP|TRUNCATE)\s+TABLE|DROP\s+(?:INDEX|CONSTRAINT)|DROP\s+TRIGGER\b[^;]*?\bON){NAMES}",
}
"""Each mode of a lock, the weakest first → the words before the table in a statement that needs it.

Source: PostgreSQL 18, 13.3.1 and each command's page. The lock also has to wait for rows that a site has locked: hence
EXCLUSIVE.
"""
BODY: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|--[^\n]*", re.DOTALL)
TABLES: Final = """
    SELECT relname::text AS name, relname::text AS table FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    UNION ALL
    SELECT of_index.relname::text, of_table.relname::text FROM pg_index
    JOIN pg_class AS of_index ON of_index.oid = indexrelid JOIN pg_class AS of_table ON of_table.oid = indrelid
    WHERE of_table.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT conname::text, relname::text FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid
    WHERE relnamespace = current_schema()::regnamespace"""


class Named(Struct, frozen=True):
    """A table, by its own name, or that of one of its indexes, or of a foreign key to it."""

    name: str
    table: str


async def find_locks(migrations: str, functions: str = "") -> dict[str, str]:
    """Return the tables of the database that these texts lock, each with the strongest mode.

    Functions' bodies lock none.
    """
    tables: dict[str, set[str]] = {}
    for named in await fetch_rows(Named, TABLES):
        tables.setdefault(named.name, set()).add(named.table)
    found: dict[str, str] = {}
    for mode, pattern in MODES.items():  # a stronger one replaces earlier ones
        for text in (migrations, BODY.sub("", functions)):
            for names in re.findall(pattern, text, re.IGNORECASE):
                found |= dict.fromkeys(set().union(*(tables.get(name, ()) for name in _named(names))), mode)
    return found


def _named(names: str) -> list[str]:
    return [name.split()[-1].strip('"') for name in names.split(",")]


async def lock_tables(locks: dict[str, str], *, within: str) -> None:
    """Acquire all locks `within` a total time, or raise LockNotAvailableError; locks that stop reads come last."""
    lists = {mode: ", ".join(f'"{name}"' for name in sorted(locks) if locks[name] == mode) for mode in MODES}
    orders = " ".join(f"LOCK TABLE {names} IN {mode} MODE;" for mode, names in lists.items() if names)
    await execute(f"SET LOCAL statement_timeout = '{within}'")
    try:
        await execute(f"DO $$ BEGIN {orders} END $$")
    except QueryCanceledError as error:
        raise LockNotAvailableError("the tables were in use") from error
    await execute("SET LOCAL statement_timeout TO DEFAULT")

"""The proof of a backup: a server made for it restores the dump, and has every table, function and row that was dumped."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import ExitStack
from typing import IO, Final

import msgspec
from msgspec import Struct

from marketplace.core.backup.dump import find_program, restore_dump
from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict
from marketplace.core.postgres import ROLE, throwaway_server

NOT_OF_AN_EXTENSION: Final = "NOT EXISTS (SELECT FROM pg_depend WHERE objid = one.oid AND deptype = 'e')"
PARTS: Final = f"""SELECT json_agg(part ORDER BY part)::text FROM (
    SELECT 'function ' || oid::regprocedure AS part FROM pg_proc AS one
    WHERE pronamespace = 'public'::regnamespace AND {NOT_OF_AN_EXTENSION}
    UNION ALL SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'index ' || relname FROM pg_class AS one
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('i', 'I', 'S', 'v', 'm') AND {NOT_OF_AN_EXTENSION}
    UNION ALL SELECT 'constraint ' || conname || ' of ' || conrelid::regclass FROM pg_constraint AS one
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND {NOT_OF_AN_EXTENSION}
) AS found"""
"""Functions, triggers, indexes, sequences, views and constraints but NOT NULL, which PostgreSQL names since 18 alone."""
COUNT: Final = f"""SELECT 'SELECT json_object_agg(name, rows)::text FROM (' || string_agg(
    format('SELECT %L AS name, count(*) AS rows FROM public.%I', relname, relname), ' UNION ALL '
) || ') AS counted' FROM pg_class AS one
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND {NOT_OF_AN_EXTENSION}"""
"""Writes the statement that counts the rows of every table."""
FAULTS: Final = (OSError, RuntimeError, subprocess.CalledProcessError)
"""How a server fails to start or to answer, a full disk included."""


class Inventory(Struct, frozen=True):
    """What a dump must bring back: the rows of each table, and the names of all other parts of the schema."""

    rows: dict[str, int]
    parts: list[str]


def _read(rows: str, parts: str) -> Inventory:
    return Inventory(msgspec.json.decode(rows, type=dict[str, int]), msgspec.json.decode(parts, type=list[str]))


async def read_inventory() -> Inventory:
    """Count what the open transaction's snapshot shows."""
    count = await fetch_scalar(str, COUNT) or ""
    return _read(await fetch_scalar(str, count) or "{}", await fetch_scalar(str, PARTS) or "[]")


async def prove(dumped: IO[bytes], inventory: Inventory) -> None:
    """Restore a dump into a server made for that, and refuse it unless all that was dumped is there."""
    program = await find_program("pg_restore")
    with ExitStack() as stack:
        try:
            server = await asyncio.to_thread(stack.enter_context, throwaway_server())
            await restore_dump(program, server.url(), dumped)
            count = await asyncio.to_thread(server.run_sql, COUNT, ROLE)
            rows = await asyncio.to_thread(server.run_sql, count, ROLE)
            found = _read(rows, await asyncio.to_thread(server.run_sql, PARTS, ROLE))
        except (*FAULTS, Conflict) as error:
            raise Conflict("The backup was written, and could not be proven: {why}", why=error) from error
    _refuse_differences(inventory, found)


def _refuse_differences(inventory: Inventory, found: Inventory) -> None:
    wrong = [
        f"table {name} has {found.rows.get(name, 'no')} rows in place of {rows}"
        for name, rows in inventory.rows.items()
        if found.rows.get(name) != rows
    ]
    wrong += [f"{part} is missing" for part in inventory.parts if part not in set(found.parts)]
    if wrong:
        raise Conflict("The backup was written, and does not restore whole: {what}.", what=wrong[0])

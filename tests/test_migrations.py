"""Migrations make exactly what the slices' tables say, and can be run by any number of processes at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from marketplace import database
from marketplace.database import execute, fetch, fetch_value
from tests.marketplace.finance import sales

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketplace.embedded.postgres import EmbeddedPostgres

COLUMNS = """SELECT table_name, column_name, data_type, is_nullable, character_maximum_length
             FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
CONSTRAINTS = """SELECT conrelid::regclass::text AS table, contype, pg_get_constraintdef(oid) AS definition
                 FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3"""


def test_the_migrations_make_what_the_tables_say(run: Callable[..., Any], postgres: EmbeddedPostgres) -> None:
    from migrations.piccolo_app import tables  # noqa: PLC0415

    async def shape() -> list[list[tuple[object, ...]]]:
        rows = [[tuple(row.values()) for row in await fetch(sql)] for sql in (COLUMNS, CONSTRAINTS)]
        return [
            [
                tuple(str(v).replace(" ON UPDATE CASCADE", "") for v in row)
                for row in part
                if "migration" not in str(row[0])
            ]
            for part in rows
        ]

    migrated = run(shape)
    postgres.run_sql("CREATE DATABASE from_tables OWNER partage")

    async def from_tables() -> list[list[tuple[object, ...]]]:
        await database.open_pool(postgres.url("from_tables"))
        try:
            for table in tables():
                for statement in table.create_table().ddl:
                    await execute(statement)
            return await shape()
        finally:
            await database.close_pool()

    assert migrated == asyncio.run(from_tables())


def test_many_processes_may_migrate_at_once(postgres: EmbeddedPostgres) -> None:
    from migrations.runner import migrate  # noqa: PLC0415

    postgres.run_sql("CREATE DATABASE raced OWNER partage")

    async def story() -> list[str]:
        await database.open_pool(postgres.url("raced"))
        try:
            return await asyncio.gather(*(asyncio.create_task(migrate()) for _ in range(4)))
        finally:
            await database.close_pool()

    said = asyncio.run(story())
    assert sum("not yet run" in words for words in said) == 1


def test_a_quote_sold_before_quotes_kept_their_terms_has_those_that_were_sold(run: Callable[..., Any]) -> None:
    """Migration 46 could only write what was offered by then; what a partner holds a licence under is known."""
    from migrations.history.m0047_terms_sold import SQL  # noqa: PLC0415

    async def story() -> None:
        await sales.open_shop()
        await execute(
            "INSERT INTO licence_terms (code, lines_fr, lines_en, months) VALUES ('offered-now', 'x', 'x', 6)"
        )
        sold, unsold = await sales.order(), await sales.order()
        await sales.pay_unseen(sold)
        await sales.settle(sold)
        await execute("ALTER TABLE quote DISABLE TRIGGER append_only; UPDATE quote SET terms = 'offered-now'; ALTER TABLE quote ENABLE TRIGGER append_only")  # fmt: skip
        await execute(SQL)
        terms = "SELECT terms FROM quote JOIN purchase_order ON quote = quote.id WHERE purchase_order.id = $1"
        assert [await fetch_value(terms, order) for order in (sold, unsold)] == ["standard-1", "offered-now"]
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute("UPDATE quote SET terms = 'standard-1'")

    run(story)

"""`migrate --plan`: each pending statement, the locks that PostgreSQL takes for it, and who waits; nothing is changed."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from marketplace.commands import migrate
from migrations.piccolo_app import HISTORY
from migrations.plan import FUNCTIONS, READS_AND_WRITES, WAITS, Lock, State, Step, measure, split
from tests.test_migrations import in_new_database

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from marketplace.embedded.postgres import EmbeddedPostgres

MIGRATION = '''
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from marketplace.database import execute

ID = "2999-01-01T00:00:0{number}"
SQL = """{sql}"""

async def act():
    await execute(SQL)

async def forwards():
    manager = MigrationManager(migration_id=ID, app_name="partage", description="")
    manager.add_raw(act)
    return manager
'''
KINDS = {
    "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'a; b'": {"t": "AccessExclusiveLock"},
    "CREATE TABLE v (a BIGINT REFERENCES u (a))": {"u": "ShareRowExclusiveLock"},
    "CREATE INDEX ON w (a)": {"w": "ShareLock"},
    "ALTER TABLE x ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a) NOT VALID": {"x": "ShareRowExclusiveLock"},
    "ALTER TABLE y VALIDATE CONSTRAINT positive": {"y": "ShareUpdateExclusiveLock"},
    "UPDATE z SET a = 1": {},
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$": {},
    "CREATE TRIGGER quiet BEFORE INSERT ON z FOR EACH ROW EXECUTE FUNCTION f()": {"z": "ShareRowExclusiveLock"},
    "ALTER TABLE z ALTER COLUMN a SET DEFAULT 3": {"z": "AccessExclusiveLock"},
    "ALTER TABLE t DROP COLUMN b": {},
}
"""Statements, in order → what each locks that is not locked as strongly yet. Source: PostgreSQL 18, 13.3.1 and each command's page."""


def write(history: Path, number: int, sql: str) -> None:
    (history / f"m000{number}_kind.py").write_text(MIGRATION.format(number=number, sql=sql))


def test_each_statement_is_listed_with_its_locks(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    write(tmp_path, 1, "".join(f"CREATE TABLE {name} (a BIGINT PRIMARY KEY);" for name in "tuwxyz"))
    write(tmp_path, 2, "ALTER TABLE y ADD CONSTRAINT positive CHECK (a > 0) NOT VALID")
    write(tmp_path, 3, "-- first; of all\n" + ";\n".join(KINDS) + ";\n")

    async def story() -> list[Step]:
        return await measure(State(["m0003_kind"], applies_functions=False), tmp_path)

    steps = in_new_database(postgres, "kinds", story)
    assert {step.statement: {lock.table: lock.mode for lock in step.locks} for step in steps} == KINDS
    assert {step.migration for step in steps} == {"m0003_kind"}


def test_functions_let_reads_go_on_and_writes_wait(postgres: EmbeddedPostgres) -> None:
    newest = max(path.stem for path in HISTORY.glob("m*.py"))

    async def story() -> list[Step]:
        return await measure(State([newest], applies_functions=True))

    *before, last = in_new_database(postgres, "functions", story)
    assert last.migration == last.statement == FUNCTIONS
    assert Lock("posting", "ShareRowExclusiveLock") in last.locks
    stops_reads = {lock.table for lock in last.locks if WAITS[lock.mode] == READS_AND_WRITES}
    locked_before = {lock.table for step in before for lock in step.locks}
    assert stops_reads == {"invoice_file", "einvoicing_flow"} - locked_before, (
        "storage is stated each time: nothing is read or written for it"
    )


def test_a_text_is_split_into_statements() -> None:
    assert split("/* ; */ SELECT ';'; -- ;\n;DO $$ BEGIN; END $$;\nSELECT $1 -- ;\n, 2;-- the end;") == [
        "SELECT ';'",
        "DO $$ BEGIN; END $$",
        "SELECT $1 -- ;\n, 2",
    ]


def test_the_command_lists_what_waits_and_waits_for_nobody(
    postgres: EmbeddedPostgres, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = argparse.Namespace(plan=True)
    assert migrate.run(plan) == 0
    assert capsys.readouterr().out == "Nothing is pending.\n"
    postgres.run_sql("DELETE FROM migration WHERE name = '2026-11-27T00:00:25'", urlsplit(database_url).path[1:])

    async def while_the_table_is_locked() -> None:
        site = await asyncpg.connect(database_url)
        async with site.transaction():
            await site.execute("LOCK TABLE session IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(30):
                assert await asyncio.to_thread(migrate.run, plan) == 0
        await site.close()

    asyncio.run(while_the_table_is_locked())
    printed = capsys.readouterr().out
    assert printed.startswith("m0025_second_factors\n  ALTER TABLE session ADD COLUMN awaits_factor")
    assert f"AccessExclusive lock, so {WAITS['AccessExclusiveLock']}: session" in printed
    assert FUNCTIONS in printed

"""`migrate --plan`: each pending statement, the locks that PostgreSQL takes for it, and who waits; nothing is changed."""

import argparse
import asyncio
import shutil
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from marketplace.commands import migrate
from marketplace.core.postgres import EmbeddedPostgres
from migrations import plan
from migrations.plan import FUNCTIONS, READS_AND_WRITES, WAITS, Lock, State, find_state, measure, split
from migrations.schema import HISTORY
from tests.migrations.builders import in_new_database
from tests.support.histories import history_of

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


def test_each_statement_is_listed_with_its_locks(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    migrations = {
        "m0001_tables": "".join(f"CREATE TABLE {name} (a BIGINT PRIMARY KEY);" for name in "tuwxyz"),
        "m0002_check": "ALTER TABLE y ADD CONSTRAINT positive CHECK (a > 0) NOT VALID",
        "m0003_kinds": "-- first; of all\n" + ";\n".join(KINDS) + ";\n",
    }
    with history_of(tmp_path, migrations) as history:
        state = State(["m0003_kinds"], applies_functions=False)
        steps = in_new_database(postgres, "kinds", lambda: measure(state, history))
    assert {step.statement: {lock.table: lock.mode for lock in step.locks} for step in steps} == KINDS
    assert {step.migration for step in steps} == {"m0003_kinds"}


def test_functions_let_reads_go_on_and_writes_wait(postgres: EmbeddedPostgres) -> None:
    [step] = in_new_database(postgres, "functions", lambda: measure(State([], applies_functions=True)))
    assert step.migration == step.statement == FUNCTIONS
    assert Lock("posting", "ShareRowExclusiveLock") in step.locks
    stops_reads = {lock.table for lock in step.locks if WAITS[lock.mode] == READS_AND_WRITES}
    assert stops_reads == {"invoice_file", "einvoicing_flow"}, (
        "storage is stated each time: nothing is read or written for it"
    )


def test_a_text_is_split_into_statements() -> None:
    assert split("/* ; */ SELECT ';'; -- ;\n;DO $$ BEGIN; END $$;\nSELECT $1 -- ;\n, 2;-- the end;") == [
        "SELECT ';'",
        "DO $$ BEGIN; END $$",
        "SELECT $1 -- ;\n, 2",
    ]


@pytest.mark.long
def test_the_command_lists_what_waits_and_waits_for_nobody(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = argparse.Namespace(plan=True)
    assert migrate.run(arguments) == 0
    assert capsys.readouterr().out == "Nothing is pending.\n"
    shutil.copytree(HISTORY, tmp_path / "history")

    async def while_the_table_is_locked() -> None:
        site = await asyncpg.connect(database_url)
        async with site.transaction():
            await site.execute("LOCK TABLE session IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(30):
                assert await asyncio.to_thread(migrate.run, arguments) == 0
        await site.close()

    pending = {"m0002_sessions": "ALTER TABLE session ADD COLUMN note TEXT"}
    with history_of(tmp_path / "history", pending) as history:
        for asked in (find_state, measure):
            monkeypatch.setattr(plan, asked.__name__, partial(asked, history=history))
        asyncio.run(while_the_table_is_locked())
    printed = capsys.readouterr().out
    assert printed.startswith("m0002_sessions\n  ALTER TABLE session ADD COLUMN note TEXT\n")
    assert f"AccessExclusive lock, so {WAITS['AccessExclusiveLock']}: session" in printed
    assert FUNCTIONS in printed

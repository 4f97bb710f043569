"""The migrated database is what the packages' tables and functions say; migrations never stop the version that is running."""

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from marketplace.core.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict
from marketplace.core.postgres import EmbeddedPostgres
from migrations.generate import INITIAL, initial_sql
from migrations.plan import LOCKS, STRENGTHS, TABLES, Lock, Table, run_files
from migrations.runner import functions_text, migrate
from migrations.schema import HISTORY, function_files
from migrations.tables_locked import find_locks
from tests.migrations.builders import in_database, in_new_database
from tests.support.histories import GROWING, history_of
from tests.support.reads import fetch
from tests.support.waiting import until

pytestmark = pytest.mark.owner("the owner alone migrates")
CATALOGUE = {
    "column": """SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), attstorage
                 FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                               LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
                 WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'migration'""",
    "option": """SELECT relname, nullif(array_remove(reloptions, 'autovacuum_enabled=off'), '{}'), pg_get_partkeydef(oid)
                 FROM pg_class -- no table of the tests' own database is analysed by itself
                 WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'migration'""",
    "constraint": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
                     WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'migration'""",
    "index": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'migration'",
    "function": "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "trigger": "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "sequence": """SELECT sequencename, data_type::text, start_value, increment_by FROM pg_sequences
                   WHERE schemaname = 'public' AND sequencename <> 'migration_id_seq'""",
}
BREAKING = {
    "renames": r"\bRENAME\b",
    "drops a table": r"\bDROP\s+TABLE\b",
    "drops a column": r"\bDROP\s+COLUMN\b",
    "changes a column's type": r"\bALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE\b",
    "requires a value": r"\bSET\s+NOT\s+NULL\b|\bADD\s+COLUMN\b(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL\b",
    "adds a constraint": r"\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY\s+KEY|FOREIGN\s+KEY|EXCLUDE)\b"
    r"(?!(?:(?!,\s*(?:ADD|ALTER|DROP|VALIDATE)\b)[^;])*\bNOT\s+VALID\b)",
    "sets its own lock timeout": r"\block_timeout\b",
}
"""What a migration may not do while the version before it serves → where its SQL does so.

`NOT VALID` lets rows that are there stay and reads none under the lock; what is written from then on must keep the
constraint, also by the version before. So who writes it says that this version does.
"""
TOY = "ALTER TABLE job_run ADD COLUMN note TEXT NOT NULL DEFAULT ''"
SLOW = f"""{TOY};
    DO $$ BEGIN
        WHILE EXISTS (SELECT FROM pg_locks WHERE relation = 'session'::regclass AND pid <> pg_backend_pid()) AND NOT EXISTS (
            SELECT FROM pg_locks
            WHERE relation = 'job_run'::regclass AND NOT granted AND clock_timestamp() - waitstart > interval '0.7 seconds'
        ) LOOP
        END LOOP;
    END $$;
    ALTER TABLE session ADD COLUMN note TEXT"""
"""So slow between two tables that who waits for the first looks for deadlocks while this waits for the second."""
CHANGES = (
    "DROP TRIGGER note ON purchase_order; DROP INDEX order_by_note",
    "ALTER TABLE order_note DROP CONSTRAINT order_note_purchase_order_fkey",
    "ALTER TABLE order_note ADD CONSTRAINT of_an_order FOREIGN KEY (purchase_order) REFERENCES purchase_order (id) NOT VALID",
    "INSERT INTO order_note (purchase_order) SELECT id FROM purchase_order",
    "UPDATE order_note SET note = ''; DELETE FROM session",
    "LOCK TABLE posting IN SHARE ROW EXCLUSIVE MODE",
    "ALTER TABLE order_note DROP CONSTRAINT of_an_order; DROP TABLE order_note",
)
"""What migrations may do besides, one after the other."""
LOCKED = """SELECT EXISTS (SELECT FROM pg_locks WHERE granted AND relation = 'job_run'::regclass AND mode = 'AccessExclusiveLock'
            AND pid <> pg_backend_pid())"""
RUN = "INSERT INTO job_run (job, slot, missed, started_at) VALUES ($1, now() + $2 * interval '1 second', 0, now())"
"""What the version before the toy migration writes."""


@pytest.fixture
def toy_history(tmp_path: Path) -> Iterator[Path]:
    """Return a history that adds one column to the table of the jobs' runs."""
    with history_of(tmp_path / "history", {"m0002_toy": TOY}) as history:
        yield history


async def catalogue() -> set[tuple[object, ...]]:
    """Return all that the schema holds, by name and definition."""
    return {(kind, *map(str, row.values())) for kind, sql in CATALOGUE.items() for row in await fetch(sql)}


def test_the_migrations_make_what_tables_and_functions_say(postgres: EmbeddedPostgres, database_url: str) -> None:
    async def from_tables() -> set[tuple[object, ...]]:
        await execute(initial_sql())
        for path in function_files():
            await execute(path.read_text())
        return await catalogue()

    stated = in_new_database(postgres, "from_tables", from_tables)
    migrated = in_database(database_url, catalogue)
    assert len(migrated) > 1000
    assert sorted(stated - migrated) == sorted(migrated - stated) == []


def test_the_initial_schema_is_generated_as_long_as_it_is_the_only_migration() -> None:
    if [path.name for path in HISTORY.glob("m*.py")] == ["m0001_initial.py"]:
        assert INITIAL.read_text() == initial_sql(), "tables.py has changed: run python -m migrations.generate"


async def test_functions_can_be_applied_again_and_have_one_address() -> None:
    files = function_files()
    assert sorted(files) == sorted(files[0].parents[1].rglob("functions.sql"))
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            repeatable = r"CREATE (OR REPLACE (FUNCTION|TRIGGER)|(UNIQUE )?INDEX IF NOT EXISTS|SEQUENCE IF NOT EXISTS) "
            assert not line.startswith("CREATE") or re.match(repeatable, line), (
                f"{path}:{number} cannot be applied again"
            )
    text = "\n".join(path.read_text() for path in files)
    names = re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 10
    described = re.findall(r"^--.*\nCREATE OR REPLACE FUNCTION (\w+)", text, re.MULTILINE)
    assert set(names) == set(described), "a comment above each function says what it is for"

    before = await catalogue()
    await execute(text)
    assert await catalogue() == before


def test_many_processes_may_migrate_at_once(postgres: EmbeddedPostgres) -> None:
    async def story() -> list[list[str]]:
        return await asyncio.gather(*(asyncio.create_task(migrate()) for _ in range(4)))

    outcome = in_new_database(postgres, "raced", story)
    assert sum(bool(done) for done in outcome) == 1


async def test_migrating_again_waits_for_nobody_and_keeps_the_chart_up_to_date(database_url: str) -> None:
    await execute("UPDATE account SET title_en = 'Bank account' WHERE code = '512100'")
    await execute("DELETE FROM account WHERE code = '890000'")
    site = await asyncpg.connect(database_url)
    async with site.transaction():
        await site.execute("LOCK TABLE partner, journal_entry, accrual IN SHARE UPDATE EXCLUSIVE MODE")
        await migrate(attempts=1, lock_timeout="1ms")
    await site.close()
    assert await fetch_scalar(str, "SELECT title_en FROM account WHERE code = '512100'") == "Bank – current account"
    assert await fetch_scalar(int, "SELECT count(*) FROM account WHERE code = '890000'") == 1


def test_migrations_keep_the_version_before_them_working() -> None:
    """What breaks the version that is running waits for a later one, which says since when nothing uses it."""
    texts = {path.name: path.read_text() for path in sorted(HISTORY.glob("m*.py"))[1:]}
    for name, text in (texts | GROWING).items():
        assert re.search(r"^UNUSED_SINCE = ", text, re.MULTILINE) or not breaks(text), name


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        (
            "ALTER TABLE t ADD COLUMN a TEXT NOT NULL DEFAULT '', ADD COLUMN b TEXT; CREATE TABLE u (a TEXT NOT NULL)",
            [],
        ),
        ("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a >= 0) NOT VALID", []),
        ("ALTER TABLE t ADD CONSTRAINT c\n    FOREIGN KEY (a) REFERENCES u (a) NOT VALID", []),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT c, DROP CONSTRAINT d; CREATE TABLE u (a TEXT, CONSTRAINT c CHECK (a <> ''))",
            [],
        ),
        ("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0)", ["adds a constraint"]),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a, b)", ["adds a constraint"]),
        ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a)", ["adds a constraint"]),
        ("ALTER TABLE t ADD CHECK (a > 0)", ["adds a constraint"]),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD CONSTRAINT d CHECK (b > 0) NOT VALID",
            ["adds a constraint"],
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0); ALTER TABLE t ADD CONSTRAINT d CHECK (b > 0) NOT VALID",
            ["adds a constraint"],
        ),
        ("ALTER TABLE t ADD COLUMN a TEXT NOT NULL, ADD COLUMN b TEXT DEFAULT ''", ["requires a value"]),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", ["requires a value"]),
        ("ALTER TABLE t RENAME COLUMN a TO b", ["renames"]),
        ("ALTER TABLE t\n    DROP COLUMN a", ["drops a column"]),
        ("DROP TABLE t", ["drops a table"]),
        ("ALTER TABLE t ALTER COLUMN a TYPE BIGINT", ["changes a column's type"]),
        ("SET LOCAL lock_timeout = 0", ["sets its own lock timeout"]),
    ],
)
def test_what_breaks_the_version_before_is_recognised(sql: str, broken: list[str]) -> None:
    assert breaks(sql) == broken


def breaks(text: str) -> list[str]:
    return [name for name, pattern in BREAKING.items() if re.search(pattern, text, re.IGNORECASE)]


@pytest.mark.long
async def test_a_migration_that_finds_its_table_in_use_gives_up_and_nobody_stays_queued(
    database_url: str, toy_history: Path
) -> None:
    before = await catalogue()
    site = await asyncpg.connect(database_url)
    async with site.transaction():
        await site.execute(RUN, "long", 0)
        migration = asyncio.create_task(migrate(toy_history, attempts=2, lock_timeout="200ms"))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'job_run'::regclass)"
        while not await fetch_scalar(bool, waits):
            pass
        assert await fetch_scalar(int, "SELECT count(*) FROM job_run") == 0  # queued behind it, and then served
        with pytest.raises(Conflict, match="rolled back"):
            await migration
        await site.execute(RUN, "long", 1)
    await site.close()
    assert await catalogue() == before
    assert await fetch_scalar(int, "SELECT count(*) FROM job_run") == 2
    assert await migrate(toy_history) == ["m0002_toy"]


@pytest.mark.long
async def test_where_a_site_and_a_migration_wait_for_each_other_the_site_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    site = await asyncpg.connect(database_url)
    with history_of(tmp_path / "history", {"m0002_slow": SLOW}) as history:
        async with site.transaction():
            await site.execute("LOCK TABLE session IN ROW EXCLUSIVE MODE")  # as a sign-in that is under way
            migration = asyncio.create_task(migrate(history))
            await until(lambda: fetch_scalar(bool, LOCKED))
            assert await site.fetchval("SELECT count(*) FROM job_run") == 0
        await site.close()
        assert await migration == ["m0002_slow"]


def test_every_table_that_a_migration_changes_is_locked_before(postgres: EmbeddedPostgres) -> None:
    """Read in the texts, found by PostgreSQL: each migration of the history by itself, the functions, what may come later."""

    async def too_late(act: Callable[[], Any], migration: str, functions: str, weakest: str) -> list[Lock]:
        async with transaction():
            foreseen = await find_locks(migration, functions)
            today = {table.name for table in await fetch_rows(Table, TABLES)}
            await act()
            found = [lock for lock in await fetch_rows(Lock, LOCKS) if lock.table in today]
        modes = {table: f"{mode.title().replace(' ', '')}Lock" for table, mode in foreseen.items()}
        return [lock for lock in found if STRENGTHS[lock.mode] > STRENGTHS[modes.get(lock.table, weakest)]]

    async def story() -> dict[str, list[Lock]]:
        late = {}
        for path in sorted(HISTORY.glob("m*.py")):
            late[path.stem] = await too_late(partial(run_files, [path]), path.read_text(), "", "RowShareLock")
        text = functions_text()  # a body that is checked takes the lock of who writes, and writes no row
        late["functions"] = await too_late(partial(execute, text), "", text, "RowExclusiveLock")
        for sql in (*GROWING.values(), *CHANGES):
            late[sql] = await too_late(partial(execute, sql), sql, "", "RowShareLock")
        return late

    late = in_new_database(postgres, "locked", story)
    assert {name: locks for name, locks in late.items() if locks} == {}


async def test_the_version_before_reads_and_writes_while_a_migration_runs(toy_history: Path) -> None:
    migration = asyncio.create_task(migrate(toy_history))

    async def site(number: int) -> int:
        written = 0
        while not migration.done() or not written:
            async with transaction():
                await execute(RUN, f"job-{number}", written)
                written += 1
                of_this = (
                    "SELECT count(*) FROM (SELECT job, slot, missed, started_at FROM job_run WHERE job = $1) AS run"
                )
                assert await fetch_scalar(int, of_this, f"job-{number}") == written
        return written

    written = await asyncio.gather(*(asyncio.create_task(site(number)) for number in range(4)))
    assert await migration == ["m0002_toy"]
    assert await fetch_scalar(int, "SELECT count(*) FROM job_run WHERE note = ''") == sum(written)

"""The statements that `migrate` would run on a database, the tables that each locks, and what waits for them.

PostgreSQL itself reports the locks: the present schema is made on an empty server, pending migrations run there in one
transaction, and the locks are read after each statement. The real database is only asked which migrations it has had.
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, transaction
from migrations.pending import list_pending, refuse_unknown_past
from migrations.runner import are_functions_applied, functions_text
from migrations.schema import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FUNCTIONS: Final = "functions, triggers and indexes"
READS_AND_WRITES, WRITES, NOTHING = "reads and writes wait", "writes wait", "nothing waits"
WAITS: Final = {
    "AccessExclusiveLock": READS_AND_WRITES,
    "ExclusiveLock": WRITES,
    "ShareRowExclusiveLock": WRITES,
    "ShareLock": WRITES,
    "ShareUpdateExclusiveLock": NOTHING,
    "RowExclusiveLock": NOTHING,
    "RowShareLock": NOTHING,
    "AccessShareLock": NOTHING,
}
"""Each lock of a table, the strongest first → what waits for it on a site that reads and writes rows.

Source: PostgreSQL 18, 13.3.1, the table of conflicting lock modes.
"""
STRENGTHS: Final = {mode: strength for strength, mode in enumerate(reversed(WAITS))}
WEAKEST_LISTED: Final = STRENGTHS["ShareUpdateExclusiveLock"]
"""A lock that every read or written row needs too is not listed."""


STATEMENT: Final = re.compile(
    r"""(?:\s|--[^\n]*|/\*.*?\*/)*+                                               # comments before it
        ((?:'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\2\$|--[^\n]*|/\*.*?\*/|[^;])*+)(?:;|\Z)  # up to a semicolon that nothing quotes""",
    re.VERBOSE | re.DOTALL,
)
TABLES: Final = """SELECT relname::text AS name FROM pg_class
                   WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"""
LOCKS: Final = f"""SELECT relname::text AS table, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                   WHERE pid = pg_backend_pid() AND relname IN ({TABLES}) AND relkind IN ('r', 'p')
                   ORDER BY relname, mode"""


class Table(Struct, frozen=True):
    """An existing table."""

    name: str


class Lock(Struct, frozen=True):
    """A lock of a table that the database has today, by PostgreSQL's name of its mode."""

    table: str
    mode: str


class Step(Struct, frozen=True):
    """A statement of a pending migration, and the locks that it is the first to acquire; they last to the end."""

    migration: str
    statement: str
    locks: list[Lock]


class State(Struct, frozen=True):
    """The state of a database: the migrations that it has not had, and whether the functions are applied again."""

    pending: list[str]
    applies_functions: bool


class Size(Struct, frozen=True):
    """About how many rows a table has, by PostgreSQL's last count; -1 if it never counted."""

    table: str
    rows: int


async def find_state(history: Path = HISTORY) -> State:
    """Return what `migrate` has to do here, or refuse like it; the pool of the real database must be open."""
    await refuse_unknown_past()
    pending = await list_pending(history)
    return State(pending, bool(pending) or not await are_functions_applied())


async def list_sizes() -> dict[str, int]:
    """Return about how many rows each table has, without tables that were never counted."""
    sql = """SELECT relname::text AS table, reltuples::bigint AS rows FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND reltuples >= 0"""
    return {size.table: size.rows for size in await fetch_rows(Size, sql)}


async def measure(state: State, history: Path = HISTORY) -> list[Step]:
    """Return the steps of `migrate` in order, by running them; the pool must be that of an empty database.

    The functions of all packages are one step. A lock of a mode that rows need too is left out.
    """
    files = _files(history)
    async with transaction():
        await run_files(path for path in files if path.stem not in state.pending)
    steps: list[Step] = []
    async with transaction() as opened:
        today = {table.name for table in await fetch_rows(Table, TABLES)}
        real, opened.connection = opened.connection, _Recorder(opened.connection, today, steps)
        try:
            for path in files:
                if path.stem in state.pending:
                    opened.connection.migration = path.stem
                    await run_files([path])
            if state.applies_functions:
                await opened.connection.note_text(FUNCTIONS, functions_text())
        finally:
            opened.connection = real
    return steps


def split(sql: str) -> list[str]:
    """Return the statements of a text, each without the comments before it and the semicolon after it."""
    return [found[1].strip() for found in STATEMENT.finditer(sql) if found[1].strip()]


def _files(history: Path) -> list[Path]:
    return sorted(history.glob("m*.py"))


async def run_files(files: Iterable[Path]) -> None:
    """Run migrations in the open transaction without recording them."""
    for path in files:
        specification = importlib.util.spec_from_file_location(path.stem, path)
        assert specification, path
        assert specification.loader, path
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        for act in (await module.forwards()).raw:
            await act()


class _Recorder:
    """A transaction's connection that runs a text statement by statement and records the locks of each."""

    def __init__(self, connection: Any, today: set[str], steps: list[Step]) -> None:  # noqa: ANN401 (asyncpg's)
        self._connection, self._today, self._steps = connection, today, steps
        self._locked: dict[str, int] = {}
        self._is_noting = False
        self.migration = ""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (everything else that asyncpg has)
        return getattr(self._connection, name)

    async def execute(self, sql: str, *values: object, **options: Any) -> str:  # noqa: ANN401 (asyncpg's)
        """Run each statement and record it."""
        if self._is_noting:
            return str(await self._connection.execute(sql, *values, **options))
        status = ""
        for statement in [sql] if values else split(sql):
            status = await self._connection.execute(statement, *values, **options)
            await self._note(self.migration, statement)
        return status

    async def note_text(self, name: str, sql: str) -> None:
        """Run a text as one step, whatever its number of statements."""
        await self._connection.execute(sql)
        await self._note(name, name)

    async def _note(self, migration: str, statement: str) -> None:
        """Record which of today's tables are locked more strongly than before."""
        locks: list[Lock] = []
        self._is_noting = True  # the row checks of fetch_rows may execute too
        found = await fetch_rows(Lock, LOCKS)
        self._is_noting = False
        for lock in found:
            if lock.table in self._today and STRENGTHS[lock.mode] > self._locked.get(lock.table, WEAKEST_LISTED - 1):
                locks.append(lock)
                self._locked[lock.table] = STRENGTHS[lock.mode]
        self._steps.append(Step(migration, statement, locks))

"""Bring a database up to date: the pending migrations, the functions and the chart of accounts, in one transaction.

A database lock lets any number of processes start at once. Every table that the run changes is locked before its first
statement, all of them within half a second: later requests queue behind it. If a migration and a purchase wait for each
other, the migration must give up before PostgreSQL looks for deadlocks after a second. Then the whole run is rolled
back and tried again. The functions, triggers and indexes in `functions.sql` are applied only after a migration or a
change of the files, because each statement locks its table. An index on a table that is large in production is created
there by hand first (CREATE INDEX CONCURRENTLY); the file then finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
from typing import TYPE_CHECKING, Final

from asyncpg.exceptions import DeadlockDetectedError, LockNotAvailableError
from piccolo.conf.apps import AppConfig

from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.money.ledger.actions import write_chart
from marketplace.people.sandbox.actions import mark_database
from migrations.pending import list_pending, refuse_unknown_past
from migrations.piccolo_app import APP_NAME
from migrations.roles import grant_to
from migrations.schema import HISTORY, function_files
from migrations.tables_locked import find_locks, lock_tables

if TYPE_CHECKING:
    from pathlib import Path

LOCK_TIMEOUT: Final = "500ms"
"""For all tables together: half of PostgreSQL's deadlock_timeout, which a waiting site must not reach."""
NO_TIME: Final = "10ms"
"""For later, unexpected locks: the site may have waited for nearly a second by then."""
ATTEMPTS: Final = 10
PAUSE_SECONDS: Final = 1.0


async def migrate(history: Path = HISTORY, *, attempts: int = ATTEMPTS, lock_timeout: str = LOCK_TIMEOUT) -> list[str]:
    """Run the pending migrations in the folder `history` and return their files; the pool must be open.

    Refuses, and changes nothing, if a table stays locked in every attempt, or the site’s locks cross ours in each.
    """
    for attempt in range(1, attempts + 1):
        try:
            return await _migrate_once(history, lock_timeout)
        except (LockNotAvailableError, DeadlockDetectedError):
            if attempt < attempts:
                await asyncio.sleep(PAUSE_SECONDS)
    raise Conflict("A table stayed in use, so the migration was rolled back. Run it again when the site is quieter.")


async def _migrate_once(history: Path, lock_timeout: str) -> list[str]:
    async with transaction():
        await lock("migrations")
        await _refuse_powerless_role()
        await refuse_unknown_past()
        await _lock_what_changes(history, lock_timeout)
        done = await _run_pending(history)
        await _apply_functions()
        await write_chart()
        await mark_database()
        if settings().serving_role:
            await grant_to(settings().serving_role)
    return done


async def _lock_what_changes(history: Path, lock_timeout: str) -> None:
    pending = await list_pending(history)
    is_nothing_new = not pending and await are_functions_applied()
    if not is_nothing_new:
        texts = "\n".join((history / f"{name}.py").read_text() for name in pending)
        await lock_tables(await find_locks(texts, functions_text()), within=lock_timeout)
    await execute(f"SET LOCAL lock_timeout = '{lock_timeout if is_nothing_new else NO_TIME}'")


async def _run_pending(history: Path) -> list[str]:
    os.environ["PICCOLO_CONF"] = "migrations.piccolo_conf"
    from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager  # noqa: PLC0415 (reads PICCOLO_CONF)

    manager = ForwardsMigrationManager(app_name=APP_NAME)
    await manager.create_migration_table()
    pending = await list_pending(history)
    with contextlib.redirect_stdout(io.StringIO()):  # Piccolo's own words
        result = await manager.run_migrations(AppConfig(app_name=APP_NAME, migrations_folder_path=str(history)))
    if not result.success:
        raise RuntimeError(result.message)
    return pending


async def _apply_functions() -> None:
    """Apply every package's `functions.sql` unless this text was applied after the newest migration."""
    if not await are_functions_applied():
        await execute(functions_text())
        await execute(f"COMMENT ON TABLE migration IS '{await _stamp()}'")


def functions_text() -> str:
    """Return every package's `functions.sql`, in the order that they are applied."""
    return "\n".join(path.read_text() for path in function_files())


async def are_functions_applied() -> bool:
    """Return whether this text of the functions was applied after the newest migration; the database must have had one."""
    return await fetch_scalar(str, "SELECT obj_description('migration'::regclass, 'pg_class')") == await _stamp()


async def _stamp() -> str:
    """Return the text's hash with the newest migration's name, stored as the comment of the table of migrations."""
    newest = await fetch_scalar(str, "SELECT max(name) FROM migration")
    return f"functions {hashlib.sha256(functions_text().encode()).hexdigest()} after {newest}"


async def _refuse_powerless_role() -> None:
    """Refuse a role that may not create tables here, such as the serving one."""
    if not await fetch_scalar(bool, "SELECT has_schema_privilege('public', 'CREATE')"):
        raise Conflict("This role may not change the schema: load the environment file of `migrate`, and give again.")

"""Bring a database up to date: the pending migrations, the functions and the chart of accounts, in one transaction.

A database lock lets any number of processes start at once. Every table that the run changes is locked before its first
statement, all of them within half a second: everyone who comes later queues behind it, and where a migration and a purchase
wait for each other, it must be the migration that gives up, before PostgreSQL looks for deadlocks after a second. Then the
whole run is rolled back and tried again. The functions, triggers and indexes in `functions.sql` are applied only after a
migration or a change of the files, for each statement locks its table. An index on a table that is large in production is
created there by hand first (CREATE INDEX CONCURRENTLY); the file then finds it.
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

from marketplace.backup.strangers import refuse_strangers
from marketplace.database import execute, fetch_scalar, transaction
from marketplace.errors import Conflict
from marketplace.ledger.actions import write_chart
from marketplace.locks import lock
from marketplace.sandbox.actions import mark_database
from marketplace.settings import settings
from migrations.history import m0001_initial
from migrations.pending import list_pending
from migrations.piccolo_app import APP_NAME, HISTORY, function_files
from migrations.roles import grant_to
from migrations.tables_locked import find_locks, lock_tables

if TYPE_CHECKING:
    from pathlib import Path

LOCK_TIMEOUT: Final = "500ms"
"""For all tables together: half of PostgreSQL's deadlock_timeout, which a site that waits must not reach."""
NO_TIME: Final = "10ms"
"""For what is locked by surprise, later: the site may have waited for nearly a second by then."""
ATTEMPTS: Final = 10
PAUSE_SECONDS: Final = 1.0


async def migrate(history: Path = HISTORY, *, attempts: int = ATTEMPTS, lock_timeout: str = LOCK_TIMEOUT) -> list[str]:
    """Run what is pending in the folder `history` and return the files that were run; the pool must be open.

    Refuses, and changes nothing, when a table stays locked in every attempt, or the site’s locks cross ours in each.
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
        await refuse_strangers()
        await _refuse_powerless_role()
        await _refuse_unreleased_schema()
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
    """Apply every slice's `functions.sql` unless this text was applied after the newest migration."""
    if not await are_functions_applied():
        await execute(functions_text())
        await execute(f"COMMENT ON TABLE migration IS '{await _stamp()}'")


def functions_text() -> str:
    """Return every slice's `functions.sql`, in the order that they are applied."""
    return "\n".join(path.read_text() for path in function_files())


async def are_functions_applied() -> bool:
    """Return whether this text of the functions was applied after the newest migration; the database must have had one."""
    return await fetch_scalar(str, "SELECT obj_description('migration'::regclass, 'pg_class')") == await _stamp()


async def _stamp() -> str:
    """Return the text's hash with the newest migration's name, which is kept as the comment of the table of migrations."""
    newest = await fetch_scalar(str, "SELECT max(name) FROM migration")
    return f"functions {hashlib.sha256(functions_text().encode()).hexdigest()} after {newest}"


async def _refuse_powerless_role() -> None:
    """Refuse a role that may make no tables here, as the one that serves."""
    if not await fetch_scalar(bool, "SELECT has_schema_privilege('public', 'CREATE')"):
        raise Conflict("This role may not change the schema: load the environment file of `migrate`, and give again.")


async def _refuse_unreleased_schema() -> None:
    """Refuse a database whose schema was made before the first release: nothing migrates from there."""
    if await fetch_scalar(bool, "SELECT to_regclass('migration') IS NULL"):
        return
    if await fetch_scalar(bool, "SELECT EXISTS (SELECT FROM migration WHERE name < $1)", m0001_initial.ID):
        raise Conflict("This database was made before the first release and cannot be brought up to date: start anew.")

"""Migration 104: the exceptions that the last look found, for pages of large books. The version before looks each time."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:04"
VERSION = "1.38.0"
DESCRIPTION = "kept exceptions"
SQL = """
CREATE TABLE "exception_look" (
    "id" INTEGER PRIMARY KEY NOT NULL,
    "looked_at" TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT "one_row" CHECK (id = 1)
);

CREATE TABLE "kept_exception" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "why" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "path" TEXT,
    "amount_minor" BIGINT,
    "at" TIMESTAMP WITH TIME ZONE NOT NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 32: who sees to which exception; the version before neither reads nor writes it."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:32"
VERSION = "1.38.0"
DESCRIPTION = "assignments"
SQL = """
CREATE TABLE "exception_note" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "form_id" UUID UNIQUE NOT NULL,
    "why" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "text" TEXT NOT NULL DEFAULT '',
    "assignee" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "author" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "says_something" CHECK (length(text) <= 2000 AND (assignee IS NOT NULL OR btrim(text) <> ''))
);
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

"""Migration 59: rules that clerks make from a bank line."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:59"
VERSION = "1.38.0"
DESCRIPTION = "lines booked alike"
SQL = """
CREATE TABLE "bank_rule" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "words" TEXT NOT NULL,
    "comes_in" BOOLEAN NOT NULL,
    "most_minor" BIGINT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    "ended_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "words_say_something" CHECK (length(btrim(words)) BETWEEN 3 AND 140),
    CONSTRAINT "books_something" CHECK (most_minor > 0),
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3)),
    CONSTRAINT "only_an_approved_one_ends"
        CHECK (num_nonnulls(ended_by, ended_at) = 0 OR num_nonnulls(ended_by, ended_at) = 2 AND approved)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

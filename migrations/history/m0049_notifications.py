"""Migration 49: facts that partners' programs are notified of, addresses they are posted to, and deliveries.

The version before reads none of the tables.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:49"
VERSION = "1.38.0"
DESCRIPTION = "notifications"
SQL = """
CREATE TABLE "partner_event" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_event_a_fact" UNIQUE ("partner", "kind", "source")
);

CREATE TABLE "webhook_endpoint" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "url" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "after" BIGINT NOT NULL DEFAULT 0,
    "disabled_at" TIMESTAMPTZ,
    "disabled_because" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_reason" CHECK (disabled_because IN ('', 'removed', 'gone', 'failing')),
    CONSTRAINT "says_why" CHECK ((disabled_at IS NULL) = (disabled_because = ''))
);

CREATE TABLE "webhook_delivery" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "endpoint" UUID NOT NULL REFERENCES "webhook_endpoint" ("id") ON DELETE RESTRICT,
    "event" BIGINT NOT NULL REFERENCES "partner_event" ("id") ON DELETE RESTRICT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "delivered_at" TIMESTAMPTZ,
    "last_answer" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "one_delivery_an_event" UNIQUE ("endpoint", "event"),
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 25: sessions that await a second factor, and addresses that are confirmed; the version before writes neither.

Until its last process has stopped, the version before lets a session in that awaits its second factor.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:25"
VERSION = "1.38.0"
DESCRIPTION = "second factors"
SQL = """
ALTER TABLE session
    ADD COLUMN awaits_factor BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN proved_at TIMESTAMPTZ;
ALTER TABLE person
    ADD COLUMN email_confirmed_at TIMESTAMPTZ,
    ADD COLUMN has_second_factor BOOLEAN NOT NULL DEFAULT false;

CREATE TABLE "authenticator" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID UNIQUE NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "sealed" BYTEA NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "confirmed_at" TIMESTAMPTZ,
    "last_step" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "step_is_positive" CHECK (last_step >= 0)
);

CREATE TABLE "passkey" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "credential_id" BYTEA UNIQUE NOT NULL,
    "public_key" BYTEA NOT NULL,
    "sign_count" BIGINT NOT NULL DEFAULT 0,
    "label" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_named" CHECK (length(label) BETWEEN 1 AND 80)
);

CREATE TABLE "passkey_challenge" (
    "session_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "challenge" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "recovery_code" (
    "code_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 31: accounts for unknown categories of Stripe, changes of address that wait, identities at providers.

The version before posts none of those categories and changes no address; it reads none of the tables.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:31"
VERSION = "1.38.0"
DESCRIPTION = "categories"
SQL = """
CREATE TABLE "category_account" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "category" TEXT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);

CREATE TABLE "address_change" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "sealed" BYTEA NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "new_confirmed_at" TIMESTAMPTZ,
    "old_confirmed_at" TIMESTAMPTZ,
    "changed_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "new_one_is_confirmed" CHECK (changed_at IS NULL OR new_confirmed_at IS NOT NULL)
);

CREATE TABLE "identity_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "linked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "subject_is_named" CHECK (length(subject) BETWEEN 1 AND 255),
    CONSTRAINT "one_person_each" UNIQUE ("issuer", "subject"),
    CONSTRAINT "one_identity_each" UNIQUE ("person", "issuer")
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

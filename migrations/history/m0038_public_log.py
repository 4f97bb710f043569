"""Migration 38: the public log: entries in their order, trees of days, signed heads; hidden facts; facts to be logged.

The version before states facts, which a trigger notes as not logged yet, and reads none of the tables.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:38"
VERSION = "1.38.0"
DESCRIPTION = "public log"
SQL = """
CREATE TABLE "unlogged_fact" (
    "fact" BIGINT PRIMARY KEY NOT NULL
);

CREATE TABLE "hidden_fact" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "hidden_once" UNIQUE ("kind", "source"),
    CONSTRAINT "known_kind" CHECK (kind IN ('price_inputs'))
);

CREATE TABLE "log_entry" (
    "number" BIGINT PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "content" BYTEA NOT NULL,
    "fact" BIGINT UNIQUE REFERENCES "log_fact" ("id") ON DELETE RESTRICT,
    CONSTRAINT "number_counts_from_zero" CHECK (number >= 0),
    CONSTRAINT "content_fits_a_bundle" CHECK (length(content) BETWEEN 1 AND 65535)
);

CREATE TABLE "day_tree" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "key" BYTEA NOT NULL,
    "crown" BYTEA NOT NULL,
    CONSTRAINT "one_tree_a_day" UNIQUE ("kind", "day"),
    CONSTRAINT "key_is_long" CHECK (length(key) = 32),
    CONSTRAINT "crown_is_whole" CHECK (length(crown) = 8192)
);

CREATE TABLE "day_item" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "tree" BIGINT NOT NULL REFERENCES "day_tree" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "place" BIGINT NOT NULL,
    "digest" BYTEA NOT NULL,
    CONSTRAINT "item_logged_once" UNIQUE ("kind", "source"),
    CONSTRAINT "one_item_a_place" UNIQUE ("tree", "place"),
    CONSTRAINT "digest_is_sha256" CHECK (length(digest) = 32)
);

CREATE TABLE "log_head" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "origin" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "root" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "signed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_head_a_size" UNIQUE ("origin", "size"),
    CONSTRAINT "size_is_positive" CHECK (size >= 1),
    CONSTRAINT "root_is_sha256" CHECK (root ~ '^[0-9a-f]{64}$')
);

INSERT INTO unlogged_fact (fact) SELECT id FROM log_fact;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

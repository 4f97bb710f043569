"""Migration 44: saved searches, and requests for data that is not for sale; the version before has neither."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:44"
VERSION = "1.38.0"
DESCRIPTION = "requests"
SQL = """
CREATE TABLE "saved_search" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    "query" TEXT NOT NULL,
    "saved_at" TIMESTAMPTZ NOT NULL,
    "looked_at" TIMESTAMPTZ NOT NULL,
    "written_at" TIMESTAMPTZ,
    CONSTRAINT "name_is_bounded" CHECK (length(name) BETWEEN 1 AND 200 AND length(query) <= 4000)
);

CREATE TABLE "search_match" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "saved_search" UUID NOT NULL REFERENCES "saved_search" ("id") ON DELETE CASCADE,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "matched_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "once" UNIQUE ("saved_search", "release")
);

CREATE TABLE "data_request" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "digest" TEXT NOT NULL,
    "place" TEXT NOT NULL,
    "product" TEXT NOT NULL,
    "grain" TEXT NOT NULL,
    "starts_on" DATE NOT NULL,
    "ends_on" DATE NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "dataset" TEXT REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "reason_fr" TEXT NOT NULL DEFAULT '',
    "reason_en" TEXT NOT NULL DEFAULT '',
    "answered_by" TEXT NOT NULL DEFAULT '',
    "answered_at" TIMESTAMPTZ,
    CONSTRAINT "place_is_bounded" CHECK (length(place) BETWEEN 1 AND 4000),
    CONSTRAINT "period_is_not_empty" CHECK (starts_on <= ends_on),
    CONSTRAINT "known_grain" CHECK (grain IN ('hour', 'day', 'week')),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'offered', 'call', 'refused')),
    CONSTRAINT "answered_whole" CHECK ((state = 'open') = (answered_at IS NULL)),
    CONSTRAINT "answer_names_a_dataset" CHECK ((state IN ('offered', 'call')) = (dataset IS NOT NULL)),
    CONSTRAINT "refusal_says_why" CHECK (state <> 'refused' OR (reason_fr <> '' AND reason_en <> ''))
);

CREATE TABLE "data_request_partner" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "data_request" UUID NOT NULL REFERENCES "data_request" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "place" TEXT NOT NULL,
    "most_minor" BIGINT NOT NULL,
    "text" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "most_is_positive" CHECK (most_minor BETWEEN 1 AND 100000000000),
    CONSTRAINT "text_is_bounded" CHECK (length(text) <= 2000),
    CONSTRAINT "once_each" UNIQUE ("data_request", "partner")
);
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

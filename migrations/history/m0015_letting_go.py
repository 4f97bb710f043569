"""Migration 15: sessions say where they are, keys have an owner, scopes and an end, and colleagues may be members.

Everyone who was a partner's person administers it, as all could do everything. The version before makes keys of every
scope and without an end, and administrators.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:15"
VERSION = "1.38.0"
DESCRIPTION = "letting go"
SQL = """
ALTER TABLE person
    ADD COLUMN is_member BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT only_partners_have_members CHECK (NOT is_member OR partner IS NOT NULL) NOT VALID;
ALTER TABLE person VALIDATE CONSTRAINT only_partners_have_members;
ALTER TABLE session
    ADD COLUMN last_seen_at TIMESTAMPTZ,
    ADD COLUMN device TEXT NOT NULL DEFAULT '',
    ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key
    ADD COLUMN owner UUID REFERENCES person (id) ON DELETE SET NULL,
    ADD COLUMN scopes TEXT NOT NULL DEFAULT 'quotes orders bids downloads',
    ADD COLUMN ends_at TIMESTAMPTZ,
    ADD CONSTRAINT scopes_are_known
    CHECK (scopes ~ '^(quotes|orders|bids|downloads)( (quotes|orders|bids|downloads))*$') NOT VALID;
ALTER TABLE api_key VALIDATE CONSTRAINT scopes_are_known;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 19: builds are asked for, by stewards or by a dataset's cadence."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:19"
VERSION = "1.38.0"
DESCRIPTION = "build requests"

SQL = """
ALTER TABLE dataset ADD COLUMN cadence TEXT NOT NULL DEFAULT '',
    ADD CONSTRAINT known_cadence CHECK (cadence IN ('', 'day', 'week', 'month'));
CREATE TABLE build_request (
    id UUID PRIMARY KEY,
    dataset TEXT NOT NULL REFERENCES dataset (code) ON DELETE RESTRICT,
    period_from TIMESTAMPTZ NOT NULL,
    period_to TIMESTAMPTZ NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    note_fr TEXT NOT NULL DEFAULT '',
    note_en TEXT NOT NULL DEFAULT '',
    publish BOOLEAN NOT NULL DEFAULT false,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    step TEXT NOT NULL DEFAULT '',
    share_micro INTEGER NOT NULL DEFAULT 0,
    ended_at TIMESTAMPTZ,
    release UUID REFERENCES release (id) ON DELETE RESTRICT,
    refusal TEXT,
    CONSTRAINT period_is_not_empty CHECK (period_from < period_to),
    CONSTRAINT ends_with_an_answer CHECK ((ended_at IS NOT NULL) = (release IS NOT NULL OR refusal IS NOT NULL)),
    CONSTRAINT revisions_count_from_one CHECK (revision > 0),
    CONSTRAINT share_is_a_share CHECK (share_micro BETWEEN 0 AND 1000000)
);
CREATE UNIQUE INDEX one_open_build_a_period ON build_request (dataset, period_from, period_to, revision) WHERE ended_at IS NULL;
"""


async def forwards() -> MigrationManager:
    """Create the table and the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def create() -> None:
        await execute(SQL)

    manager.add_raw(create)
    return manager

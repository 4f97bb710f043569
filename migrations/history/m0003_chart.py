"""Migration 3: the chart of accounts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute
from marketplace.ledger.chart import TITLES

ID = "2026-11-24T00:00:03"
VERSION = "1.38.0"
DESCRIPTION = "chart"


async def open_accounts() -> None:
    """Write every account of the chart."""
    await execute(
        "INSERT INTO account (code, title_fr, title_en) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])",
        list(TITLES), [french for french, _ in TITLES.values()], [english for _, english in TITLES.values()],
    )  # fmt: skip


async def forwards() -> MigrationManager:
    """Open the accounts."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(open_accounts)
    return manager

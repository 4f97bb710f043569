"""Migration 46: a price is for a licence's terms as they stood when it was signed or auctioned, whatever is offered later."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:46"
VERSION = "1.38.0"
DESCRIPTION = "terms kept"

SQL = """
ALTER TABLE quote ADD COLUMN terms TEXT REFERENCES licence_terms (code) ON DELETE RESTRICT;
ALTER TABLE quote DISABLE TRIGGER append_only;
UPDATE quote SET terms = offer.terms FROM offer WHERE offer.id = quote.offer;
UPDATE quote SET terms = auction.terms FROM auction WHERE auction.id = quote.auction;
ALTER TABLE quote ENABLE TRIGGER append_only;
ALTER TABLE quote ALTER COLUMN terms SET NOT NULL;
"""


async def forwards() -> MigrationManager:
    """Write each quote's terms beside it."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

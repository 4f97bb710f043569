"""What a price also depends on: the days an offer's worth is stated for, and the right of use of licence terms.

Neutral for what is there: an old offer's worth is that of a release as long as its latest one, and old terms have
neither a priced right nor a priced term.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID, VERSION, DESCRIPTION = "2026-11-26T00:00:08", "1.38.0", "price"
COLUMNS = """
ALTER TABLE licence_terms ADD COLUMN usage_right TEXT NOT NULL DEFAULT '';
ALTER TABLE offer ADD COLUMN worth_days INTEGER NOT NULL DEFAULT 7;
ALTER TABLE licence_terms
    ADD CONSTRAINT known_right CHECK (usage_right IN ('', 'internal', 'publish', 'resell')) NOT VALID;
ALTER TABLE offer ADD CONSTRAINT worth_is_of_some_days CHECK (worth_days BETWEEN 1 AND 366) NOT VALID;
ALTER TABLE licence_terms VALIDATE CONSTRAINT known_right;
ALTER TABLE offer VALIDATE CONSTRAINT worth_is_of_some_days;
"""
WORTH_OF_THE_LATEST = """
UPDATE offer
SET worth_days = latest.days
FROM (
    SELECT DISTINCT ON (dataset)
        dataset,
        least(greatest(round(extract(epoch FROM period_to - period_from) / 86400), 1), 366)::integer AS days
    FROM release
    WHERE state = 'sealed'
    ORDER BY dataset, period_to DESC, sealed_at DESC
) AS latest
WHERE latest.dataset = offer.dataset
"""


async def forwards() -> MigrationManager:
    """Add the columns, and state the days of the offers there are."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def alter() -> None:
        await execute(COLUMNS)
        await execute(WORTH_OF_THE_LATEST)

    manager.add_raw(alter)
    return manager

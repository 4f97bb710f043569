"""Migration 112: offers of the first day of subscriptions from before 109, as the log's confidential facts state them.

Each offer's facts of a day are all that its price depends on. A subscription whose own offer has none, because it began
before the log had them, stays without: a steep rise of prices may then refuse its deliveries, and its partner reads why.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute_long

ID = "2026-11-28T00:01:12"
VERSION = "1.38.0"
DESCRIPTION = "offers of first days"
FILL = """
WITH stated AS (
    SELECT DISTINCT ON (subscription.id, offer.id)
        subscription.id AS subscription,
        other.code,
        other.code = own.code AS is_own,
        hidden_fact.document::jsonb - 'offer' - 'day'
            || jsonb_build_object('id', offer.id, 'dataset', other.code, 'grain', other.grain) AS agreed
    FROM subscription
    JOIN dataset AS own ON own.code = subscription.dataset
    JOIN dataset AS other
        ON other.product = own.product
        AND other.grain = own.grain
        AND other.age_bands = own.age_bands
        AND other.h3_resolution = own.h3_resolution
        AND other.zone_table IS NOT DISTINCT FROM own.zone_table
    JOIN offer ON offer.dataset = other.code
    JOIN hidden_fact
        ON hidden_fact.kind = 'price_inputs'
        AND split_part(hidden_fact.source, ' ', 1) = offer.id::text
        AND hidden_fact.at <= subscription.began_at
    WHERE subscription.agreed_offers IS NULL
      AND subscription.state <> 'ended'
    ORDER BY subscription.id, offer.id, hidden_fact.at DESC, hidden_fact.id DESC
),
filled AS (
    SELECT subscription, jsonb_agg(agreed ORDER BY code)::text AS agreed_offers
    FROM stated
    GROUP BY subscription
    HAVING bool_or(is_own)
)
UPDATE subscription
SET agreed_offers = filled.agreed_offers
FROM filled
WHERE filled.subscription = subscription.id;
"""


async def _alter() -> None:
    await execute_long(FILL)


async def forwards() -> MigrationManager:
    """Fill what subscriptions of before do not have yet."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

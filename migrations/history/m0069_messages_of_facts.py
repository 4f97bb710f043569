"""Migration 69: messages that jobs wrote from facts are written with them; those of the last facts without one, once.

The jobs of the version before find a message under the same id, and write no second one.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:69"
VERSION = "1.38.0"
DESCRIPTION = "messages of facts"
SQL = """
WITH fact (kind, source_id, partner, details) AS (
    SELECT 'won', outcome.id, outcome.partner, jsonb_build_object('auction', outcome.auction)
    FROM auction_outcome AS outcome
    WHERE outcome.decided_at > now() - interval '7 days' AND cardinality(outcome.lots) > 0
    UNION ALL
    SELECT
        CASE deposit.ending WHEN 'released' THEN 'deposit_released' ELSE 'deposit_captured' END,
        deposit.id,
        deposit.partner,
        jsonb_build_object('auction', deposit.auction)
    FROM auction_deposit AS deposit
    WHERE deposit.ended_at > now() - interval '7 days'
      AND NOT EXISTS (SELECT FROM auction_default WHERE auction_default.id = deposit.id)
    UNION ALL
    SELECT 'debt_due', owed.id, owed.partner, jsonb_build_object('auction', owed.auction)
    FROM auction_default AS owed
    JOIN payment ON payment.subject = owed.id
    WHERE owed.decided_at > now() - interval '7 days'
      AND owed.settled_at IS NULL
    UNION ALL
    SELECT
        'release_recalled',
        entitlement.id,
        entitlement.partner,
        jsonb_build_object('order', purchase_order.number, 'id', purchase_order.id)
    FROM revocation
    JOIN entitlement ON entitlement.release = revocation.release
    JOIN licence ON licence.id = entitlement.licence
    JOIN purchase_order ON purchase_order.id = licence.purchase_order
    WHERE entitlement.ends_at > now() AND revocation.revoked_at > now() - interval '7 days'
    UNION ALL
    SELECT DISTINCT 'new_release', newer.id, entitlement.partner, jsonb_build_object('dataset', newer.dataset)
    FROM release AS newer
    JOIN release AS older ON older.dataset = newer.dataset AND older.period_to < newer.period_to
    JOIN entitlement ON entitlement.release = older.id AND entitlement.ends_at > now()
    WHERE newer.state = 'sealed'
      AND newer.sealed_at >= now() - interval '7 days'
      AND newer.sealed_at > entitlement.starts_at
      AND entitlement.revoked_at IS NULL
      AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = newer.id)
      AND NOT EXISTS (
          SELECT FROM entitlement AS theirs WHERE theirs.release = newer.id AND theirs.partner = entitlement.partner
      )
),
written AS (
    INSERT INTO message (id, kind, source_id, audience, recipient, details, created_at)
    SELECT gen_random_uuid(), kind, source_id::text, 'partner', partner::text, details, now()
    FROM fact
    ON CONFLICT (kind, source_id, audience, recipient) DO NOTHING
    RETURNING id
)
INSERT INTO message_to_mail (message)
SELECT id
FROM written;
"""


async def _write() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Write the messages."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_write)
    return manager

"""Migration 9: what demand learns from: licences paid at posted prices, and bids that auctions revealed.

Sales of before are read from their orders and signed quotes. What the version before sells while it still runs is
missing from what is learnt, and from nothing else.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:09"
VERSION = "1.38.0"
DESCRIPTION = "learner"
SQL = """
ALTER TABLE "demand_draw"
    ADD COLUMN "sales" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "days" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "bids" INTEGER NOT NULL DEFAULT 0,
    ADD CONSTRAINT "sources_are_counted" CHECK (least(sales, days, bids) >= 0) NOT VALID;
ALTER TABLE "demand_draw" VALIDATE CONSTRAINT "sources_are_counted";

CREATE TABLE "posted_sale" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "sold_at" TIMESTAMPTZ NOT NULL,
    "neutral_minor" BIGINT NOT NULL,
    "returned_at" TIMESTAMPTZ,
    CONSTRAINT "price_is_not_negative" CHECK (neutral_minor >= 0)
);

CREATE TABLE "observed_bid" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "auction" UUID NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "value_basis_points" BIGINT NOT NULL,
    "reserve_basis_points" BIGINT NOT NULL,
    "observed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_a_bidder" UNIQUE ("auction", "partner"),
    CONSTRAINT "values_are_not_negative" CHECK (least(value_basis_points, reserve_basis_points) >= 0)
);
"""
SALES_OF_BEFORE = """
INSERT INTO "posted_sale" ("quote", "sold_at", "neutral_minor", "returned_at")
SELECT
    quote.id,
    sold.paid_at,
    quote.amount_minor * 10000 / greatest(1, priced.demand),
    CASE WHEN sold.state <> 'paid' THEN sold.paid_at END
FROM purchase_order AS sold
JOIN quote ON quote.id = sold.quote
CROSS JOIN LATERAL (
    SELECT (convert_from(quote.document, 'UTF8')::jsonb #>> '{price,inputs,demand_basis_points}')::bigint AS demand
) AS priced
WHERE quote.auction IS NULL AND sold.paid_at IS NOT NULL;
"""


async def _create() -> None:
    await execute(SQL)
    await execute(SALES_OF_BEFORE)


async def forwards() -> MigrationManager:
    """Create the tables and fill in what was sold."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

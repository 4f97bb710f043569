"""Migration 42: bids that wait for one auction's row are taken together, in their order, under one lock and one commit."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:42"
VERSION = "1.38.0"
DESCRIPTION = "bids together"

SQL = """
DROP FUNCTION place_open_bid(uuid, uuid, uuid, text, bigint);

-- Take bids of one ascending auction in the order given, or find the answers they were given before; a row for each, by its
-- number from 1. No row at all: no such auction, or none that is bid in so. Each is decided on where the one before it left
-- the auction, at an instant of its own, read while holding the row.
CREATE FUNCTION place_open_bids(
    asked uuid, ids uuid[], bidders uuid[], names text[], maxima bigint[],
    OUT number int, OUT answered bid, OUT repeated boolean, OUT refusal text
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    held auction;
    stand auction_lead;
    said record;
    at timestamptz;
    before bigint;
BEGIN
    SELECT * INTO held FROM auction WHERE id = asked FOR UPDATE;
    IF held.id IS NULL OR held.kind <> 'ascending' OR held.state = 'cancelled' THEN
        RETURN;
    END IF;
    SELECT * INTO stand FROM auction_lead WHERE auction = asked;
    before := stand.bid_count;
    IF cardinality(ids) > 1 THEN
        -- Should two auctions be sent the same ids, they wait for each other in one order, never in a circle.
        PERFORM pg_advisory_xact_lock(hashtextextended(one::text, 0)) FROM (SELECT one FROM unnest(ids) AS one ORDER BY one) AS sorted;
    END IF;
    FOR turn IN 1 .. cardinality(ids) LOOP
        number := turn;
        at := clock_timestamp();  -- the instant that counts
        answered := NULL;
        refusal := bidder_refusal(bidders[number], asked);
        IF refusal IS NULL THEN
            said := decide_open_bid(held, stand, bidders[number], maxima[number], at);
            INSERT INTO bid (id, auction, partner, pseudonym, position, received_at, maximum_minor, commitments, answer, price_minor, closes_at)
            VALUES (ids[number], asked, bidders[number], names[number],
                    CASE WHEN said.answer NOT LIKE 'refused%' THEN stand.bid_count + 1 END, at, maxima[number], '{}',
                    said.answer, said.price, said.closes_at)
            ON CONFLICT (id) DO NOTHING RETURNING * INTO answered;
        END IF;
        repeated := answered.id IS NULL;
        IF repeated THEN
            -- Nothing new; what was answered before stays answered, also to whoever may no longer bid.
            SELECT * INTO answered FROM bid WHERE id = ids[number];
        ELSIF answered.position IS NOT NULL THEN
            stand.bid_count := answered.position;
            stand.leader := said.leader;
            stand.leading_maximum_minor := said.leading_maximum;
            stand.price_minor := said.price;
            stand.closes_at := said.closes_at;
        END IF;
        RETURN NEXT;
    END LOOP;
    IF stand.bid_count > before THEN
        UPDATE auction_lead SET bid_count = stand.bid_count, leader = stand.leader, leading_maximum_minor = stand.leading_maximum_minor,
                                price_minor = stand.price_minor, closes_at = stand.closes_at
        WHERE auction = asked;
        PERFORM pg_notify('auctions', asked::text);
    END IF;
END $$;
"""


async def forwards() -> MigrationManager:
    """Replace the function that took one bid."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

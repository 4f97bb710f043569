"""Migration 21: the auctions' money: reserves explained, awarded quotes marked, promises to contributors and their top-ups."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute
from marketplace.ledger.chart import FORFEITED_DEPOSITS, TITLES

ID = "2026-11-24T00:00:21"
VERSION = "1.38.0"
DESCRIPTION = "auctions' money"

TABLES = r"""
ALTER TABLE "quote" ADD COLUMN "auction" UUID;
ALTER TABLE "auction" ADD COLUMN "reckoning" TEXT NOT NULL DEFAULT '';
ALTER TABLE "auction" ADD COLUMN "deposit_minor" BIGINT NOT NULL DEFAULT 1000;
ALTER TABLE "auction" ADD CONSTRAINT deposit_is_positive CHECK (deposit_minor > 0);
CREATE TABLE "auction_deposit" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "ending" TEXT,
    "ended_at" TIMESTAMPTZ
);
ALTER TABLE "auction_deposit" ADD CONSTRAINT amount_is_positive CHECK (amount_minor > 0);
ALTER TABLE "auction_deposit" ADD CONSTRAINT known_ending CHECK (ending IN ('released', 'forfeited'));
ALTER TABLE "auction_deposit" ADD CONSTRAINT ended_at_an_instant CHECK ((ending IS NULL) = (ended_at IS NULL));
ALTER TABLE "contributor_term" RENAME COLUMN "minimum_pool_minor" TO "promised_minor";
ALTER TABLE "contributor_term" RENAME CONSTRAINT minimum_is_not_negative TO promise_is_not_negative;
CREATE TABLE "contributor_promise" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "term" UUID NOT NULL REFERENCES "contributor_term" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT NOT NULL,
    "minimum_micro" BIGINT NOT NULL
);
ALTER TABLE "contributor_promise" ADD CONSTRAINT one_promise_a_term UNIQUE ("term", "subscriber");
ALTER TABLE "contributor_promise" ADD CONSTRAINT promises_something CHECK (minimum_micro > 0);
ALTER TABLE "contributor_stratum" ADD COLUMN "answered_about" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "terms" UUID[] NOT NULL DEFAULT '{}';
ALTER TABLE "licence_split" ADD COLUMN "top_up_operator_minor" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "top_up_platform_minor" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "topped_up" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "top_up_each_micro" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "top_up_position" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD CONSTRAINT operator_gives_no_more_than_its_part CHECK (top_up_operator_minor BETWEEN 0 AND operator_minor);
ALTER TABLE "licence_split" ADD CONSTRAINT platform_helps_when_the_operators_part_is_spent CHECK (top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = operator_minor));
ALTER TABLE "licence_split" ADD CONSTRAINT only_promises_top_up CHECK ((top_up_operator_minor + top_up_platform_minor = 0) = (topped_up = 0) AND (topped_up = 0 OR cardinality(terms) > 0) AND least(topped_up, top_up_each_micro, top_up_position) >= 0);
"""

GUARDS = """
CREATE INDEX auction_deposit_of ON auction_deposit (auction, partner);
CREATE INDEX auction_deposit_held ON auction_deposit (asked_at) WHERE ending IS NULL;

-- Who may bid: null, or why not. A vetted partner with a payment method that is still valid, or with a deposit held back
-- for this auction beyond its end.
CREATE OR REPLACE FUNCTION bidder_refusal(bidder uuid, asked uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM partner WHERE id = bidder AND vetted_at IS NOT NULL) THEN
        RETURN 'not_vetted';
    END IF;
    IF EXISTS (SELECT FROM saved_method WHERE payer = bidder AND state = 'saved'
                                          AND (ends_on IS NULL OR ends_on > (clock_timestamp() AT TIME ZONE 'UTC')::date)) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM auction_deposit JOIN payment ON payment.subject = auction_deposit.id
                                           JOIN auction_lead ON auction_lead.auction = auction_deposit.auction
               WHERE auction_deposit.auction = asked AND auction_deposit.partner = bidder AND ending IS NULL
                 AND payment.state = 'authorised' AND payment.capture_before > auction_lead.closes_at) THEN
        RETURN NULL;
    END IF;
    RETURN 'no_payment_method';
END $$;

CREATE FUNCTION refuse_reckoning_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a reserve is reckoned once, and a deposit fixed, when the auction is announced'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER reckoned_once BEFORE UPDATE ON auction FOR EACH ROW
    WHEN ((OLD.reckoning, OLD.deposit_minor) IS DISTINCT FROM (NEW.reckoning, NEW.deposit_minor))
    EXECUTE FUNCTION refuse_reckoning_change();
CREATE INDEX contributor_term_in_force ON contributor_term (dataset, starts_at);

-- What a call for contributors announced never changes, its budget least of all; a promise written down stays.
CREATE FUNCTION refuse_call_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (OLD.id, OLD.dataset, OLD.opens_at, OLD.closes_at, OLD.promise_from, OLD.promise_to, OLD.announced_by,
                            OLD.announced_at) IS DISTINCT FROM
                           (NEW.id, NEW.dataset, NEW.opens_at, NEW.closes_at, NEW.promise_from, NEW.promise_to, NEW.announced_by,
                            NEW.announced_at)
       OR OLD.state = 'awarded' THEN
        RAISE EXCEPTION 'a call is fixed when it is announced, and awarded once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON contributor_call FOR EACH ROW EXECUTE FUNCTION refuse_call_change();
CREATE FUNCTION refuse_stratum_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (OLD.id, OLD.call, OLD.position, OLD.title_fr, OLD.title_en, OLD.wanted, OLD.budget_micro, OLD.reserve_micro)
                           IS DISTINCT FROM
                           (NEW.id, NEW.call, NEW.position, NEW.title_fr, NEW.title_en, NEW.wanted, NEW.budget_micro, NEW.reserve_micro)
       OR (OLD.winners IS NOT NULL AND (OLD.winners, OLD.price_micro) IS DISTINCT FROM (NEW.winners, NEW.price_micro)) THEN
        RAISE EXCEPTION 'a stratum''s budget is fixed before the call opens' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON contributor_stratum
    FOR EACH ROW EXECUTE FUNCTION refuse_stratum_change();
"""

APPEND_ONLY = ("contributor_term", "contributor_promise")


async def create() -> None:
    """Run the statements, and make what was promised append-only."""
    await execute(TABLES)
    await execute(GUARDS)
    await execute(
        "INSERT INTO account (code, title_fr, title_en) VALUES ($1, $2, $3) ON CONFLICT (code) DO NOTHING",
        FORFEITED_DEPOSITS, *TITLES[FORFEITED_DEPOSITS],
    )  # fmt: skip
    for table in APPEND_ONLY:
        await execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


async def forwards() -> MigrationManager:
    """Mark, explain, promise."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(create)
    return manager

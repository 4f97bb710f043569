"""Migration 10: auctions: their tables, bids and transcripts that are never edited, how an open bid is taken, and what pages and jobs lean on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:10"
VERSION = "1.38.0"
DESCRIPTION = "auctions"

TABLES = r"""
CREATE TABLE "exclusive_window" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "exclusive_window" ADD CONSTRAINT window_is_not_empty CHECK (starts_at < ends_at);
CREATE TABLE "auction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "reserve_minor" BIGINT NOT NULL,
    "forgone_minor" BIGINT NOT NULL,
    "licences" INTEGER NOT NULL,
    "price_rule" TEXT NOT NULL,
    "steps_from_minor" BIGINT[] NOT NULL,
    "steps_minor" BIGINT[] NOT NULL,
    "window_seconds" INTEGER NOT NULL,
    "extension_seconds" INTEGER NOT NULL,
    "opens_at" TIMESTAMPTZ NOT NULL,
    "scheduled_close_at" TIMESTAMPTZ NOT NULL,
    "exclusive_from" TIMESTAMPTZ,
    "exclusive_to" TIMESTAMPTZ,
    "pay_within_hours" INTEGER NOT NULL,
    "salt" BYTEA NOT NULL,
    "state" TEXT NOT NULL,
    "root" TEXT,
    "announced_by" TEXT NOT NULL,
    "announced_at" TIMESTAMPTZ NOT NULL,
    "closed_at" TIMESTAMPTZ,
    "awarded_at" TIMESTAMPTZ,
    "cancelled_reason" TEXT
);
ALTER TABLE "auction" ADD CONSTRAINT known_kind CHECK (kind IN ('exclusive', 'limited', 'ascending', 'bundle'));
ALTER TABLE "auction" ADD CONSTRAINT known_price_rule CHECK ((kind, price_rule) IN (('exclusive', 'second_price'), ('limited', 'uniform_price'), ('ascending', 'proxy'), ('bundle', 'vcg'), ('bundle', 'core')));
ALTER TABLE "auction" ADD CONSTRAINT known_state CHECK (state IN ('standing', 'closed', 'awarded', 'cancelled'));
ALTER TABLE "auction" ADD CONSTRAINT reserve_covers_what_is_forgone CHECK (reserve_minor > 0 AND forgone_minor BETWEEN 0 AND reserve_minor);
ALTER TABLE "auction" ADD CONSTRAINT one_licence_or_several CHECK (licences > 0 AND (kind = 'limited' OR licences = 1));
ALTER TABLE "auction" ADD CONSTRAINT opens_before_it_closes CHECK (opens_at < scheduled_close_at);
ALTER TABLE "auction" ADD CONSTRAINT exclusive_has_a_window CHECK ((kind = 'exclusive') = (exclusive_from IS NOT NULL AND exclusive_to IS NOT NULL AND exclusive_from < exclusive_to));
ALTER TABLE "auction" ADD CONSTRAINT window_is_not_negative CHECK (window_seconds >= 0 AND extension_seconds >= 0 AND pay_within_hours > 0);
ALTER TABLE "auction" ADD CONSTRAINT steps_pair_up CHECK (cardinality(steps_from_minor) = cardinality(steps_minor));
ALTER TABLE "auction" ADD CONSTRAINT closed_with_a_root CHECK ((state IN ('closed', 'awarded')) = (root IS NOT NULL AND closed_at IS NOT NULL));
ALTER TABLE "auction" ADD CONSTRAINT awarded_at_an_instant CHECK ((state = 'awarded') = (awarded_at IS NOT NULL));
ALTER TABLE "auction" ADD CONSTRAINT cancelled_with_a_reason CHECK ((state = 'cancelled') = (cancelled_reason IS NOT NULL));
CREATE TABLE "auction_lead" (
    "auction" UUID PRIMARY KEY NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "closes_at" TIMESTAMPTZ NOT NULL,
    "bid_count" BIGINT NOT NULL,
    "leader" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "leading_maximum_minor" BIGINT,
    "price_minor" BIGINT
);
ALTER TABLE "auction_lead" ADD CONSTRAINT leader_has_a_price CHECK (num_nonnulls(leader, leading_maximum_minor, price_minor) IN (0, 3) AND (price_minor IS NULL OR price_minor <= leading_maximum_minor));
CREATE TABLE "auction_lot" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "position" INTEGER NOT NULL,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT
);
ALTER TABLE "auction_lot" ADD CONSTRAINT one_place_a_lot UNIQUE ("auction", "position");
ALTER TABLE "auction_lot" ADD CONSTRAINT sold_once_an_auction UNIQUE ("auction", "release");
ALTER TABLE "auction_lot" ADD CONSTRAINT positions_start_at_zero CHECK (position >= 0);
CREATE TABLE "bid" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "pseudonym" TEXT NOT NULL,
    "position" BIGINT,
    "received_at" TIMESTAMPTZ NOT NULL,
    "maximum_minor" BIGINT,
    "sealed" BYTEA,
    "commitments" TEXT[] NOT NULL,
    "answer" TEXT NOT NULL,
    "price_minor" BIGINT,
    "closes_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "bid" ADD CONSTRAINT one_place_a_bid UNIQUE ("auction", "position");
ALTER TABLE "bid" ADD CONSTRAINT position_is_positive CHECK (position > 0);
ALTER TABLE "bid" ADD CONSTRAINT known_answer CHECK (answer IN ('sealed', 'leading', 'outbid_at_once', 'maximum_raised', 'refused_too_early', 'refused_too_late', 'refused_below_minimum', 'refused_not_a_raise', 'refused_already_bid'));
ALTER TABLE "bid" ADD CONSTRAINT accepted_bids_have_a_place CHECK ((position IS NULL) = (answer LIKE 'refused%'));
ALTER TABLE "bid" ADD CONSTRAINT open_or_sealed CHECK (num_nonnulls(maximum_minor, sealed) = 1);
CREATE TABLE "auction_outcome" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "round" INTEGER NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "pseudonym" TEXT NOT NULL,
    "lots" INTEGER[] NOT NULL,
    "pays_minor" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "decided_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "auction_outcome" ADD CONSTRAINT one_outcome_a_bidder_and_round UNIQUE ("auction", "round", "partner");
ALTER TABLE "auction_outcome" ADD CONSTRAINT losers_pay_nothing CHECK ((cardinality(lots) = 0) = (pays_minor = 0));
CREATE TABLE "auction_sale" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "outcome" UUID NOT NULL REFERENCES "auction_outcome" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "due_at" TIMESTAMPTZ NOT NULL,
    "purchase_order" UUID UNIQUE REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "state" TEXT NOT NULL
);
ALTER TABLE "auction_sale" ADD CONSTRAINT one_sale_a_lot UNIQUE ("outcome", "release");
ALTER TABLE "auction_sale" ADD CONSTRAINT net_is_positive CHECK (net_minor > 0);
ALTER TABLE "auction_sale" ADD CONSTRAINT known_state CHECK (state IN ('due', 'paid', 'defaulted'));
CREATE TABLE "auction_transcript" (
    "auction" UUID PRIMARY KEY NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "document" BYTEA NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "contributor_call" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "opens_at" TIMESTAMPTZ NOT NULL,
    "closes_at" TIMESTAMPTZ NOT NULL,
    "promise_from" TIMESTAMPTZ NOT NULL,
    "promise_to" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL,
    "announced_by" TEXT NOT NULL,
    "announced_at" TIMESTAMPTZ NOT NULL,
    "awarded_at" TIMESTAMPTZ
);
ALTER TABLE "contributor_call" ADD CONSTRAINT known_state CHECK (state IN ('standing', 'awarded'));
ALTER TABLE "contributor_call" ADD CONSTRAINT opens_before_it_closes CHECK (opens_at < closes_at AND closes_at <= promise_from AND promise_from < promise_to);
ALTER TABLE "contributor_call" ADD CONSTRAINT awarded_at_an_instant CHECK ((state = 'awarded') = (awarded_at IS NOT NULL));
CREATE TABLE "contributor_stratum" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "call" UUID NOT NULL REFERENCES "contributor_call" ("id") ON DELETE RESTRICT,
    "position" INTEGER NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "wanted" INTEGER NOT NULL,
    "budget_micro" BIGINT NOT NULL,
    "reserve_micro" BIGINT NOT NULL,
    "winners" INTEGER,
    "price_micro" BIGINT
);
ALTER TABLE "contributor_stratum" ADD CONSTRAINT one_place_a_stratum UNIQUE ("call", "position");
ALTER TABLE "contributor_stratum" ADD CONSTRAINT wants_someone CHECK (wanted > 0 AND budget_micro > 0 AND reserve_micro > 0);
ALTER TABLE "contributor_stratum" ADD CONSTRAINT never_over_budget CHECK (coalesce(winners, 0) * coalesce(price_micro, 0) <= budget_micro AND winners <= wanted);
CREATE TABLE "contributor_ask" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "stratum" UUID NOT NULL REFERENCES "contributor_stratum" ("id") ON DELETE RESTRICT,
    "call" UUID NOT NULL REFERENCES "contributor_call" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "sealed" BYTEA NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ,
    "won" INTEGER,
    "reason" TEXT
);
ALTER TABLE "contributor_ask" ADD CONSTRAINT one_ask_a_subscriber UNIQUE ("call", "subscriber");
ALTER TABLE "contributor_ask" ADD CONSTRAINT answered_with_a_reason CHECK ((won IS NULL) = (reason IS NULL) AND won IN (0, 1));
"""

GUARDS = """
-- What an auction announced never changes, and what ended never comes back.
CREATE FUNCTION refuse_auction_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an auction is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.kind, OLD.offer, OLD.terms, OLD.currency, OLD.reserve_minor, OLD.forgone_minor, OLD.licences, OLD.price_rule,
        OLD.steps_from_minor, OLD.steps_minor, OLD.window_seconds, OLD.extension_seconds, OLD.opens_at, OLD.scheduled_close_at,
        OLD.exclusive_from, OLD.exclusive_to, OLD.pay_within_hours, OLD.salt, OLD.announced_by, OLD.announced_at)
       IS DISTINCT FROM
       (NEW.id, NEW.kind, NEW.offer, NEW.terms, NEW.currency, NEW.reserve_minor, NEW.forgone_minor, NEW.licences, NEW.price_rule,
        NEW.steps_from_minor, NEW.steps_minor, NEW.window_seconds, NEW.extension_seconds, NEW.opens_at, NEW.scheduled_close_at,
        NEW.exclusive_from, NEW.exclusive_to, NEW.pay_within_hours, NEW.salt, NEW.announced_by, NEW.announced_at) THEN
        RAISE EXCEPTION 'an auction''s rule is fixed when it is announced' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('standing', 'standing'), ('standing', 'cancelled'), ('standing', 'closed'),
                                      ('closed', 'closed'), ('closed', 'awarded'), ('awarded', 'awarded'))
       OR (OLD.state <> 'standing' AND (OLD.root, OLD.closed_at) IS DISTINCT FROM (NEW.root, NEW.closed_at)) THEN
        RAISE EXCEPTION 'an auction only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'cancelled' AND (SELECT bid_count FROM auction_lead WHERE auction = NEW.id) > 0 THEN
        RAISE EXCEPTION 'an auction somebody bid in is not cancelled' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON auction FOR EACH ROW EXECUTE FUNCTION refuse_auction_change();

CREATE FUNCTION refuse_lead_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an auction only goes forward, and stays as it ended' USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION is_standing(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT state = 'standing' FROM auction WHERE id = asked);
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE ON auction_lead FOR EACH ROW
    WHEN (NEW.auction <> OLD.auction OR NEW.bid_count < OLD.bid_count OR NEW.closes_at < OLD.closes_at
          OR is_standing(OLD.auction) IS NOT TRUE)
    EXECUTE FUNCTION refuse_lead_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON auction_lead FOR EACH ROW EXECUTE FUNCTION refuse_lead_change();
-- Room on the page for the next version of the row, so that a bid leaves no index entry behind.
ALTER TABLE auction_lead SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE INDEX auction_standing ON auction (id) WHERE state IN ('standing', 'closed');
CREATE INDEX auction_by_offer ON auction (offer, opens_at DESC);
CREATE INDEX bid_by_partner ON bid (partner, auction, received_at DESC);
CREATE INDEX outcome_by_partner ON auction_outcome (partner, decided_at DESC);
CREATE INDEX sale_due ON auction_sale (due_at) WHERE state = 'due';
CREATE INDEX ask_by_subscriber ON contributor_ask (subscriber, asked_at DESC);
CREATE UNIQUE INDEX one_sealed_bid_a_bidder ON bid (auction, partner) WHERE sealed IS NOT NULL AND position IS NOT NULL;
"""

BIDDING = """
-- The rule of ascending auctions as `pricing.auctions.ascending.place` states it, where the row is locked: a bid is then one
-- statement, and nobody waits for a web process while holding the row. A property test holds the two equal.
CREATE FUNCTION step_at(steps_from bigint[], steps bigint[], price bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place int := cardinality(steps_from);
BEGIN
    WHILE place > 1 AND steps_from[place] > price LOOP
        place := place - 1;
    END LOOP;
    RETURN steps[place];
END $$;

CREATE FUNCTION decide_open_bid(
    held auction, stand auction_lead, bidder uuid, maximum bigint, at timestamptz,
    OUT answer text, OUT leader uuid, OUT leading_maximum bigint, OUT price bigint, OUT closes_at timestamptz
) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    leader := stand.leader;
    leading_maximum := stand.leading_maximum_minor;
    price := stand.price_minor;
    closes_at := stand.closes_at;
    IF at < held.opens_at THEN
        answer := 'refused_too_early';
    ELSIF at >= closes_at OR held.state <> 'standing' THEN
        answer := 'refused_too_late';
    ELSIF leader = bidder THEN
        answer := CASE WHEN maximum > leading_maximum THEN 'maximum_raised' ELSE 'refused_not_a_raise' END;
        leading_maximum := greatest(maximum, leading_maximum);
    ELSIF maximum < coalesce(price + step_at(held.steps_from_minor, held.steps_minor, price), held.reserve_minor) THEN
        answer := 'refused_below_minimum';
    ELSIF leader IS NULL THEN
        answer := 'leading';
        leader := bidder;
        leading_maximum := maximum;
        price := held.reserve_minor;
    ELSIF maximum > leading_maximum THEN
        answer := 'leading';
        leader := bidder;
        price := least(maximum, leading_maximum + step_at(held.steps_from_minor, held.steps_minor, leading_maximum));
        leading_maximum := maximum;
    ELSE
        answer := 'outbid_at_once';
        price := least(leading_maximum, maximum + step_at(held.steps_from_minor, held.steps_minor, maximum));
    END IF;
    IF answer NOT LIKE 'refused%' AND at >= closes_at - make_interval(secs => held.window_seconds) THEN
        closes_at := greatest(closes_at, at + make_interval(secs => held.extension_seconds));
    END IF;
END $$;

-- Why a partner may not bid, or null. A later migration may say more.
CREATE FUNCTION bidder_refusal(bidder uuid, asked uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT 'not_vetted' FROM partner WHERE id = bidder AND vetted_at IS NULL);
END $$;

-- Take one bid of an ascending auction, or find the answer it was given before. No row: no such auction, or none that is bid in so.
CREATE FUNCTION place_open_bid(
    bid_id uuid, asked uuid, bidder uuid, named text, maximum bigint, OUT answered bid, OUT repeated boolean, OUT refusal text
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    held auction;
    stand auction_lead;
    said record;
    at timestamptz;
BEGIN
    SELECT * INTO held FROM auction WHERE id = asked FOR UPDATE;
    at := clock_timestamp();  -- the instant that counts: read while holding the row
    IF held.id IS NULL OR held.kind <> 'ascending' OR held.state = 'cancelled' THEN
        RETURN;
    END IF;
    SELECT * INTO stand FROM auction_lead WHERE auction = asked;
    said := decide_open_bid(held, stand, bidder, maximum, at);
    refusal := bidder_refusal(bidder, asked);
    repeated := refusal IS NOT NULL;
    IF repeated THEN
        -- Nothing new from this partner; what was answered before stays answered.
        SELECT * INTO answered FROM bid WHERE id = bid_id;
        RETURN NEXT;
        RETURN;
    END IF;
    INSERT INTO bid (id, auction, partner, pseudonym, position, received_at, maximum_minor, commitments, answer, price_minor, closes_at)
    VALUES (bid_id, asked, bidder, named, CASE WHEN said.answer NOT LIKE 'refused%' THEN stand.bid_count + 1 END, at, maximum, '{}',
            said.answer, said.price, said.closes_at)
    ON CONFLICT (id) DO NOTHING RETURNING * INTO answered;
    IF answered.id IS NULL THEN
        repeated := true;
        SELECT * INTO answered FROM bid WHERE id = bid_id;
    ELSIF answered.position IS NOT NULL THEN
        UPDATE auction_lead SET bid_count = answered.position, leader = said.leader, leading_maximum_minor = said.leading_maximum,
                                price_minor = said.price, closes_at = said.closes_at
        WHERE auction = asked;
        PERFORM pg_notify('auctions', asked::text);
    END IF;
    RETURN NEXT;
END $$;
"""

APPEND_ONLY = ("bid", "auction_lot", "auction_outcome", "auction_transcript")


async def create() -> None:
    """Run the statements and make bids, lots, outcomes and transcripts append-only."""
    await execute(TABLES)
    await execute(GUARDS)
    await execute(BIDDING)
    for table in APPEND_ONLY:
        await execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


async def forwards() -> MigrationManager:
    """Create the tables and their guards."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(create)
    return manager

-- A bid and what follows from it is never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bid
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_lot
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_transcript
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What an auction announced never changes, its state only goes forward, and one that has bids is not cancelled.
CREATE OR REPLACE FUNCTION refuse_auction_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON auction FOR EACH ROW EXECUTE FUNCTION refuse_auction_change();

-- A reserve's explanation and a deposit's amount never change either.
CREATE OR REPLACE FUNCTION refuse_reckoning_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a reserve is reckoned once, and a deposit fixed, when the auction is announced'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER reckoned_once BEFORE UPDATE ON auction FOR EACH ROW
    WHEN ((OLD.reckoning, OLD.deposit_minor) IS DISTINCT FROM (NEW.reckoning, NEW.deposit_minor))
    EXECUTE FUNCTION refuse_reckoning_change();

-- A lead only grows while its auction is open, and is final afterwards.
CREATE OR REPLACE FUNCTION refuse_lead_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an auction only goes forward, and stays as it ended' USING ERRCODE = 'restrict_violation';
END $$;
-- Whether an auction is open for bids, as far as its state says. A function, for a trigger's WHEN may hold no subquery.
CREATE OR REPLACE FUNCTION is_standing(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT state = 'standing' FROM auction WHERE id = asked);
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE ON auction_lead FOR EACH ROW
    WHEN (NEW.auction <> OLD.auction OR NEW.bid_count < OLD.bid_count OR NEW.closes_at < OLD.closes_at
          OR is_standing(OLD.auction) IS NOT TRUE)
    EXECUTE FUNCTION refuse_lead_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON auction_lead FOR EACH ROW EXECUTE FUNCTION refuse_lead_change();
-- Free space on the page for the row's next version, so that an update adds no index entry.
ALTER TABLE auction_lead SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The rule of ascending auctions as `pricing.auctions.ascending.place` states it, where the row is locked: a bid is then one
-- statement, and the row is never locked while a web process is waited for. A property test holds the two equal.
CREATE OR REPLACE FUNCTION step_at(steps_from bigint[], steps bigint[], price bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place int := cardinality(steps_from);
BEGIN
    WHILE place > 1 AND steps_from[place] > price LOOP
        place := place - 1;
    END LOOP;
    RETURN steps[place];
END $$;

-- Return one bid's answer, and the leader, price and end that follow from it.
CREATE OR REPLACE FUNCTION decide_open_bid(
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

-- Return why a partner may not bid in an auction, or null. A bidder is vetted and has a payment method that is still valid,
-- or a deposit authorised for this auction until after its end.
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

-- Accept or refuse bids of one ascending auction in the order given; a bid that was answered before keeps its answer. Returns a
-- row for each bid, numbered from 1, and no row where there is no such ascending auction. Each bid is decided on the lead that
-- the one before it left, at an instant of its own, read while the auction's row is locked.
CREATE OR REPLACE FUNCTION place_open_bids(
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
            -- Nothing new; what was answered before stays answered, also for a partner who may no longer bid.
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

CREATE INDEX IF NOT EXISTS auction_standing ON auction (id) WHERE state IN ('standing', 'closed');
CREATE INDEX IF NOT EXISTS auction_by_offer ON auction (offer, opens_at DESC);
CREATE INDEX IF NOT EXISTS bid_by_partner ON bid (partner, auction, received_at DESC);
CREATE INDEX IF NOT EXISTS outcome_by_partner ON auction_outcome (partner, decided_at DESC);
CREATE INDEX IF NOT EXISTS sale_due ON auction_sale (due_at) WHERE state = 'due';
CREATE UNIQUE INDEX IF NOT EXISTS one_sealed_bid_a_bidder ON bid (auction, partner) WHERE sealed IS NOT NULL AND position IS NOT NULL;
CREATE INDEX IF NOT EXISTS auction_deposit_of ON auction_deposit (auction, partner);
CREATE INDEX IF NOT EXISTS auction_deposit_held ON auction_deposit (asked_at) WHERE ending IS NULL;

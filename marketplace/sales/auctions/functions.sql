-- Bids and their effects are never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bid
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A bid is by a known partner, in a known auction: checked for all bids that were decided together. Partners and
-- auctions are never deleted.
CREATE OR REPLACE FUNCTION refuse_unknown_bidders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh WHERE NOT EXISTS (SELECT FROM partner WHERE id = fresh.partner))
       OR EXISTS (SELECT FROM (SELECT DISTINCT auction FROM fresh) AS bid
                  WHERE NOT EXISTS (SELECT FROM auction WHERE id = bid.auction)) THEN
        RAISE EXCEPTION 'a bid names a partner or an auction that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER known_bidder AFTER INSERT ON bid
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_bidders();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_lot
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_transcript
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auction_round
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An auction's announcement never changes, its state only goes forward, and an auction with bids cannot be cancelled.
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
    IF (OLD.state, NEW.state) NOT IN (('open', 'open'), ('open', 'cancelled'), ('open', 'closed'),
                                      ('closed', 'closed'), ('closed', 'awarded'), ('awarded', 'awarded'))
       OR (OLD.state <> 'open' AND (OLD.root, OLD.closed_at) IS DISTINCT FROM (NEW.root, NEW.closed_at)) THEN
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
    RAISE EXCEPTION 'a reserve is computed once, and a deposit fixed, when the auction is announced'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER computed_once BEFORE UPDATE ON auction FOR EACH ROW
    WHEN ((OLD.computation, OLD.deposit_minor, OLD.unsecured_minor, OLD.most_extension_seconds)
          IS DISTINCT FROM
          (NEW.computation, NEW.deposit_minor, NEW.unsecured_minor, NEW.most_extension_seconds))
    EXECUTE FUNCTION refuse_reckoning_change();

-- A lead only grows while its auction is open, and is final afterwards.
CREATE OR REPLACE FUNCTION refuse_lead_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an auction only goes forward, and stays as it ended' USING ERRCODE = 'restrict_violation';
END $$;
-- Whether an auction's state is open. It is a function because a trigger's WHEN may contain no subquery.
CREATE OR REPLACE FUNCTION is_open_state(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT state = 'open' FROM auction WHERE id = asked);
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE ON auction_lead FOR EACH ROW
    WHEN (NEW.auction <> OLD.auction OR NEW.bid_count < OLD.bid_count OR NEW.closes_at < OLD.closes_at
          OR is_open_state(OLD.auction) IS NOT TRUE)
    EXECUTE FUNCTION refuse_lead_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON auction_lead FOR EACH ROW EXECUTE FUNCTION refuse_lead_change();
-- Free space on the page for the row's next version, so that an update adds no index entry.
ALTER TABLE auction_lead SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Return, for each partner in turn, why it may not bid in an auction, or null. A bidder must be vetted, not be barred
-- for an unpaid award or owe for one, and have a valid payment method or a deposit authorised for this auction until
-- after its end. If its bid needs a deposit of `needed` cents or more, that deposit must be authorised for as long as
-- the first winner may pay. Volatile, so that a statement that waited for the auction's lock reads the present state,
-- not the one from before its wait.
CREATE OR REPLACE FUNCTION bid_refusals(bidders uuid[], asked uuid, needed bigint[]) RETURNS text[]
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT array_agg(
        CASE
            WHEN partner.vetted_at IS NULL THEN 'not_vetted'
            WHEN EXISTS (SELECT FROM auction_default
                         WHERE partner = given.bidder
                           AND (barred_until > clock_timestamp() OR settled_at IS NULL AND owed_minor > 0)) THEN 'barred'
            WHEN given.needed > 0 THEN CASE WHEN NOT EXISTS (
                SELECT FROM auction_deposit JOIN payment ON payment.subject = auction_deposit.id
                                            JOIN auction_lead ON auction_lead.auction = auction_deposit.auction
                                            JOIN auction ON auction.id = auction_deposit.auction
                WHERE auction_deposit.auction = asked AND auction_deposit.partner = given.bidder AND ending IS NULL
                  AND auction_deposit.amount_minor >= given.needed AND payment.state = 'authorised'
                  AND payment.capture_before > auction_lead.closes_at + auction.pay_within_hours * interval '1 hour'
            ) THEN 'deposit_too_small' END
            WHEN EXISTS (SELECT FROM saved_method
                         WHERE payer = given.bidder AND state = 'saved'
                           AND (ends_on IS NULL OR ends_on > (clock_timestamp() AT TIME ZONE 'UTC')::date)) THEN NULL
            WHEN NOT EXISTS (
                SELECT FROM auction_deposit JOIN payment ON payment.subject = auction_deposit.id
                                            JOIN auction_lead ON auction_lead.auction = auction_deposit.auction
                WHERE auction_deposit.auction = asked AND auction_deposit.partner = given.bidder AND ending IS NULL
                  AND payment.state = 'authorised' AND payment.capture_before > auction_lead.closes_at
            ) THEN 'no_payment_method'
        END ORDER BY place)
    FROM unnest(bidders, needed) WITH ORDINALITY AS given (bidder, needed, place)
    LEFT JOIN partner ON partner.id = given.bidder);
END $$;
-- The same for one bid that needs no deposit of its size.
CREATE OR REPLACE FUNCTION bidder_refusal(bidder uuid, asked uuid) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (bid_refusals(ARRAY[bidder], asked, ARRAY[0::bigint]))[1];
END $$;

-- Return, in cents, what a bidder's deposits and payments for an unpaid auction brought and we still have: received,
-- not refunded, and neither reversed by its bank nor disputed.
CREATE OR REPLACE FUNCTION received_for_default(bidder uuid, asked uuid) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(greatest(0, received_minor - refunded_minor - coalesce((
                SELECT sum(dispute.amount_minor) FROM dispute
                WHERE payment_subject = payment.subject AND dispute.state IN ('open', 'lost')), 0))), 0)
            FROM auction_deposit AS deposit JOIN payment ON payment.subject = deposit.id
            WHERE deposit.auction = asked AND deposit.partner = bidder);
END $$;

-- Return, in cents, the highest sealed bid of a bidder in an auction: the highest without a deposit of its size, or the
-- largest deposit authorised for as long as the first winner may pay.
CREATE OR REPLACE FUNCTION bid_cover(bidder uuid, asked uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (
        SELECT greatest(auction.unsecured_minor, (
            SELECT max(deposit.amount_minor)
            FROM auction_deposit AS deposit
            JOIN payment ON payment.subject = deposit.id
            JOIN auction_lead AS lead ON lead.auction = deposit.auction
            WHERE deposit.auction = asked AND deposit.partner = bidder AND deposit.ending IS NULL
              AND payment.state = 'authorised'
              AND payment.capture_before > lead.closes_at + auction.pay_within_hours * interval '1 hour'
        ))
        FROM auction WHERE auction.id = asked
    );
END $$;

CREATE INDEX IF NOT EXISTS auction_running ON auction (id) WHERE state IN ('open', 'closed');
CREATE INDEX IF NOT EXISTS auction_by_offer ON auction (offer, opens_at DESC);
CREATE INDEX IF NOT EXISTS bid_by_partner ON bid (partner, auction, received_at DESC);
CREATE INDEX IF NOT EXISTS outcome_by_partner ON auction_outcome (partner, decided_at DESC);
CREATE INDEX IF NOT EXISTS sale_due ON auction_sale (due_at) WHERE state = 'due';
CREATE UNIQUE INDEX IF NOT EXISTS one_sealed_bid_a_bidder ON bid (auction, partner) WHERE sealed IS NOT NULL AND position IS NOT NULL;
CREATE INDEX IF NOT EXISTS default_by_partner ON auction_default (partner, barred_until);
CREATE INDEX IF NOT EXISTS auction_deposit_of ON auction_deposit (auction, partner);
CREATE INDEX IF NOT EXISTS auction_deposit_held ON auction_deposit (asked_at) WHERE ending IS NULL;
CREATE INDEX IF NOT EXISTS auction_lot_by_release ON auction_lot (release);

-- A reverse auction's announcement never changes, and it is awarded once.
CREATE OR REPLACE FUNCTION refuse_reverse_auction_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR (OLD.id, OLD.dataset, OLD.opens_at, OLD.closes_at, OLD.promise_from, OLD.promise_to, OLD.announced_by,
           OLD.announced_at)
          IS DISTINCT FROM
          (NEW.id, NEW.dataset, NEW.opens_at, NEW.closes_at, NEW.promise_from, NEW.promise_to, NEW.announced_by,
           NEW.announced_at)
       OR OLD.state = 'awarded' THEN
        RAISE EXCEPTION 'a reverse auction is fixed when it is announced, and awarded once'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON reverse_auction
    FOR EACH ROW EXECUTE FUNCTION refuse_reverse_auction_change();

-- A stratum's size, budget and reserve never change, and its result is written once.
CREATE OR REPLACE FUNCTION refuse_stratum_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR (OLD.id, OLD.auction, OLD.position, OLD.title_fr, OLD.title_en, OLD.wanted, OLD.budget_micro,
           OLD.reserve_micro)
          IS DISTINCT FROM
          (NEW.id, NEW.auction, NEW.position, NEW.title_fr, NEW.title_en, NEW.wanted, NEW.budget_micro,
           NEW.reserve_micro)
       OR (OLD.winners IS NOT NULL AND (OLD.winners, OLD.price_micro) IS DISTINCT FROM (NEW.winners, NEW.price_micro))
    THEN
        RAISE EXCEPTION 'a stratum''s budget is fixed before the auction opens' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON reverse_auction_stratum
    FOR EACH ROW EXECUTE FUNCTION refuse_stratum_change();
CREATE OR REPLACE TRIGGER bands_are_fixed BEFORE UPDATE ON reverse_auction_stratum FOR EACH ROW
    WHEN (OLD.age_bands IS DISTINCT FROM NEW.age_bands) EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS ask_by_subscriber ON reverse_auction_ask (subscriber, asked_at DESC);
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reverse_auction_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

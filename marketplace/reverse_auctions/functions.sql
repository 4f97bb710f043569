-- What a reverse auction announced never changes, and it is awarded once.
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
-- Outcomes are rows of their own: nothing but their subscribers' changes of mind writes asks again.
ALTER TABLE reverse_auction_ask RESET (fillfactor);
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reverse_auction_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

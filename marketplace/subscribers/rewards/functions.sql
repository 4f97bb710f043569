-- Moves and billing's answers are never edited.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reward_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reward_answer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gift_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON farm_decision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A reward ends once, and its person and amount are never edited.
CREATE OR REPLACE FUNCTION refuse_reward_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'open' OR NEW.state = 'open'
       OR (OLD.id, OLD.run, OLD.subscriber, OLD.amount_minor, OLD.what)
          IS DISTINCT FROM (NEW.id, NEW.run, NEW.subscriber, NEW.amount_minor, NEW.what) THEN
        RAISE EXCEPTION 'a reward ends once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER ends_once BEFORE UPDATE OR DELETE ON reward FOR EACH ROW EXECUTE FUNCTION refuse_reward_change();

CREATE INDEX IF NOT EXISTS reward_by_subscriber ON reward (subscriber);
CREATE INDEX IF NOT EXISTS reward_open ON reward (run) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS farm_decision_latest ON farm_decision (kind, key, decided_at DESC);

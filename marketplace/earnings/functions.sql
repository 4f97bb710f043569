-- What was shared is never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON share_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_split
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accrual
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Accruals name known subscribers and runs. Checked for a whole COPY at once: foreign keys, checked row by row, would make a
-- run three times slower.
CREATE OR REPLACE FUNCTION refuse_unknown_accruals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh LEFT JOIN subscriber ON subscriber.reference = fresh.subscriber
        WHERE subscriber.reference IS NULL
    ) OR EXISTS (SELECT FROM fresh LEFT JOIN share_run ON share_run.id = fresh.run WHERE share_run.id IS NULL) THEN
        RAISE EXCEPTION 'an accrual names a subscriber or a run that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER known_subscriber_and_run AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_accruals();

-- No payout leaves a subscriber's balance below zero. Checked once a statement, for the subscribers that it takes from.
CREATE OR REPLACE FUNCTION refuse_overpayment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT subscriber FROM fresh WHERE payable_micro < 0) AS paid
        JOIN LATERAL (SELECT sum(payable_micro) AS left_micro FROM accrual WHERE accrual.subscriber = paid.subscriber) AS balance ON true
        WHERE left_micro < 0
    ) THEN
        RAISE EXCEPTION 'a payout would take more than the subscriber has' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER never_below_zero AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_overpayment();

CREATE INDEX IF NOT EXISTS split_held ON licence_split (licence) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS split_released ON licence_split (licence) WHERE state = 'released';

-- Numbers the reads of objects at Stripe, so that an older read never overwrites a newer one.
CREATE SEQUENCE IF NOT EXISTS stripe_reading;

CREATE INDEX IF NOT EXISTS payment_by_state ON payment (state, requested_at);
CREATE INDEX IF NOT EXISTS saved_method_by_payer ON saved_method (payer, saved_at);
CREATE INDEX IF NOT EXISTS command_due ON stripe_command (next_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS command_failed ON stripe_command (created_at) WHERE state = 'failed';
CREATE INDEX IF NOT EXISTS command_by_subject ON stripe_command (subject);
CREATE INDEX IF NOT EXISTS command_by_transfer ON stripe_command (object_id) WHERE verb = 'transfer';
CREATE INDEX IF NOT EXISTS event_waiting ON stripe_event (received_at) WHERE handled_at IS NULL;
CREATE INDEX IF NOT EXISTS event_failed ON stripe_event (received_at) WHERE error IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_lost ON stripe_event (lost_at) WHERE lost_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_not_yet_brought ON stripe_event (created_at) WHERE webhook_at IS NULL AND lost_at IS NULL;
CREATE INDEX IF NOT EXISTS dispute_by_payment ON dispute (payment_subject);
CREATE INDEX IF NOT EXISTS dispute_open ON dispute (payment_subject) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS balance_transaction_by_payment ON balance_transaction (payment_subject);
CREATE INDEX IF NOT EXISTS balance_transaction_by_source ON balance_transaction (source_id);
CREATE INDEX IF NOT EXISTS balance_transaction_by_charge ON balance_transaction (charge_id) WHERE payment_subject IS NULL;
CREATE INDEX IF NOT EXISTS balance_transaction_failed ON balance_transaction (charge_id) WHERE category = 'charge_failure';
CREATE INDEX IF NOT EXISTS balance_transaction_by_payout ON balance_transaction (payout_id);
CREATE INDEX IF NOT EXISTS balance_transaction_by_category ON balance_transaction (category, created_at);
CREATE INDEX IF NOT EXISTS payout_of_stripe_by_amount ON balance_transaction (net_minor) WHERE category = 'payout';
CREATE INDEX IF NOT EXISTS payout_of_stripe_by_name ON balance_transaction (lower(source_id)) WHERE category = 'payout';
CREATE INDEX IF NOT EXISTS payment_of_another_amount ON payment (paid_at DESC)
    WHERE received_minor <> amount_minor AND received_minor > 0;
CREATE INDEX IF NOT EXISTS balance_transaction_by_date ON balance_transaction (created_at, id);

-- Empties the bodies of at most `most` handled events of Stripe's, and the parameters of finished commands, from before
-- an instant; their ids, subjects and instants stay. Returns how many.
CREATE OR REPLACE FUNCTION empty_old_calls(before timestamptz, most bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH event AS (
        UPDATE stripe_event SET payload = ''
        WHERE id IN (
            SELECT id FROM stripe_event
            WHERE received_at < before AND handled_at IS NOT NULL AND payload <> '' LIMIT most
        )
        RETURNING id
    ), command AS (
        UPDATE stripe_command SET parameters = '{}'
        WHERE id IN (
            SELECT id FROM stripe_command
            WHERE created_at < before AND state = 'done' AND parameters <> '{}' LIMIT most
        )
        RETURNING id
    )
    SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM command);
$$;

CREATE INDEX IF NOT EXISTS duplicate_undecided ON duplicate_order (purchase_order) WHERE state IN ('noted', 'closed');
CREATE INDEX IF NOT EXISTS order_of_release ON purchase_order (partner, release);

-- Note, as orders are settled, which others of theirs are duplicates: of the same release for the same partner, as exact or
-- rougher, ordered before this one was paid, without a reason, not won in an auction and not of a subscription; and which of those settled are
-- duplicates of others. Of two that two workers settle at once, both are noted, and the job decides.
CREATE OR REPLACE FUNCTION note_duplicates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO duplicate_order (purchase_order, noted_at, state)
    SELECT DISTINCT second.id, clock_timestamp(), 'noted'
    FROM fresh AS sold
    JOIN former ON former.id = sold.id
    JOIN purchase_order AS other ON other.partner = sold.partner AND other.release = sold.release AND other.id <> sold.id
    CROSS JOIN LATERAL (VALUES (other.id, sold.id), (sold.id, other.id)) AS pair (second, first)
    JOIN purchase_order AS second ON second.id = pair.second
    JOIN purchase_order AS first ON first.id = pair.first
    JOIN quote AS second_quote ON second_quote.id = second.quote
    JOIN quote AS first_quote ON first_quote.id = first.quote
    LEFT JOIN payment ON payment.subject = second.id
    WHERE sold.state = 'paid'
      AND former.state IN ('awaiting_payment', 'lapsed')
      AND first.state = 'paid'
      AND second.second_reason = ''
      AND second_quote.auction IS NULL
      AND first_quote.level <= second_quote.level
      AND NOT EXISTS (SELECT FROM subscribed_release WHERE subscribed_release.purchase_order = second.id)
      AND second.ordered_at <= first.paid_at
      AND second.ordered_at > sold.ordered_at - interval '30 days'
      AND (
          second.state = 'awaiting_payment'
          OR second.state = 'lapsed' AND payment.state NOT IN ('expired', 'failed')
          OR second.state = 'paid' AND (second.paid_at, second.number) > (first.paid_at, first.number)
      )
    ON CONFLICT (purchase_order) DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_duplicates AFTER UPDATE ON purchase_order
    REFERENCING OLD TABLE AS former NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION note_duplicates();

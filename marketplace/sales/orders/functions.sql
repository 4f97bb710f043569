-- What was ordered stays; a sent document and a refund are corrected by a new row: UPDATE, DELETE and TRUNCATE are refused, except for emptying
-- a document whose retention has ended.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_lot
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_return
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON invoice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER only_emptied BEFORE UPDATE ON invoice
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_emptying('document');
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_correction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON invoice_file
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER only_emptied BEFORE UPDATE ON invoice_file
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_emptying('pdf,sha256');
-- A PDF is compressed already: PostgreSQL stores it as it is.
ALTER TABLE invoice_file ALTER COLUMN pdf SET STORAGE EXTERNAL;

CREATE INDEX IF NOT EXISTS order_by_partner ON purchase_order (partner, ordered_at DESC);
CREATE INDEX IF NOT EXISTS order_by_date ON purchase_order (ordered_at DESC, id);
CREATE INDEX IF NOT EXISTS order_by_state ON purchase_order (state, ordered_at DESC, id);
CREATE INDEX IF NOT EXISTS order_by_total ON purchase_order (state, total_minor DESC, id);
CREATE INDEX IF NOT EXISTS order_awaiting ON purchase_order (ordered_at) WHERE state = 'awaiting_payment';
CREATE INDEX IF NOT EXISTS licence_by_order ON licence (purchase_order);
CREATE INDEX IF NOT EXISTS licence_by_release ON licence (release);
CREATE INDEX IF NOT EXISTS licence_by_sale ON licence (sold_at DESC, id);
CREATE INDEX IF NOT EXISTS licence_contested ON licence (purchase_order) WHERE contested_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS entitlement_by_partner ON entitlement (partner, release);
CREATE INDEX IF NOT EXISTS entitlement_suspended ON entitlement (licence) WHERE suspended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS order_return_by_order ON order_return (purchase_order);
CREATE INDEX IF NOT EXISTS invoice_by_order ON invoice (purchase_order);
CREATE INDEX IF NOT EXISTS invoice_by_date ON invoice (issued_at DESC, number DESC);
CREATE INDEX IF NOT EXISTS invoice_by_total ON invoice (total_minor DESC, number DESC);
-- A corrected order has several invoices; an invariant says that all but one are corrected.
CREATE INDEX IF NOT EXISTS invoice_correction_by_order ON invoice_correction (purchase_order);

-- Returns a lot's part of an amount of its order, such as its VAT, by the lots' prices: all parts are the amount.
CREATE OR REPLACE FUNCTION lot_part(lot uuid, amount_minor bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (div($2 * reached, whole) - div($2 * (reached - own), whole))::bigint
    FROM (
        SELECT
            quote.id,
            quote.amount_minor AS own,
            sum(quote.amount_minor) OVER (ORDER BY order_lot.position) AS reached,
            sum(quote.amount_minor) OVER () AS whole
        FROM order_lot
        JOIN quote ON quote.id = order_lot.quote
        WHERE order_lot.purchase_order = (SELECT purchase_order FROM order_lot WHERE quote = $1)
    ) AS priced
    WHERE id = $1;
$$;

-- Writes to the licensees of a release when it is called back, in the transaction that does it. It waits for licences
-- that are being written; later licences wait for it: they read the recall, and write about it themselves.
CREATE OR REPLACE FUNCTION write_of_recall() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM release WHERE id = NEW.release FOR UPDATE;
    PERFORM write_messages(
        'release_recalled',
        NEW.revoked_at,
        array_agg(entitlement.id::text),
        array_agg('partner'::text),
        array_agg(entitlement.partner::text),
        array_agg(jsonb_build_object('order', purchase_order.number, 'id', purchase_order.id)::text)
    )
    FROM entitlement
    JOIN licence ON licence.id = entitlement.licence
    JOIN purchase_order ON purchase_order.id = licence.purchase_order
    WHERE entitlement.release = NEW.release AND entitlement.ends_at > NEW.revoked_at;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER write_to_licensees AFTER INSERT ON revocation
    FOR EACH ROW EXECUTE FUNCTION write_of_recall();

-- Empties the content and the files of at most `most` invoices older than an instant; number, amounts and entry stay.
-- Returns how many. It runs as the schema's owner, because the serving role may not change an invoice.
CREATE OR REPLACE FUNCTION empty_old_invoices(before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old uuid[];
BEGIN
    SELECT array_agg(id) INTO old
    FROM (SELECT id FROM invoice WHERE issued_at < before AND document <> '' LIMIT most) AS found;
    IF old IS NOT NULL THEN
        PERFORM check_documents_are_old(before);
        UPDATE invoice_file SET pdf = '', sha256 = encode(sha256(''), 'hex') WHERE invoice = ANY (old);
        UPDATE invoice SET document = '' WHERE id = ANY (old);
    END IF;
    RETURN coalesce(cardinality(old), 0);
END $$;

-- Deletes the billing addresses of partners who ordered nothing since an instant; returns how many.
CREATE OR REPLACE FUNCTION delete_old_billing(before timestamptz) RETURNS bigint LANGUAGE sql AS $$
    WITH deleted AS (
        DELETE FROM billing_details
        WHERE changed_at < before
          AND NOT EXISTS (
              SELECT FROM purchase_order WHERE partner = billing_details.partner AND ordered_at >= before
          )
        RETURNING partner
    )
    SELECT count(*) FROM deleted;
$$;

CREATE UNIQUE INDEX IF NOT EXISTS one_open_claim ON claim (purchase_order) WHERE outcome = '';
CREATE INDEX IF NOT EXISTS claim_by_order ON claim (purchase_order, filed_at DESC);

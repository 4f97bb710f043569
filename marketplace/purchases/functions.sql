-- A document that was sent, and an amount that was paid back, is corrected by a new row: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_return
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_correction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_file
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A PDF is compressed already: PostgreSQL stores it as it is.
ALTER TABLE invoice_file ALTER COLUMN pdf SET STORAGE EXTERNAL;

CREATE INDEX IF NOT EXISTS order_by_partner ON purchase_order (partner, ordered_at DESC);
CREATE INDEX IF NOT EXISTS order_awaiting ON purchase_order (ordered_at) WHERE state = 'awaiting_payment';
CREATE INDEX IF NOT EXISTS licence_by_release ON licence (release);
CREATE INDEX IF NOT EXISTS licence_by_sale ON licence (sold_at DESC, id);
CREATE INDEX IF NOT EXISTS licence_contested ON licence (purchase_order) WHERE contested_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS entitlement_by_partner ON entitlement (partner, release);
CREATE INDEX IF NOT EXISTS entitlement_suspended ON entitlement (licence) WHERE suspended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS order_return_by_order ON order_return (purchase_order);
CREATE INDEX IF NOT EXISTS invoice_by_order ON invoice (purchase_order);
-- An order that was invoiced anew has several invoices; an invariant says that all but one are corrected.
DROP INDEX IF EXISTS one_invoice_an_order;
CREATE INDEX IF NOT EXISTS invoice_correction_by_order ON invoice_correction (purchase_order);

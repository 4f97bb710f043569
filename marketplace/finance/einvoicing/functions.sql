-- The platform's answers and the contents of reports never change: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON life_cycle_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reported_document
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON e_report
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settled_part
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A PDF is compressed already: PostgreSQL stores it as it is.
ALTER TABLE einvoicing_flow ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX IF NOT EXISTS transmission_open ON transmission (created_at) WHERE state IN ('waiting', 'queued', 'rejected', 'refused');
CREATE INDEX IF NOT EXISTS life_cycle_event_by_transmission ON life_cycle_event (transmission, at);
CREATE INDEX IF NOT EXISTS einvoicing_flow_due ON einvoicing_flow (next_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS transmission_by_state ON transmission (state, created_at DESC, id);
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON einvoice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX IF NOT EXISTS einvoice_by_order ON einvoice (purchase_order);
CREATE INDEX IF NOT EXISTS einvoice_unsaid_by_matter ON einvoice_unsaid (what, at, subject);
CREATE INDEX IF NOT EXISTS reported_document_by_report ON reported_document (report);
CREATE INDEX IF NOT EXISTS settled_part_reported ON settled_part (settled_at) WHERE report IS NOT NULL;

-- Notes for each document, when it is issued, whether it goes through the platform, when the books have its VAT, and
-- what is to be reported. An invoice that replaces an unreported one has settled when the first one did. For an order
-- on credit each payment is reported.
CREATE OR REPLACE FUNCTION note_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH noted AS (
        INSERT INTO einvoice (invoice, purchase_order, kind, travels, is_in_parts, issued_at, vat_at, vat_minor)
        SELECT
            issued.id,
            issued.purchase_order,
            issued.kind,
            purchase_order.vat_rule IN ('domestic', 'overseas')
                AND convert_from(issued.document, 'UTF8')::jsonb #>> '{buyer,country}' IS DISTINCT FROM 'MC',
            credit_sale.subject IS NOT NULL,
            issued.issued_at,
            CASE
                WHEN entry.kind <> 'sale_reissued' THEN entry.at
                WHEN credit_sale.subject IS NOT NULL THEN purchase_order.paid_at
                WHEN EXISTS (
                    SELECT
                    FROM invoice_correction AS correction
                    JOIN invoice AS former ON former.number = correction.invoice
                    JOIN transmission AS its ON its.invoice = former.id
                    JOIN einvoicing_flow AS receipt ON receipt.transmission = its.id AND receipt.kind = 'receipt'
                    WHERE correction.id::text = entry.source_id
                ) THEN entry.at
                ELSE purchase_order.paid_at
            END,
            CASE issued.kind WHEN 'invoice' THEN 1 ELSE -1 END * issued.vat_minor
        FROM issued
        JOIN purchase_order ON purchase_order.id = issued.purchase_order
        JOIN journal_entry AS entry ON entry.id = issued.entry
        LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
        RETURNING *
    )
    INSERT INTO einvoice_unsaid (what, subject, at)
    SELECT matter.what, CASE matter.what WHEN 'parts' THEN noted.purchase_order ELSE noted.invoice END, matter.at
    FROM noted
    CROSS JOIN LATERAL (VALUES
        ('transmission', noted.issued_at, noted.travels),
        ('receipt', noted.issued_at, noted.travels AND NOT noted.is_in_parts),
        ('transactions', noted.issued_at, NOT noted.travels),
        ('payments', coalesce(noted.vat_at, noted.issued_at),
         NOT noted.travels AND NOT noted.is_in_parts AND noted.vat_minor <> 0),
        ('parts', '-infinity', noted.is_in_parts AND noted.kind = 'invoice')
    ) AS matter (what, at, waits)
    WHERE matter.waits;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_issued AFTER INSERT ON invoice REFERENCING NEW TABLE AS issued
    FOR EACH STATEMENT EXECUTE FUNCTION note_issued();

-- Each payment of an order on credit has to be reported; each has its own row, so that payments never wait for each
-- other.
CREATE OR REPLACE FUNCTION note_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO einvoice_unsaid (what, subject, at) VALUES ('parts', NEW.sale, NEW.at);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_payment AFTER INSERT ON credit_movement
    FOR EACH ROW WHEN (NEW.kind = 'payment') EXECUTE FUNCTION note_payment();

-- Each month since e-invoicing began, the latest first, in cents: the movement of the account of VAT collected, without
-- the amounts that bank lines settled (through the suspense account); the VAT reported by statuses 212 and by reports
-- of payments; and the VAT still to be reported. A pair that cancels out unreported counts nowhere. For an order on
-- credit the invoice has the amounts reported in parts; once all is reported, each document has its own. Days after the
-- first are read from their sums, and no document's bytes are read.
CREATE OR REPLACE FUNCTION months_of_vat(vat_account text, suspense text)
RETURNS TABLE (month date, booked_minor bigint, statuses_minor bigint, reports_minor bigint, waiting_minor bigint)
LANGUAGE sql STABLE AS $$
    WITH part_sums AS (
        SELECT
            einvoice.purchase_order,
            sum(part.total_minor) AS total_minor,
            sum(part.vat_minor) AS vat_minor
        FROM settled_part AS part
        JOIN einvoice ON einvoice.invoice = part.invoice
        GROUP BY 1
    ),
    undone AS (
        SELECT invoice.id FROM invoice_correction JOIN invoice ON invoice.number = invoice_correction.invoice
        UNION ALL
        SELECT invoice.id
        FROM invoice_correction
        JOIN journal_entry AS entry ON entry.kind = 'sale_cancelled' AND entry.source_id = invoice_correction.id::text
        JOIN invoice ON invoice.entry = entry.id
    ),
    in_parts AS (
        SELECT
            einvoice.travels,
            date_trunc('month', einvoice.vat_at AT TIME ZONE 'Europe/Paris')::date AS month,
            einvoice.vat_minor,
            CASE
                WHEN credit_sale.settled_at IS NOT NULL AND coalesce(part_sums.total_minor, 0) = credit_sale.paid_minor
                    THEN einvoice.vat_minor
                WHEN einvoice.kind = 'invoice' THEN coalesce(part_sums.vat_minor, 0)
                ELSE 0
            END AS said_minor
        FROM einvoice
        JOIN credit_sale ON credit_sale.subject = einvoice.purchase_order
        LEFT JOIN part_sums ON part_sums.purchase_order = einvoice.purchase_order
        WHERE einvoice.is_in_parts
          AND einvoice.issued_at >= (SELECT from_at FROM einvoicing_state)
          AND NOT EXISTS (SELECT FROM undone WHERE undone.id = einvoice.invoice)
    ),
    said AS (
        SELECT
            date_trunc('month', einvoice.vat_at AT TIME ZONE 'Europe/Paris')::date AS month,
            sum(einvoice.vat_minor) FILTER (WHERE einvoice.travels AND receipt.id IS NOT NULL) AS statuses_minor,
            sum(einvoice.vat_minor) FILTER (WHERE reported.id IS NOT NULL) AS reports_minor,
            sum(einvoice.vat_minor) FILTER (
                WHERE einvoice.travels AND receipt.id IS NULL AND transmission.state IS DISTINCT FROM 'corrected'
                   OR NOT einvoice.travels AND reported.id IS NULL
            ) AS waiting_minor
        FROM einvoice
        LEFT JOIN transmission ON transmission.invoice = einvoice.invoice
        LEFT JOIN einvoicing_flow AS receipt
            ON receipt.transmission = transmission.id AND receipt.kind = 'receipt'
        LEFT JOIN reported_document AS reported
            ON reported.invoice = einvoice.invoice AND reported.kind = 'payments'
        WHERE NOT einvoice.is_in_parts
          AND einvoice.issued_at >= (SELECT from_at FROM einvoicing_state)
        GROUP BY 1
        UNION ALL
        SELECT
            month,
            sum(said_minor) FILTER (WHERE travels),
            sum(said_minor) FILTER (WHERE NOT travels),
            sum(vat_minor - said_minor)
        FROM in_parts
        GROUP BY 1
    ),
    said_by_month AS (
        SELECT
            month,
            sum(statuses_minor) AS statuses_minor,
            sum(reports_minor) AS reports_minor,
            sum(waiting_minor) AS waiting_minor
        FROM said
        GROUP BY month
    ),
    moved AS (
        SELECT day, credit_minor - debit_minor AS moved_minor
        FROM day_sum
        WHERE account = vat_account AND day > (SELECT (from_at AT TIME ZONE 'Europe/Paris')::date FROM einvoicing_state)
        UNION ALL
        SELECT (at AT TIME ZONE 'Europe/Paris')::date, CASE vat_account WHEN credit THEN amount_minor ELSE -amount_minor END
        FROM einvoicing_state
        JOIN journal_entry ON at >= from_at AND at < from_at + interval '25 hours'
        CROSS JOIN LATERAL (SELECT * FROM posting WHERE posting.entry = journal_entry.id OFFSET 0) AS posted
        WHERE vat_account IN (debit, credit) AND (at AT TIME ZONE 'Europe/Paris')::date <= from_at AT TIME ZONE 'Europe/Paris'
        UNION ALL
        SELECT (at AT TIME ZONE 'Europe/Paris')::date, CASE vat_account WHEN credit THEN -amount_minor ELSE amount_minor END
        FROM posting
        CROSS JOIN LATERAL (SELECT at FROM journal_entry WHERE journal_entry.id = posting.entry OFFSET 0) AS entered
        WHERE at >= (SELECT from_at FROM einvoicing_state)
          AND (debit = vat_account AND credit = suspense OR debit = suspense AND credit = vat_account)
    ),
    booked AS (
        SELECT date_trunc('month', day)::date AS month, sum(moved_minor) AS booked_minor FROM moved GROUP BY 1
    )
    SELECT
        coalesce(said_by_month.month, booked.month) AS month,
        coalesce(booked.booked_minor, 0)::bigint AS booked_minor,
        coalesce(said_by_month.statuses_minor, 0)::bigint AS statuses_minor,
        coalesce(said_by_month.reports_minor, 0)::bigint AS reports_minor,
        coalesce(said_by_month.waiting_minor, 0)::bigint AS waiting_minor
    FROM said_by_month
    FULL JOIN booked ON booked.month = said_by_month.month
    ORDER BY 1 DESC
    LIMIT 36
$$;

-- What moved stays as it was: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_movement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS credit_sale_of_partner ON credit_sale (partner, due_at);
CREATE INDEX IF NOT EXISTS credit_sale_owing ON credit_sale (due_at) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS credit_sale_by_owed ON credit_sale ((total_minor - returned_minor - paid_minor))
    WHERE total_minor <> returned_minor + paid_minor;
CREATE INDEX IF NOT EXISTS credit_movement_of_sale ON credit_movement (sale, at);

-- Whether an order was sold on credit and owes nothing any more.
CREATE OR REPLACE FUNCTION is_credit_settled(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM credit_sale WHERE subject = sold AND settled_at IS NOT NULL)
$$;

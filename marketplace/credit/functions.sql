-- A proposal is decided once, and is else never changed.
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON credit_proposal
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON credit_proposal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What moved stays as it was: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_movement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE UNIQUE INDEX IF NOT EXISTS one_live_credit_proposal ON credit_proposal (coalesce(sale, partner))
    WHERE approved IS NULL;
CREATE INDEX IF NOT EXISTS credit_limit_of_partner ON credit_proposal (partner, decided_at DESC)
    WHERE approved AND kind = 'limit';
CREATE INDEX IF NOT EXISTS credit_sale_of_partner ON credit_sale (partner, due_at);
CREATE INDEX IF NOT EXISTS credit_sale_owing ON credit_sale (due_at) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS credit_sale_by_owed ON credit_sale ((total_minor - returned_minor - paid_minor))
    WHERE total_minor <> returned_minor + paid_minor;
CREATE INDEX IF NOT EXISTS credit_movement_of_sale ON credit_movement (sale, at);

-- Whether an order was sold on credit and owes nothing any more.
CREATE OR REPLACE FUNCTION is_credit_settled(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM credit_sale WHERE subject = sold AND settled_at IS NOT NULL)
$$;

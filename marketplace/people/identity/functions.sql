-- What the operator's tables of lines changed: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON line_table
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A line stays after it ends or its person is erased: consents, payouts and accruals refer to it by number.
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON subscriber
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON partner FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS subscriber_ended ON subscriber (reference) WHERE gone_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS subscriber_erased ON subscriber (reference) WHERE erased_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS partner_by_decision
    ON partner ((vetted_at IS NOT NULL OR refused_reason IS NOT NULL), signed_up_at DESC, id);
CREATE INDEX IF NOT EXISTS person_by_email ON person (email);
CREATE UNIQUE INDEX IF NOT EXISTS person_by_confirmed_email ON person (email) WHERE email_confirmed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS person_by_partner ON person (partner);
CREATE INDEX IF NOT EXISTS person_by_role ON person (staff_role) WHERE staff_role IS NOT NULL;
CREATE INDEX IF NOT EXISTS session_by_person ON session (person);
CREATE INDEX IF NOT EXISTS session_by_expiry ON session (expires_at);
CREATE INDEX IF NOT EXISTS attempt_by_subject ON sign_in_attempt (subject, at);
CREATE INDEX IF NOT EXISTS attempt_by_date ON sign_in_attempt (at);
CREATE INDEX IF NOT EXISTS invitation_by_email ON invitation (email);
CREATE INDEX IF NOT EXISTS api_key_by_partner ON api_key (partner);
CREATE INDEX IF NOT EXISTS api_key_replaced ON api_key (replaces) WHERE replaces IS NOT NULL;

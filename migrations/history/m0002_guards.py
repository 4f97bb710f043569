"""Migration 2: what the tables cannot say by themselves: append-only rows, and the indexes pages and jobs lean on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:02"
VERSION = "1.38.0"
DESCRIPTION = "guards"

APPEND_ONLY = (
    "journal_entry", "posting", "consent_record", "notice", "quote", "demand_draw", "share_run", "accrual", "download",
)  # fmt: skip

SQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- The keys of a whole COPY of accruals at once: row by row, foreign keys would make a run three times slower.
CREATE FUNCTION refuse_unknown_accruals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh LEFT JOIN subscriber ON subscriber.reference = fresh.subscriber
        WHERE subscriber.reference IS NULL
    ) OR EXISTS (SELECT FROM fresh LEFT JOIN share_run ON share_run.id = fresh.run WHERE share_run.id IS NULL) THEN
        RAISE EXCEPTION 'an accrual names a subscriber or a run that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER known_subscriber_and_run AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_accruals();

CREATE INDEX person_by_partner ON person (partner);
CREATE INDEX session_by_person ON session (person);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE INDEX attempt_by_subject ON sign_in_attempt (subject, at);
CREATE INDEX attempt_by_date ON sign_in_attempt (at);
CREATE INDEX invitation_by_email ON invitation (email);
CREATE INDEX partner_by_decision ON partner ((vetted_at IS NOT NULL OR refused_reason IS NOT NULL), signed_up_at DESC, id);
CREATE INDEX api_key_by_partner ON api_key (partner);
CREATE INDEX consent_by_purpose ON consent_record (purpose, subscriber, at, id);
CREATE INDEX consent_by_subscriber ON consent_record (subscriber, purpose, at, id);
CREATE INDEX posting_by_entry ON posting (entry);
CREATE INDEX posting_by_debit ON posting (debit, entry);
CREATE INDEX posting_by_credit ON posting (credit, entry);
CREATE INDEX entry_by_date ON journal_entry (at, id);
CREATE INDEX command_due ON stripe_command (next_at) WHERE state = 'pending';
CREATE INDEX command_by_subject ON stripe_command (subject);
CREATE INDEX event_waiting ON stripe_event (received_at) WHERE handled_at IS NULL;
CREATE INDEX balance_transaction_by_payment ON balance_transaction (payment_subject);
CREATE INDEX balance_transaction_by_source ON balance_transaction (source_id);
CREATE INDEX balance_transaction_by_charge ON balance_transaction (charge_id) WHERE payment_subject IS NULL;
CREATE INDEX balance_transaction_by_payout ON balance_transaction (payout_id);
CREATE INDEX balance_transaction_by_category ON balance_transaction (category, created_at);
CREATE INDEX balance_transaction_by_date ON balance_transaction (created_at, id);
CREATE INDEX refund_decision_by_order ON refund_decision (purchase_order);
CREATE INDEX event_amiss ON stripe_event (received_at) WHERE error IS NOT NULL;
CREATE INDEX command_failed ON stripe_command (created_at) WHERE state = 'failed';
CREATE INDEX payment_by_state ON payment (state, requested_at);
CREATE INDEX release_by_dataset ON release (dataset, period_to DESC);
CREATE INDEX quote_by_partner ON quote (partner, quoted_at DESC);
CREATE INDEX order_by_partner ON purchase_order (partner, ordered_at DESC);
CREATE INDEX order_awaiting ON purchase_order (ordered_at) WHERE state = 'awaiting_payment';
CREATE INDEX licence_by_release ON licence (release);
CREATE INDEX entitlement_by_partner ON entitlement (partner, release);
CREATE INDEX split_held ON licence_split (licence) WHERE state = 'held';
CREATE INDEX download_by_entitlement ON download (entitlement, at DESC);
"""


async def guard() -> None:
    """Run the statements and make the append-only tables so."""
    await execute(SQL)
    for table in APPEND_ONLY:
        await execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    await execute(
        "CREATE TRIGGER sealed_for_ever BEFORE UPDATE OR DELETE ON release FOR EACH ROW "
        "WHEN (OLD.state IN ('sealed', 'refused')) EXECUTE FUNCTION refuse_change()"
    )


async def forwards() -> MigrationManager:
    """Add the guards."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(guard)
    return manager

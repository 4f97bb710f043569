"""Migration 1: every table of every slice, lower floors first."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:01"
VERSION = "1.38.0"
DESCRIPTION = "tables"

SQL = r"""
CREATE TABLE "partner" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "company" TEXT NOT NULL,
    "country" TEXT NOT NULL,
    "vat_number" TEXT NOT NULL DEFAULT '',
    "vat_confirmed_at" TIMESTAMPTZ,
    "vat_checked_at" TIMESTAMPTZ,
    "vat_answer" TEXT,
    "signed_up_at" TIMESTAMPTZ NOT NULL,
    "vetted_at" TIMESTAMPTZ,
    "vetted_by" TEXT,
    "refused_reason" TEXT
);
ALTER TABLE "partner" ADD CONSTRAINT company_is_named CHECK (length(company) BETWEEN 1 AND 200);
ALTER TABLE "partner" ADD CONSTRAINT country_is_iso CHECK (country ~ '^[A-Z]{2}$');
ALTER TABLE "partner" ADD CONSTRAINT vetted_by_someone CHECK ((vetted_at IS NULL) = (vetted_by IS NULL));
CREATE TABLE "subscriber" (
    "reference" BIGINT PRIMARY KEY NOT NULL,
    "activation_code_hash" TEXT,
    "claimed_at" TIMESTAMPTZ
);
ALTER TABLE "subscriber" ADD CONSTRAINT reference_is_positive CHECK (reference >= 0);
CREATE TABLE "person" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "email" TEXT UNIQUE NOT NULL,
    "name" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "language" TEXT NOT NULL DEFAULT 'fr',
    "partner" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT UNIQUE REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "staff_role" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "person" ADD CONSTRAINT email_is_lower_case CHECK (email = lower(email) AND position('@' in email) > 1);
ALTER TABLE "person" ADD CONSTRAINT one_capacity CHECK (num_nonnulls(partner, subscriber, staff_role) = 1);
ALTER TABLE "person" ADD CONSTRAINT known_role CHECK (staff_role IN ('steward', 'finance', 'auditor'));
ALTER TABLE "person" ADD CONSTRAINT known_language CHECK (language IN ('fr', 'en'));
CREATE TABLE "session" (
    "token_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "api_key" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "label" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "key_hash" TEXT UNIQUE NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ
);
CREATE TABLE "invitation" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "code_hash" TEXT UNIQUE NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "accepted_at" TIMESTAMPTZ
);
CREATE TABLE "sign_in_attempt" (
    "id" SERIAL PRIMARY KEY NOT NULL,
    "subject" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "account" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL
);
ALTER TABLE "account" ADD CONSTRAINT code_is_digits CHECK (code ~ '^[1-8][0-9]{2,7}$');
CREATE TABLE "journal_entry" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "source_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "recorded_at" TIMESTAMPTZ NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "text" TEXT NOT NULL DEFAULT ''
);
ALTER TABLE "journal_entry" ADD CONSTRAINT recorded_once UNIQUE ("kind", "source_id");
CREATE TABLE "posting" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "entry" BIGINT NOT NULL REFERENCES "journal_entry" ("id") ON DELETE RESTRICT,
    "debit" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "credit" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL
);
ALTER TABLE "posting" ADD CONSTRAINT amount_is_positive CHECK (amount_minor > 0);
ALTER TABLE "posting" ADD CONSTRAINT two_accounts CHECK (debit <> credit);
CREATE TABLE "purpose" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "category" TEXT NOT NULL,
    "use" TEXT NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL
);
ALTER TABLE "purpose" ADD CONSTRAINT one_code_each UNIQUE ("category", "use");
ALTER TABLE "purpose" ADD CONSTRAINT code_is_composed CHECK (code = category || '.' || use);
CREATE TABLE "notice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "version" INTEGER NOT NULL,
    "text_fr" TEXT NOT NULL,
    "text_en" TEXT NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "notice" ADD CONSTRAINT one_text_a_version UNIQUE ("purpose", "version");
ALTER TABLE "notice" ADD CONSTRAINT version_is_positive CHECK (version > 0);
CREATE TABLE "consent_record" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "notice" UUID NOT NULL REFERENCES "notice" ("id") ON DELETE RESTRICT,
    "given" BOOLEAN NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "receipt" UUID UNIQUE NOT NULL DEFAULT gen_random_uuid()
);
CREATE TABLE "payment" (
    "subject" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "state" TEXT NOT NULL DEFAULT 'requested',
    "session_id" TEXT UNIQUE,
    "checkout_url" TEXT,
    "payment_intent_id" TEXT UNIQUE,
    "charge_id" TEXT UNIQUE,
    "refunded_minor" BIGINT NOT NULL DEFAULT 0,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "paid_at" TIMESTAMPTZ,
    "read_at" TIMESTAMPTZ
);
ALTER TABLE "payment" ADD CONSTRAINT amount_is_positive CHECK (amount_minor > 0);
ALTER TABLE "payment" ADD CONSTRAINT known_state CHECK (state IN ('requested', 'open', 'paid', 'expired', 'failed', 'refunded'));
ALTER TABLE "payment" ADD CONSTRAINT never_refunds_more CHECK (refunded_minor BETWEEN 0 AND amount_minor);
ALTER TABLE "payment" ADD CONSTRAINT paid_at_an_instant CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL));
CREATE TABLE "stripe_command" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "verb" TEXT NOT NULL,
    "subject" UUID NOT NULL DEFAULT gen_random_uuid(),
    "parameters" JSONB NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "generation" INTEGER NOT NULL,
    "next_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "first_tried_at" TIMESTAMPTZ,
    "object_id" TEXT,
    "error" TEXT
);
ALTER TABLE "stripe_command" ADD CONSTRAINT known_verb CHECK (verb IN ('checkout', 'refund', 'expire_session'));
ALTER TABLE "stripe_command" ADD CONSTRAINT known_state CHECK (state IN ('pending', 'done', 'failed'));
CREATE TABLE "stripe_event" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "type" TEXT NOT NULL,
    "payload" TEXT NOT NULL,
    "came_by" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ NOT NULL,
    "handled_at" TIMESTAMPTZ,
    "error" TEXT
);
ALTER TABLE "stripe_event" ADD CONSTRAINT known_way CHECK (came_by IN ('webhook', 'sweep'));
CREATE TABLE "stripe_cursor" (
    "list" TEXT PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "stripe_cursor" ADD CONSTRAINT known_list CHECK (list IN ('events', 'balance_transactions'));
CREATE TABLE "balance_transaction" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "category" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "fee_minor" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "source_id" TEXT,
    "charge_id" TEXT,
    "payment_subject" UUID,
    "status" TEXT NOT NULL,
    "payout_id" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "available_on" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "balance_transaction" ADD CONSTRAINT adds_up CHECK (net_minor = amount_minor - fee_minor);
ALTER TABLE "balance_transaction" ADD CONSTRAINT known_status CHECK (status IN ('pending', 'available'));
CREATE TABLE "dataset" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "description_fr" TEXT NOT NULL,
    "description_en" TEXT NOT NULL,
    "area" TEXT NOT NULL,
    "zones" TEXT[] NOT NULL DEFAULT '{}',
    "age_bands" TEXT[] NOT NULL DEFAULT '{}',
    "h3_resolution" INTEGER NOT NULL,
    "grain" TEXT NOT NULL,
    "max_cells" INTEGER NOT NULL,
    "max_events" INTEGER NOT NULL,
    "epsilon_micro" BIGINT NOT NULL,
    "budget_micro" BIGINT NOT NULL,
    "spent_micro" BIGINT NOT NULL DEFAULT 0,
    "half_life_days" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "dataset" ADD CONSTRAINT code_is_a_slug CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$');
ALTER TABLE "dataset" ADD CONSTRAINT known_grain CHECK (grain IN ('hour', 'day'));
ALTER TABLE "dataset" ADD CONSTRAINT h3_has_sixteen_resolutions CHECK (h3_resolution BETWEEN 0 AND 15);
ALTER TABLE "dataset" ADD CONSTRAINT bounds_are_positive CHECK (max_cells > 0 AND max_events > 0 AND half_life_days > 0);
ALTER TABLE "dataset" ADD CONSTRAINT epsilon_is_positive CHECK (epsilon_micro > 0);
ALTER TABLE "dataset" ADD CONSTRAINT never_overspends CHECK (spent_micro BETWEEN 0 AND budget_micro);
CREATE TABLE "release" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "period_from" TIMESTAMPTZ NOT NULL,
    "period_to" TIMESTAMPTZ NOT NULL,
    "specification" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'spent',
    "started_at" TIMESTAMPTZ NOT NULL,
    "sealed_at" TIMESTAMPTZ,
    "epsilon_micro" BIGINT NOT NULL,
    "threshold" INTEGER NOT NULL DEFAULT 0,
    "noise_variance_micro" BIGINT NOT NULL DEFAULT 0,
    "key_count" BIGINT NOT NULL DEFAULT 0,
    "row_count" BIGINT NOT NULL DEFAULT 0,
    "suppressed_micro" BIGINT NOT NULL DEFAULT 0,
    "consenting" BIGINT NOT NULL DEFAULT 0,
    "population" BIGINT NOT NULL DEFAULT 0,
    "median_cell_people" BIGINT NOT NULL DEFAULT 0,
    "median_cell_population" BIGINT NOT NULL DEFAULT 0,
    "latest_event_at" TIMESTAMPTZ,
    "contributors" BIGINT NOT NULL DEFAULT 0,
    "total_weight" BIGINT NOT NULL DEFAULT 0,
    "cells_sha256" TEXT NOT NULL DEFAULT '',
    "manifest_sha256" TEXT NOT NULL DEFAULT '',
    "refusal" TEXT
);
ALTER TABLE "release" ADD CONSTRAINT one_release_a_period UNIQUE ("dataset", "period_from", "period_to", "specification");
ALTER TABLE "release" ADD CONSTRAINT period_is_not_empty CHECK (period_from < period_to);
ALTER TABLE "release" ADD CONSTRAINT known_state CHECK (state IN ('spent', 'noised', 'sealed', 'refused'));
ALTER TABLE "release" ADD CONSTRAINT sealed_at_an_instant CHECK ((state = 'sealed') = (sealed_at IS NOT NULL));
CREATE TABLE "release_notice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "notice" UUID NOT NULL REFERENCES "notice" ("id") ON DELETE RESTRICT
);
ALTER TABLE "release_notice" ADD CONSTRAINT named_once UNIQUE ("release", "notice");
CREATE TABLE "contributor_term" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "minimum_pool_minor" BIGINT NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "contributor_term" ADD CONSTRAINT interval_is_not_empty CHECK (starts_at < ends_at);
ALTER TABLE "contributor_term" ADD CONSTRAINT minimum_is_not_negative CHECK (minimum_pool_minor >= 0);
CREATE TABLE "licence_terms" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "lines_fr" TEXT NOT NULL,
    "lines_en" TEXT NOT NULL,
    "months" INTEGER NOT NULL
);
ALTER TABLE "licence_terms" ADD CONSTRAINT lasts_a_while CHECK (months BETWEEN 1 AND 120);
CREATE TABLE "offer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT UNIQUE NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "full_worth_minor" BIGINT NOT NULL,
    "floor_minor" BIGINT NOT NULL,
    "cap_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "listed_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ
);
ALTER TABLE "offer" ADD CONSTRAINT prices_are_ordered CHECK (0 < floor_minor AND floor_minor <= cap_minor AND cap_minor <= 100000000000);
ALTER TABLE "offer" ADD CONSTRAINT worth_is_positive CHECK (full_worth_minor > 0);
CREATE TABLE "demand_draw" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "day" DATE NOT NULL,
    "demand_basis_points" INTEGER NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "demand_draw" ADD CONSTRAINT one_a_day UNIQUE ("offer", "day");
ALTER TABLE "demand_draw" ADD CONSTRAINT draw_is_positive CHECK (demand_basis_points > 0);
CREATE TABLE "quote" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "document" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "quoted_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "quote" ADD CONSTRAINT amount_is_positive CHECK (amount_minor > 0);
ALTER TABLE "quote" ADD CONSTRAINT expires_later CHECK (quoted_at < expires_at);
CREATE TABLE "quote_acceptance" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "accepted_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "purchase_order" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "number" TEXT UNIQUE NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "quote" UUID UNIQUE NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "vat_basis_points" INTEGER NOT NULL,
    "vat_rule" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'awaiting_payment',
    "ordered_at" TIMESTAMPTZ NOT NULL,
    "paid_at" TIMESTAMPTZ,
    "refund_requested_at" TIMESTAMPTZ,
    "refund_requested_by" TEXT
);
ALTER TABLE "purchase_order" ADD CONSTRAINT adds_up CHECK (total_minor = net_minor + vat_minor AND net_minor > 0 AND vat_minor >= 0);
ALTER TABLE "purchase_order" ADD CONSTRAINT known_rule CHECK (vat_rule IN ('domestic', 'reverse_charge', 'unverified', 'outside_eu'));
ALTER TABLE "purchase_order" ADD CONSTRAINT known_state CHECK (state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded'));
ALTER TABLE "purchase_order" ADD CONSTRAINT paid_at_an_instant CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL));
CREATE TABLE "licence" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID UNIQUE NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "subscribers_basis_points" INTEGER NOT NULL,
    "operator_basis_points" INTEGER NOT NULL,
    "sold_at" TIMESTAMPTZ NOT NULL,
    "hold_until" TIMESTAMPTZ NOT NULL,
    "cancelled_at" TIMESTAMPTZ
);
ALTER TABLE "licence" ADD CONSTRAINT rates_are_shares CHECK (subscribers_basis_points >= 0 AND operator_basis_points >= 0 AND subscribers_basis_points + operator_basis_points <= 10000);
ALTER TABLE "licence" ADD CONSTRAINT net_is_positive CHECK (net_minor > 0);
CREATE TABLE "entitlement" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "licence" UUID UNIQUE NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "revoked_at" TIMESTAMPTZ
);
ALTER TABLE "entitlement" ADD CONSTRAINT interval_is_not_empty CHECK (starts_at < ends_at);
CREATE TABLE "download" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "format" TEXT NOT NULL,
    "byte_count" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "download" ADD CONSTRAINT known_format CHECK (format IN ('parquet', 'csv'));
CREATE TABLE "share_run" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE "share_run" ADD CONSTRAINT known_kind CHECK (kind IN ('hold', 'release', 'cancel'));
ALTER TABLE "share_run" ADD CONSTRAINT amount_is_not_negative CHECK (amount_minor >= 0 AND people >= 0);
CREATE TABLE "licence_split" (
    "licence" UUID PRIMARY KEY NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "fee_minor" BIGINT NOT NULL,
    "distributable_minor" BIGINT NOT NULL,
    "pool_minor" BIGINT NOT NULL,
    "operator_minor" BIGINT NOT NULL,
    "platform_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL DEFAULT 0,
    "total_weight" BIGINT NOT NULL DEFAULT 0,
    "cutoff_remainder" BIGINT NOT NULL,
    "cutoff_position" BIGINT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'held',
    "held_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "ended_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "split_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "licence_split" ADD CONSTRAINT known_state CHECK (state IN ('held', 'released', 'cancelled'));
ALTER TABLE "licence_split" ADD CONSTRAINT ended_by_a_run CHECK ((state = 'held') = (ended_by IS NULL));
ALTER TABLE "licence_split" ADD CONSTRAINT adds_up CHECK (distributable_minor = pool_minor + operator_minor + platform_minor);
ALTER TABLE "licence_split" ADD CONSTRAINT parts_are_not_negative CHECK (least(fee_minor, pool_minor, operator_minor, platform_minor) >= 0);
ALTER TABLE "licence_split" ADD CONSTRAINT someone_contributed CHECK (people > 0 AND total_weight > 0);
CREATE TABLE "accrual" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" BIGINT NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "held_micro" BIGINT NOT NULL DEFAULT 0,
    "payable_micro" BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE "accrual" ADD CONSTRAINT one_row_a_run UNIQUE ("subscriber", "run");
ALTER TABLE "accrual" ADD CONSTRAINT moves_something CHECK (held_micro <> 0 OR payable_micro <> 0);
CREATE TABLE "reconciliation" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "stripe_minor" BIGINT NOT NULL,
    "ledger_minor" BIGINT NOT NULL,
    "unmatched" INTEGER NOT NULL,
    "note" TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "refund_decision" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "decided_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "refund_decision" ADD CONSTRAINT reason_is_given CHECK (length(btrim(reason)) BETWEEN 3 AND 2000);
CREATE TABLE "job_run" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "job" TEXT NOT NULL,
    "slot" TIMESTAMPTZ NOT NULL,
    "missed" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "error" TEXT
);
ALTER TABLE "job_run" ADD CONSTRAINT runs_once UNIQUE ("job", "slot");
"""


async def create() -> None:
    """Run the statements."""
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(create)
    return manager

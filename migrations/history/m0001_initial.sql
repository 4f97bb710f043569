-- Every table, by package, each after those that it refers to.
-- Written from the packages' tables.py by `python -m migrations.generate`; not edited by hand.
-- Functions, triggers and indexes are in the packages' functions.sql.


-- core / backup

CREATE TABLE "restoration" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "backed_up_at" TIMESTAMPTZ NOT NULL,
    "restored_at" TIMESTAMPTZ NOT NULL,
    "backup_sha256" TEXT NOT NULL
);

CREATE TABLE "backup" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "place" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL
);

CREATE TABLE "installation_key" (
    "name" TEXT PRIMARY KEY NOT NULL,
    "key_id" TEXT NOT NULL,
    "noted_at" TIMESTAMPTZ NOT NULL
);


-- core / facts

CREATE TABLE "log_fact" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "statement" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "stated_once" UNIQUE ("kind", "subject"),
    CONSTRAINT "known_kind" CHECK (kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded', 'auction_awarded_again', 'auction_cancelled'))
);

CREATE TABLE "unlogged_fact" (
    "fact" BIGINT PRIMARY KEY NOT NULL
);

CREATE TABLE "hidden_fact" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "hidden_once" UNIQUE ("kind", "source"),
    CONSTRAINT "known_kind" CHECK (kind IN ('price_inputs'))
);


-- core / notes

CREATE TABLE "waiting_note" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "content" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);


-- people / audit trail

CREATE TABLE "staff_action" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "person" UUID,
    "verb" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "before" JSONB NOT NULL,
    "after" JSONB NOT NULL,
    "area" TEXT NOT NULL DEFAULT 'decision',
    CONSTRAINT "verb_is_named" CHECK (verb ~ '^[a-z_]{3,60}$'),
    CONSTRAINT "known_area" CHECK (area IN ('decision', 'access', 'request'))
);

CREATE TABLE "staff_request" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "person" UUID NOT NULL,
    "route" TEXT NOT NULL,
    "subject" TEXT NOT NULL
);

CREATE TABLE "unlinked_action" (
    "action" BIGINT PRIMARY KEY NOT NULL
);

CREATE TABLE "trail_link" (
    "number" BIGINT PRIMARY KEY NOT NULL,
    "action" BIGINT UNIQUE NOT NULL REFERENCES "staff_action" ("id") ON DELETE RESTRICT,
    "hash" TEXT NOT NULL,
    CONSTRAINT "number_counts_from_one" CHECK (number >= 1),
    CONSTRAINT "hash_is_sha256" CHECK (hash ~ '^[0-9a-f]{64}$')
);


-- people / identity

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
    "refused_reason" TEXT,
    CONSTRAINT "company_is_named" CHECK (length(company) BETWEEN 1 AND 200),
    CONSTRAINT "country_is_iso" CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT "vetted_by_someone" CHECK ((vetted_at IS NULL) = (vetted_by IS NULL))
);

CREATE TABLE "subscriber" (
    "reference" BIGINT PRIMARY KEY NOT NULL,
    "activation_code_hash" TEXT,
    "claimed_at" TIMESTAMPTZ,
    "erased_at" TIMESTAMPTZ,
    "gone_at" TIMESTAMPTZ,
    CONSTRAINT "reference_is_positive" CHECK (reference >= 0)
);

CREATE TABLE "line_table" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "sha256" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "lines" BIGINT NOT NULL,
    "new_lines" BIGINT NOT NULL,
    "returned_lines" BIGINT NOT NULL,
    "changed_lines" BIGINT NOT NULL,
    "gone_lines" BIGINT NOT NULL
);

CREATE TABLE "person" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "sealed" BYTEA,
    "key_id" TEXT,
    "password_hash" TEXT NOT NULL,
    "language" TEXT NOT NULL DEFAULT 'fr',
    "partner" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT UNIQUE REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "staff_role" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "email_confirmed_at" TIMESTAMPTZ,
    "has_second_factor" BOOLEAN NOT NULL DEFAULT false,
    "ended_at" TIMESTAMPTZ,
    "company_role" TEXT,
    CONSTRAINT "email_is_lower_case" CHECK (email = lower(email) AND position('@' in email) > 1),
    CONSTRAINT "one_capacity" CHECK (num_nonnulls(partner, subscriber, staff_role) = 1),
    CONSTRAINT "known_role" CHECK (staff_role IN ('steward', 'finance', 'auditor')),
    CONSTRAINT "known_language" CHECK (language IN ('fr', 'en')),
    CONSTRAINT "known_company_role" CHECK (company_role IN ('administrator', 'buyer', 'approver', 'accountant', 'reader')),
    CONSTRAINT "only_partners_have_one" CHECK ((company_role IS NULL) = (partner IS NULL)),
    CONSTRAINT "only_subscribers_are_sealed" CHECK ((sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL OR subscriber IS NOT NULL AND name = ''))
);

CREATE TABLE "session" (
    "token_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "awaits_factor" BOOLEAN NOT NULL DEFAULT false,
    "proved_at" TIMESTAMPTZ,
    "last_seen_at" TIMESTAMPTZ NOT NULL,
    "device" TEXT NOT NULL DEFAULT '',
    "network" TEXT NOT NULL DEFAULT ''
);

CREATE TABLE "api_key" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "label" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "key_hash" TEXT UNIQUE NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "scopes" TEXT NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "replaces" UUID REFERENCES "api_key" ("id") ON DELETE RESTRICT,
    CONSTRAINT "scopes_are_known" CHECK (scopes ~ '^(quotes|orders|bids|downloads)( (quotes|orders|bids|downloads))*$')
);

CREATE TABLE "invitation" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "staff_role" TEXT,
    "company_role" TEXT,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "code_hash" TEXT UNIQUE NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "accepted_at" TIMESTAMPTZ,
    "invited_by" UUID REFERENCES "person" ("id") ON DELETE CASCADE,
    CONSTRAINT "one_capacity" CHECK (num_nonnulls(partner, staff_role) = 1),
    CONSTRAINT "known_role" CHECK (staff_role IN ('steward', 'finance', 'auditor')),
    CONSTRAINT "known_company_role" CHECK (company_role IN ('administrator', 'buyer', 'approver', 'accountant', 'reader')),
    CONSTRAINT "only_partners_have_one" CHECK ((company_role IS NULL) = (partner IS NULL))
);

CREATE TABLE "sign_in_attempt" (
    "id" SERIAL PRIMARY KEY NOT NULL,
    "subject" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);


-- people / messages

CREATE TABLE "message" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "source_id" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "details" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "reported_once" UNIQUE ("kind", "source_id", "audience", "recipient"),
    CONSTRAINT "known_audience" CHECK (audience IN ('partner', 'person', 'line', 'role', 'mailbox', 'address'))
);

CREATE TABLE "message_to_mail" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "message" UUID UNIQUE NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT
);

CREATE TABLE "message_read" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "message" UUID NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT,
    "reader" UUID NOT NULL,
    "read_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "read_once" UNIQUE ("message", "reader")
);


-- people / mail

CREATE TABLE "letter" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "message" UUID NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT,
    "person" UUID,
    "created_at" TIMESTAMPTZ NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "open_hand_overs" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "ended" TEXT,
    "ended_at" TIMESTAMPTZ,
    "answer" TEXT NOT NULL DEFAULT '',
    "printed_at" TIMESTAMPTZ,
    "sealed_to" BYTEA,
    "key_id" TEXT,
    CONSTRAINT "ends_once" CHECK ((ended IS NULL) = (ended_at IS NULL) AND (ended IS NULL) = (next_at IS NOT NULL)),
    CONSTRAINT "known_ending" CHECK (ended IN ('sent', 'refused', 'bounced', 'unknown', 'expired', 'stopped', 'unreachable')),
    CONSTRAINT "counts_are_not_negative" CHECK (attempts >= 0 AND open_hand_overs >= 0)
);

CREATE TABLE "mail_stop" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "stopped_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "stopped_once" UNIQUE ("person", "kind")
);

CREATE TABLE "dead_address" (
    "person" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "fingerprint" TEXT NOT NULL,
    "answer" TEXT NOT NULL,
    "found_at" TIMESTAMPTZ NOT NULL
);


-- people / proposals

CREATE TABLE "proposal" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "amount_minor" BIGINT,
    "reason" TEXT NOT NULL DEFAULT '',
    "document" JSONB NOT NULL,
    "document_sha256" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "reason_says_something" CHECK (reason = '' OR length(btrim(reason)) BETWEEN 3 AND 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);


-- people / sandbox

CREATE TABLE "sandbox_mark" (
    "id" SMALLINT PRIMARY KEY NOT NULL,
    "begun_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_row" CHECK (id = 1)
);

CREATE TABLE "used_pass" (
    "pass_sha256" TEXT PRIMARY KEY NOT NULL,
    "browser_sha256" TEXT NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "digests" CHECK (length(pass_sha256) = 64 AND length(browser_sha256) = 64)
);


-- people / sign in

CREATE TABLE "authenticator" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID UNIQUE NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "sealed" BYTEA NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "confirmed_at" TIMESTAMPTZ,
    "last_step" BIGINT NOT NULL DEFAULT 0,
    "tried_codes" BIGINT NOT NULL DEFAULT 0,
    "tried_at" TIMESTAMPTZ,
    CONSTRAINT "step_is_positive" CHECK (last_step >= 0)
);

CREATE TABLE "passkey" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "credential_id" BYTEA UNIQUE NOT NULL,
    "public_key" BYTEA NOT NULL,
    "sign_count" BIGINT NOT NULL DEFAULT 0,
    "label" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_named" CHECK (length(label) BETWEEN 1 AND 80)
);

CREATE TABLE "passkey_challenge" (
    "session_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "challenge" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "recovery_code" (
    "code_hash" TEXT PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ
);


-- people / sign in

CREATE TABLE "identity_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "linked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "subject_is_named" CHECK (length(subject) BETWEEN 1 AND 255),
    CONSTRAINT "one_person_each" UNIQUE ("issuer", "subject"),
    CONSTRAINT "one_identity_each" UNIQUE ("person", "issuer")
);


-- people / sign in

CREATE TABLE "reset_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ
);

CREATE TABLE "address_change" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "sealed" BYTEA NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "new_confirmed_at" TIMESTAMPTZ,
    "old_confirmed_at" TIMESTAMPTZ,
    "changed_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "new_one_is_confirmed" CHECK (changed_at IS NULL OR new_confirmed_at IS NOT NULL)
);


-- people / spending

CREATE TABLE "spending_limit" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "person" UUID UNIQUE REFERENCES "person" ("id") ON DELETE SET NULL,
    "api_key" UUID UNIQUE REFERENCES "api_key" ("id") ON DELETE RESTRICT,
    "order_minor" BIGINT NOT NULL,
    "month_minor" BIGINT NOT NULL,
    "datasets" TEXT[] NOT NULL,
    "purposes" TEXT[] NOT NULL,
    "approval_minor" BIGINT,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "written_at" TIMESTAMPTZ NOT NULL,
    "revoked_at" TIMESTAMPTZ,
    CONSTRAINT "one_holder_at_most" CHECK (num_nonnulls(person, api_key) <= 1),
    CONSTRAINT "an_order_fits_into_a_month" CHECK (0 < order_minor AND order_minor <= month_minor),
    CONSTRAINT "approval_within_a_month" CHECK (approval_minor BETWEEN 0 AND month_minor)
);

CREATE TABLE "spending_month" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "spending_limit" UUID NOT NULL REFERENCES "spending_limit" ("id") ON DELETE RESTRICT,
    "month" DATE NOT NULL,
    "spent_minor" BIGINT NOT NULL,
    "ceiling_minor" BIGINT NOT NULL,
    CONSTRAINT "once_a_month" UNIQUE ("spending_limit", "month"),
    CONSTRAINT "within_the_ceiling" CHECK (spent_minor BETWEEN 0 AND ceiling_minor)
);

CREATE TABLE "spending" (
    "subject" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "person" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "api_key" UUID REFERENCES "api_key" ("id") ON DELETE RESTRICT,
    "approved_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "spending_limit" UUID REFERENCES "spending_limit" ("id") ON DELETE RESTRICT,
    "month" DATE NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "bids" UUID,
    "returned_at" TIMESTAMPTZ,
    "closed_at" TIMESTAMPTZ,
    CONSTRAINT "amount_is_not_negative" CHECK (amount_minor >= 0),
    CONSTRAINT "one_spender_at_most" CHECK (num_nonnulls(person, api_key) <= 1),
    CONSTRAINT "only_bids_close" CHECK (closed_at IS NULL OR auction IS NOT NULL),
    CONSTRAINT "bids_or_an_order" CHECK (auction IS NULL OR bids IS NULL)
);


-- consent / purposes

CREATE TABLE "purpose" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "category" TEXT NOT NULL,
    "use" TEXT NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "dpv" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "one_code_each" UNIQUE ("category", "use"),
    CONSTRAINT "code_is_composed" CHECK (code = category || '.' || use),
    CONSTRAINT "dpv_is_a_name" CHECK (dpv ~ '^[A-Za-z]*$')
);

CREATE TABLE "notice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "version" INTEGER NOT NULL,
    "text_fr" TEXT NOT NULL,
    "text_en" TEXT NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL,
    "asks_anew" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT "one_text_a_version" UNIQUE ("purpose", "version"),
    CONSTRAINT "version_is_positive" CHECK (version > 0)
);

CREATE TABLE "line_kind" (
    "subscriber" BIGINT PRIMARY KEY NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('child', 'business', 'shared'))
);

CREATE TABLE "consent_record" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "purpose" TEXT NOT NULL,
    "notice" UUID NOT NULL,
    "given" BOOLEAN NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "receipt" UUID UNIQUE NOT NULL,
    "channel" TEXT NOT NULL,
    "covers" TEXT,
    CONSTRAINT "known_channel" CHECK (channel IN ('partage', 'app', 'site', 'shop', 'call_centre', 'letter', 'contract'))
);


-- consent / switches

CREATE TABLE "partner_sector" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "sector" TEXT NOT NULL,
    "stated_by" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "consent_pause" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "paused_at" TIMESTAMPTZ NOT NULL,
    "resumed_at" TIMESTAMPTZ,
    "resumed_by" UUID UNIQUE
);


-- money / credit

CREATE TABLE "credit_sale" (
    "subject" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "number" TEXT UNIQUE NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "paid_minor" BIGINT NOT NULL DEFAULT 0,
    "written_off_minor" BIGINT NOT NULL DEFAULT 0,
    "provision_minor" BIGINT NOT NULL DEFAULT 0,
    "granted_at" TIMESTAMPTZ NOT NULL,
    "due_at" TIMESTAMPTZ NOT NULL,
    "reminders" INTEGER NOT NULL DEFAULT 0,
    "suspended_at" TIMESTAMPTZ,
    "settled_at" TIMESTAMPTZ,
    CONSTRAINT "amounts_are_parts" CHECK (total_minor > 0 AND returned_minor BETWEEN 0 AND total_minor AND paid_minor BETWEEN 0 AND total_minor),
    CONSTRAINT "written_down_is_owed" CHECK (written_off_minor >= 0 AND provision_minor >= 0 AND written_off_minor + provision_minor <= greatest(total_minor - returned_minor - paid_minor, 0)),
    CONSTRAINT "due_later" CHECK (granted_at < due_at),
    CONSTRAINT "settled_owes_nothing" CHECK ((settled_at IS NULL) = (total_minor - returned_minor - paid_minor > 0)),
    CONSTRAINT "suspended_owes" CHECK (suspended_at IS NULL OR settled_at IS NULL)
);

CREATE TABLE "credit_movement" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sale" UUID NOT NULL REFERENCES "credit_sale" ("subject") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_movement" CHECK (kind IN ('payment', 'return', 'provision', 'provision_released', 'loss', 'loss_undone')),
    CONSTRAINT "moves_something" CHECK (amount_minor > 0 OR kind = 'payment' AND amount_minor <> 0)
);


-- money / ledger

CREATE TABLE "account" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    CONSTRAINT "code_is_digits" CHECK (code ~ '^[1-8][0-9]{2,7}$')
);

CREATE TABLE "journal_entry" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "source_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "recorded_at" TIMESTAMPTZ NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "text" TEXT NOT NULL,
    "reverses" BIGINT UNIQUE REFERENCES "journal_entry" ("id") ON DELETE RESTRICT,
    CONSTRAINT "recorded_once" UNIQUE ("kind", "source_id")
);

CREATE TABLE "posting" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "entry" BIGINT NOT NULL REFERENCES "journal_entry" ("id") ON DELETE RESTRICT,
    "debit" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "credit" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "two_accounts" CHECK (debit <> credit)
);

CREATE TABLE "period" (
    "month" DATE PRIMARY KEY NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "closed_at" TIMESTAMPTZ NOT NULL,
    "closed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "checks" JSONB NOT NULL,
    CONSTRAINT "is_a_month" CHECK (extract(day FROM month) = 1 AND starts_at < ends_at AND ends_at <= closed_at)
);

CREATE TABLE "period_balance" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "month" DATE NOT NULL REFERENCES "period" ("month") ON DELETE RESTRICT,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "debit_minor" BIGINT NOT NULL,
    "credit_minor" BIGINT NOT NULL,
    CONSTRAINT "one_sum_an_account" UNIQUE ("month", "account"),
    CONSTRAINT "sums_are_not_negative" CHECK (debit_minor >= 0 AND credit_minor >= 0)
);

CREATE TABLE "day_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "day" DATE NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "debit_minor" BIGINT NOT NULL,
    "credit_minor" BIGINT NOT NULL,
    CONSTRAINT "sums_are_not_negative" CHECK (debit_minor >= 0 AND credit_minor >= 0)
);

CREATE TABLE "unsummed_entry" (
    "entry" BIGINT PRIMARY KEY NOT NULL
);


-- money / payments

CREATE TABLE "payer" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "customer_id" TEXT UNIQUE,
    "asked_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "payment" (
    "subject" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "payer" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "capture" TEXT NOT NULL DEFAULT 'automatic',
    "state" TEXT NOT NULL DEFAULT 'requested',
    "session_id" TEXT UNIQUE,
    "checkout_url" TEXT,
    "payment_intent_id" TEXT UNIQUE,
    "charge_id" TEXT UNIQUE,
    "method" TEXT,
    "transfer" JSONB,
    "declined" TEXT,
    "received_minor" BIGINT NOT NULL DEFAULT 0,
    "refunded_minor" BIGINT NOT NULL DEFAULT 0,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "capture_before" TIMESTAMPTZ,
    "paid_at" TIMESTAMPTZ,
    "read_at" TIMESTAMPTZ,
    "reading" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "known_capture" CHECK (capture IN ('automatic', 'manual')),
    CONSTRAINT "known_state" CHECK (state IN ('requested', 'open', 'processing', 'failed', 'expired', 'authorised', 'released', 'paid', 'refunded')),
    CONSTRAINT "never_receives_more" CHECK (received_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT "never_refunds_more" CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT "paid_at_an_instant" CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL))
);

CREATE TABLE "saved_method" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "payer" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "state" TEXT NOT NULL DEFAULT 'requested',
    "session_id" TEXT UNIQUE,
    "url" TEXT,
    "method_id" TEXT UNIQUE,
    "kind" TEXT,
    "brand" TEXT,
    "last_four" TEXT,
    "ends_on" DATE,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "saved_at" TIMESTAMPTZ,
    "reading" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "known_state" CHECK (state IN ('requested', 'open', 'saved', 'expired', 'failed', 'forgotten')),
    CONSTRAINT "saved_is_known" CHECK (state NOT IN ('saved', 'forgotten') OR (method_id IS NOT NULL AND saved_at IS NOT NULL))
);

CREATE TABLE "stripe_command" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "verb" TEXT NOT NULL,
    "subject" UUID NOT NULL,
    "parameters" JSONB NOT NULL,
    "amount_minor" BIGINT,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "first_tried_at" TIMESTAMPTZ,
    "object_id" TEXT,
    "error" TEXT,
    "settled_by" TEXT,
    "settled_reason" TEXT,
    "settled_at" TIMESTAMPTZ,
    CONSTRAINT "known_verb" CHECK (verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget', 'account', 'transfer', 'close_account')),
    CONSTRAINT "known_state" CHECK (state IN ('pending', 'done', 'failed')),
    CONSTRAINT "given_up_with_a_reason" CHECK ((settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (settled_reason IS NULL) AND (settled_at IS NULL OR state = 'failed'))
);

CREATE TABLE "stripe_event" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "type" TEXT NOT NULL,
    "payload" TEXT NOT NULL,
    "came_by" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "webhook_at" TIMESTAMPTZ,
    "lost_at" TIMESTAMPTZ,
    "handled_at" TIMESTAMPTZ,
    "error" TEXT,
    CONSTRAINT "known_way" CHECK (came_by IN ('webhook', 'sweep'))
);

CREATE TABLE "dispute" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "payment_subject" UUID,
    "charge_id" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "reason" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "opened_at" TIMESTAMPTZ NOT NULL,
    "due_at" TIMESTAMPTZ,
    "closed_at" TIMESTAMPTZ,
    "reading" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "known_state" CHECK (state IN ('asked', 'open', 'won', 'lost'))
);

CREATE TABLE "stripe_cursor" (
    "list" TEXT PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_list" CHECK (list IN ('events', 'balance_transactions'))
);

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
    "available_on" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "adds_up" CHECK (net_minor = amount_minor - fee_minor),
    CONSTRAINT "known_status" CHECK (status IN ('pending', 'available'))
);


-- datasets / geography

CREATE TABLE "address_load" (
    "number" INTEGER PRIMARY KEY NOT NULL,
    "sha256" TEXT NOT NULL,
    "address_count" INTEGER NOT NULL,
    "loaded_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "has_addresses" CHECK (number > 0 AND address_count > 0)
);

CREATE TABLE "address" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "load" BIGINT NOT NULL,
    "key" BIGINT NOT NULL,
    "town" BIGINT NOT NULL,
    "latitude_micro" BIGINT NOT NULL,
    "longitude_micro" BIGINT NOT NULL,
    CONSTRAINT "each_once" UNIQUE ("load", "key", "town"),
    CONSTRAINT "is_on_earth" CHECK (abs(latitude_micro) <= 90000000 AND abs(longitude_micro) <= 180000000)
);

CREATE TABLE "address_town" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "load" BIGINT NOT NULL,
    "town" BIGINT NOT NULL,
    "postcode" TEXT NOT NULL,
    CONSTRAINT "postcode_once" UNIQUE ("load", "town", "postcode"),
    CONSTRAINT "is_postcode" CHECK (postcode ~ '^[0-9]{1,5}$')
);


-- datasets / geography

CREATE TABLE "map_layer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "shape_count" INTEGER NOT NULL,
    "corner_count" INTEGER NOT NULL,
    "added_by" TEXT NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "removed_by" TEXT NOT NULL DEFAULT '',
    "removed_at" TIMESTAMPTZ,
    CONSTRAINT "known_kind" CHECK (kind IN ('water', 'road', 'outline', 'place')),
    CONSTRAINT "has_a_title" CHECK (length(title) BETWEEN 1 AND 80),
    CONSTRAINT "has_shapes" CHECK (shape_count > 0 AND corner_count > 0),
    CONSTRAINT "is_removed_by_somebody" CHECK ((removed_at IS NULL) = (removed_by = ''))
);


-- datasets / geography

CREATE TABLE "zone_table" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "document" TEXT NOT NULL,
    "sha256" TEXT NOT NULL,
    "zone_count" INTEGER NOT NULL,
    "defined_by" TEXT NOT NULL,
    "defined_at" TIMESTAMPTZ NOT NULL,
    "title_fr" TEXT NOT NULL DEFAULT '',
    "title_en" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "code_is_a_slug" CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT "document_is_the_one_named" CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    CONSTRAINT "has_zones" CHECK (zone_count > 0)
);


-- datasets / releases

CREATE TABLE "dataset" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "description_fr" TEXT NOT NULL,
    "description_en" TEXT NOT NULL,
    "area" TEXT NOT NULL,
    "zone_table" TEXT REFERENCES "zone_table" ("code") ON DELETE RESTRICT,
    "zones" TEXT[] NOT NULL DEFAULT '{}',
    "age_bands" TEXT[] NOT NULL DEFAULT '{}',
    "h3_resolution" INTEGER NOT NULL,
    "grain" TEXT NOT NULL,
    "max_cells" INTEGER NOT NULL,
    "max_events" INTEGER NOT NULL,
    "unit" TEXT NOT NULL DEFAULT 'release',
    "mechanism" TEXT NOT NULL DEFAULT 'laplace',
    "delta_exponent" INTEGER NOT NULL DEFAULT 0,
    "max_zones" INTEGER NOT NULL DEFAULT 0,
    "parent_resolution" INTEGER NOT NULL DEFAULT 0,
    "product" TEXT NOT NULL DEFAULT 'presence',
    "edition_multiples" INTEGER[] NOT NULL DEFAULT '{}',
    "epsilon_micro" BIGINT NOT NULL,
    "budget_micro" BIGINT NOT NULL,
    "spent_micro" BIGINT NOT NULL DEFAULT 0,
    "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    "cadence" TEXT NOT NULL DEFAULT '',
    "sectors" TEXT[] NOT NULL DEFAULT '{}',
    "variant_of" TEXT REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "code_is_a_slug" CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT "known_grain" CHECK (grain IN ('hour', 'day', 'week')),
    CONSTRAINT "h3_has_sixteen_resolutions" CHECK (h3_resolution BETWEEN 0 AND 15),
    CONSTRAINT "bounds_are_positive" CHECK (max_cells > 0 AND max_events > 0),
    CONSTRAINT "epsilon_is_positive" CHECK (epsilon_micro > 0),
    CONSTRAINT "known_cadence" CHECK (cadence IN ('', 'day', 'week', 'month')),
    CONSTRAINT "never_overspends" CHECK (spent_micro BETWEEN 0 AND budget_micro),
    CONSTRAINT "known_unit" CHECK (unit IN ('release', 'day')),
    CONSTRAINT "known_mechanism" CHECK (mechanism IN ('laplace', 'gaussian')),
    CONSTRAINT "delta_is_the_gaussians" CHECK ((mechanism = 'gaussian' AND delta_exponent BETWEEN 5 AND 15) OR (mechanism = 'laplace' AND delta_exponent = 0)),
    CONSTRAINT "totals_count_some_zones" CHECK (max_zones BETWEEN 0 AND 100),
    CONSTRAINT "parents_are_coarser" CHECK (parent_resolution BETWEEN 0 AND h3_resolution - 1 OR parent_resolution = 0),
    CONSTRAINT "editions_are_coarser" CHECK (1 < ALL (edition_multiples))
);

CREATE TABLE "release" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "period_from" TIMESTAMPTZ NOT NULL,
    "period_to" TIMESTAMPTZ NOT NULL,
    "specification" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'spent',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "note_fr" TEXT NOT NULL DEFAULT '',
    "note_en" TEXT NOT NULL DEFAULT '',
    "schema_version" INTEGER NOT NULL DEFAULT 1,
    "method_version" INTEGER NOT NULL DEFAULT 1,
    "expansion_micro" BIGINT,
    "started_at" TIMESTAMPTZ NOT NULL,
    "last_consent_record" BIGINT NOT NULL DEFAULT 0,
    "sealed_at" TIMESTAMPTZ,
    "sealed_by" TEXT NOT NULL DEFAULT '',
    "epsilon_micro" BIGINT NOT NULL,
    "delta_exponent" INTEGER NOT NULL DEFAULT 0,
    "rho_nano" BIGINT NOT NULL DEFAULT 0,
    "sampler" TEXT NOT NULL DEFAULT '',
    "threshold" INTEGER NOT NULL DEFAULT 0,
    "noise_variance_micro" BIGINT NOT NULL DEFAULT 0,
    "mean_error_micro" BIGINT NOT NULL DEFAULT 0,
    "error_people" BIGINT NOT NULL DEFAULT 0,
    "error_events" BIGINT NOT NULL DEFAULT 0,
    "total_error_micro" BIGINT NOT NULL DEFAULT 0,
    "r_indicator_micro" BIGINT,
    "key_count" BIGINT NOT NULL DEFAULT 0,
    "row_count" BIGINT NOT NULL DEFAULT 0,
    "hours_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_zone" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_figure" BYTEA NOT NULL DEFAULT '',
    "published_people" BIGINT NOT NULL DEFAULT 0,
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
    "inputs" TEXT NOT NULL DEFAULT '',
    "refusal" TEXT,
    CONSTRAINT "one_release_a_period" UNIQUE ("dataset", "period_from", "period_to", "specification"),
    CONSTRAINT "period_is_not_empty" CHECK (period_from < period_to),
    CONSTRAINT "known_state" CHECK (state IN ('spent', 'noised', 'assessed', 'sealed', 'refused', 'blocked', 'lapsed')),
    CONSTRAINT "sealed_says_who_drew" CHECK (sealed_at IS NULL OR sampler IN ('opendp', 'table')),
    CONSTRAINT "sealed_at_an_instant" CHECK ((state = 'sealed') = (sealed_at IS NOT NULL)),
    CONSTRAINT "published_people_are_not_negative" CHECK (published_people >= 0)
);

CREATE TABLE "release_notice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "notice" UUID NOT NULL REFERENCES "notice" ("id") ON DELETE RESTRICT,
    CONSTRAINT "named_once" UNIQUE ("release", "notice")
);

CREATE TABLE "privacy_year" (
    "year" INTEGER PRIMARY KEY NOT NULL,
    "rho_nano" BIGINT NOT NULL DEFAULT 0,
    "gaussian_rho_nano" BIGINT NOT NULL DEFAULT 0,
    "pure_micro" BIGINT NOT NULL DEFAULT 0,
    "spent_micro" BIGINT NOT NULL DEFAULT 0,
    "budget_micro" BIGINT NOT NULL,
    CONSTRAINT "never_overspends" CHECK (spent_micro BETWEEN 0 AND budget_micro)
);

CREATE TABLE "privacy_spend" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "release" UUID REFERENCES "release" ("id") ON DELETE RESTRICT,
    "call" UUID UNIQUE,
    "called_at" TIMESTAMPTZ,
    "year" INTEGER NOT NULL REFERENCES "privacy_year" ("year") ON DELETE RESTRICT,
    "units" INTEGER NOT NULL,
    "rho_nano" BIGINT NOT NULL,
    "epsilon_micro" BIGINT NOT NULL,
    "is_pure" BOOLEAN NOT NULL,
    CONSTRAINT "once_a_year" UNIQUE ("release", "year"),
    CONSTRAINT "of_one_thing" CHECK ((release IS NULL) = (call IS NOT NULL) AND (call IS NULL) = (called_at IS NULL)),
    CONSTRAINT "costs_something" CHECK (units > 0 AND rho_nano > 0 AND epsilon_micro > 0)
);

CREATE TABLE "coverage" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "population" BIGINT NOT NULL,
    "consenting" BIGINT NOT NULL,
    CONSTRAINT "published_once" UNIQUE ("release", "kind", "name"),
    CONSTRAINT "known_kind" CHECK (kind IN ('area', 'band')),
    CONSTRAINT "consents_of_the_population" CHECK (consenting BETWEEN 0 AND population)
);

CREATE TABLE "dossier" (
    "release" UUID PRIMARY KEY NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "document" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "passed" BOOLEAN NOT NULL,
    "reasons" TEXT[] NOT NULL DEFAULT '{}',
    "assessed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "fails_for_a_reason" CHECK (passed = (cardinality(reasons) = 0))
);

CREATE TABLE "edition" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "level" INTEGER NOT NULL,
    "variance_multiple" INTEGER NOT NULL,
    "noise_variance_micro" BIGINT NOT NULL,
    "threshold" INTEGER NOT NULL,
    "row_count" BIGINT NOT NULL,
    "hours_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_zone" BIGINT[] NOT NULL DEFAULT '{}',
    "published_by_figure" BYTEA NOT NULL DEFAULT '',
    "error_people" BIGINT NOT NULL,
    "cells_sha256" TEXT NOT NULL,
    CONSTRAINT "one_a_level" UNIQUE ("release", "level"),
    CONSTRAINT "is_coarser" CHECK (level > 0 AND variance_multiple > 1 AND noise_variance_micro > 0)
);

CREATE TABLE "revocation" (
    "release" UUID PRIMARY KEY NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "reason_fr" TEXT NOT NULL,
    "reason_en" TEXT NOT NULL,
    "revoked_by" TEXT NOT NULL,
    "revoked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "says_why" CHECK (reason_fr <> '' AND reason_en <> '')
);

CREATE TABLE "contributor_term" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "promised_minor" BIGINT NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "interval_is_not_empty" CHECK (starts_at < ends_at),
    CONSTRAINT "promise_is_not_negative" CHECK (promised_minor >= 0)
);

CREATE TABLE "contributor_promise" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "term" UUID NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "minimum_micro" BIGINT NOT NULL,
    CONSTRAINT "one_promise_a_term" UNIQUE ("term", "subscriber"),
    CONSTRAINT "promises_something" CHECK (minimum_micro > 0)
);

CREATE TABLE "build_request" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "period_from" TIMESTAMPTZ NOT NULL,
    "period_to" TIMESTAMPTZ NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "note_fr" TEXT NOT NULL DEFAULT '',
    "note_en" TEXT NOT NULL DEFAULT '',
    "publish" BOOLEAN NOT NULL DEFAULT false,
    "asked_by" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "started_at" TIMESTAMPTZ,
    "step" TEXT NOT NULL DEFAULT '',
    "share_micro" INTEGER NOT NULL DEFAULT 0,
    "ended_at" TIMESTAMPTZ,
    "release" UUID REFERENCES "release" ("id") ON DELETE RESTRICT,
    "refusal" TEXT,
    CONSTRAINT "period_is_not_empty" CHECK (period_from < period_to),
    CONSTRAINT "ends_with_an_answer" CHECK ((ended_at IS NOT NULL) = (release IS NOT NULL OR refusal IS NOT NULL)),
    CONSTRAINT "revisions_count_from_one" CHECK (revision > 0),
    CONSTRAINT "share_is_a_share" CHECK (share_micro BETWEEN 0 AND 1000000)
);

CREATE TABLE "dataset_change" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT
);


-- datasets / retractions

CREATE TABLE "retraction" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "subscriber" BIGINT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "reason" TEXT NOT NULL,
    "asked_by" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "done_at" TIMESTAMPTZ,
    CONSTRAINT "interval_is_not_empty" CHECK (starts_at < ends_at),
    CONSTRAINT "says_why" CHECK (reason <> '' AND asked_by <> '')
);


-- catalogue / chosen zones

CREATE TABLE "kept_zones" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "zones" TEXT NOT NULL,
    "kept_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "kept_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "has_a_name" CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT "is_short" CHECK (length(zones) BETWEEN 1 AND 100000)
);

CREATE TABLE "zone_preview" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "zone_count" INTEGER NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "question" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "asks_for_zones" CHECK (zone_count > 0)
);


-- catalogue / sheets

CREATE TABLE "price_sheet" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "product" TEXT NOT NULL,
    "grain" TEXT NOT NULL,
    "zone_table" TEXT REFERENCES "zone_table" ("code") ON DELETE RESTRICT,
    "h3_resolution" INTEGER NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "code_is_a_slug" CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$')
);

CREATE TABLE "sheet_version" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sheet" TEXT NOT NULL REFERENCES "price_sheet" ("code") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "document" TEXT NOT NULL,
    "sha256" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "groups" TEXT[] NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "stated_by" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "numbered_once" UNIQUE ("sheet", "number"),
    CONSTRAINT "document_is_the_one_named" CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    CONSTRAINT "starts_when_stated_or_later" CHECK (stated_at <= starts_at)
);

CREATE TABLE "volume_law" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "starts_minor" BIGINT[] NOT NULL,
    "rates_basis_points" INTEGER[] NOT NULL,
    "least_minor" BIGINT NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "stated_by" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_at_an_instant" UNIQUE ("currency", "starts_at"),
    CONSTRAINT "each_start_has_a_rate" CHECK (cardinality(starts_minor) = cardinality(rates_basis_points)),
    CONSTRAINT "charges_something" CHECK (least_minor > 0)
);

CREATE TABLE "least_kept" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "least_minor" BIGINT NOT NULL,
    "until" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "charges_something" CHECK (least_minor > 0)
);

CREATE TABLE "release_points" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "version" UUID NOT NULL REFERENCES "sheet_version" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "level" INTEGER NOT NULL,
    "spans" TEXT NOT NULL,
    "stages" BIGINT[] NOT NULL,
    CONSTRAINT "counted_once" UNIQUE ("version", "release", "level"),
    CONSTRAINT "five_stages" CHECK (cardinality(stages) = 5)
);


-- catalogue / offers

CREATE TABLE "licence_terms" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "lines_fr" TEXT NOT NULL,
    "lines_en" TEXT NOT NULL,
    "months" INTEGER NOT NULL,
    "usage_right" TEXT NOT NULL,
    "purposes" TEXT[] NOT NULL DEFAULT '{}',
    "countries" TEXT[] NOT NULL DEFAULT '{}',
    CONSTRAINT "lasts_a_while" CHECK (months BETWEEN 1 AND 120),
    CONSTRAINT "known_right" CHECK (usage_right IN ('internal', 'publish', 'resell'))
);

CREATE TABLE "intended_use" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "usage_right" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_word_each" UNIQUE ("partner", "terms"),
    CONSTRAINT "known_right" CHECK (usage_right IN ('internal', 'publish', 'resell'))
);

CREATE TABLE "offer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT UNIQUE NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "sheet" TEXT NOT NULL REFERENCES "price_sheet" ("code") ON DELETE RESTRICT,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "listed_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ
);

CREATE TABLE "exclusive_window" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "partner" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "window_is_not_empty" CHECK (starts_at < ends_at)
);

CREATE TABLE "demand_draw" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sheet" TEXT NOT NULL REFERENCES "price_sheet" ("code") ON DELETE RESTRICT,
    "day" DATE NOT NULL,
    "demand_basis_points" INTEGER NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL,
    "sales" INTEGER NOT NULL DEFAULT 0,
    "days" INTEGER NOT NULL DEFAULT 0,
    "bids" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "one_a_day" UNIQUE ("sheet", "day"),
    CONSTRAINT "draw_is_positive" CHECK (demand_basis_points > 0),
    CONSTRAINT "sources_are_counted" CHECK (least(sales, days, bids) >= 0)
);

CREATE TABLE "quote" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "level" INTEGER NOT NULL DEFAULT 0,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "months" INTEGER NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "document" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "quoted_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "auction" UUID,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "levels_count_from_the_finest" CHECK (level >= 0),
    CONSTRAINT "lasts_a_while" CHECK (months BETWEEN 1 AND 120),
    CONSTRAINT "expires_later" CHECK (quoted_at < expires_at)
);

CREATE TABLE "quote_acceptance" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "accepted_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "posted_sale" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "sold_at" TIMESTAMPTZ NOT NULL,
    "neutral_minor" BIGINT NOT NULL,
    "returned_at" TIMESTAMPTZ,
    "credit_sale" UUID REFERENCES "credit_sale" ("subject") ON DELETE RESTRICT,
    CONSTRAINT "price_is_not_negative" CHECK (neutral_minor >= 0)
);

CREATE TABLE "observed_bid" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "auction" UUID NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "value_basis_points" BIGINT NOT NULL,
    "reserve_basis_points" BIGINT NOT NULL,
    "observed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_a_bidder" UNIQUE ("auction", "partner"),
    CONSTRAINT "values_are_not_negative" CHECK (least(value_basis_points, reserve_basis_points) >= 0)
);


-- catalogue / requests

CREATE TABLE "data_request" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "digest" TEXT NOT NULL,
    "place" TEXT NOT NULL,
    "product" TEXT NOT NULL,
    "grain" TEXT NOT NULL,
    "starts_on" DATE NOT NULL,
    "ends_on" DATE NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "dataset" TEXT REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "reason_fr" TEXT NOT NULL DEFAULT '',
    "reason_en" TEXT NOT NULL DEFAULT '',
    "answered_by" TEXT NOT NULL DEFAULT '',
    "answered_at" TIMESTAMPTZ,
    CONSTRAINT "place_is_bounded" CHECK (length(place) BETWEEN 1 AND 4000),
    CONSTRAINT "period_is_not_empty" CHECK (starts_on <= ends_on),
    CONSTRAINT "known_grain" CHECK (grain IN ('hour', 'day', 'week')),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'offered', 'call', 'refused')),
    CONSTRAINT "answered_whole" CHECK ((state = 'open') = (answered_at IS NULL)),
    CONSTRAINT "answer_names_a_dataset" CHECK ((state IN ('offered', 'call')) = (dataset IS NOT NULL)),
    CONSTRAINT "refusal_says_why" CHECK (state <> 'refused' OR (reason_fr <> '' AND reason_en <> ''))
);

CREATE TABLE "data_request_partner" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "data_request" UUID NOT NULL REFERENCES "data_request" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "place" TEXT NOT NULL,
    "most_minor" BIGINT NOT NULL,
    "text" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "most_is_positive" CHECK (most_minor BETWEEN 1 AND 100000000000),
    CONSTRAINT "text_is_bounded" CHECK (length(text) <= 2000),
    CONSTRAINT "once_each" UNIQUE ("data_request", "partner")
);


-- catalogue / search

CREATE TABLE "search_card" (
    "dataset" TEXT PRIMARY KEY NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "is_listed" BOOLEAN NOT NULL DEFAULT false,
    "words" TSVECTOR NOT NULL DEFAULT '',
    "area" TEXT NOT NULL DEFAULT '',
    "indicator" TEXT NOT NULL DEFAULT '',
    "zones" TEXT NOT NULL DEFAULT '',
    "grain" TEXT NOT NULL DEFAULT '',
    "cadence" TEXT NOT NULL DEFAULT '',
    "price" TEXT NOT NULL DEFAULT '',
    "coverage" TEXT NOT NULL DEFAULT '',
    "latest" TEXT NOT NULL DEFAULT '',
    "price_minor" BIGINT,
    "coverage_basis_points" INTEGER NOT NULL DEFAULT 0,
    "period_to" TIMESTAMPTZ,
    "version" BIGINT NOT NULL,
    "looked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "price_is_positive" CHECK (price_minor > 0),
    CONSTRAINT "coverage_is_a_share" CHECK (coverage_basis_points BETWEEN 0 AND 10000)
);

CREATE TABLE "search_trigram" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "word" TEXT NOT NULL,
    "trigram" TEXT NOT NULL,
    CONSTRAINT "trigram_once" UNIQUE ("word", "trigram")
);

CREATE TABLE "saved_search" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    "query" TEXT NOT NULL,
    "saved_at" TIMESTAMPTZ NOT NULL,
    "looked_at" TIMESTAMPTZ NOT NULL,
    "written_at" TIMESTAMPTZ,
    CONSTRAINT "name_is_bounded" CHECK (length(name) BETWEEN 1 AND 200 AND length(query) <= 4000)
);

CREATE TABLE "search_match" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "saved_search" UUID NOT NULL REFERENCES "saved_search" ("id") ON DELETE CASCADE,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "matched_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "once" UNIQUE ("saved_search", "release")
);


-- sales / agreed

CREATE TABLE "private_offer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "basis_points" INTEGER NOT NULL,
    "operator_basis_points" INTEGER NOT NULL,
    "months" INTEGER[] NOT NULL DEFAULT '{}',
    "made_by" TEXT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ,
    CONSTRAINT "half_at_least" CHECK (basis_points BETWEEN 5000 AND 9900),
    CONSTRAINT "operator_bears_it" CHECK (10000 - basis_points <= operator_basis_points),
    CONSTRAINT "ends_later" CHECK (made_at < ends_at)
);

CREATE TABLE "private_quote" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "private_offer" UUID NOT NULL REFERENCES "private_offer" ("id") ON DELETE RESTRICT
);


-- sales / auctions

CREATE TABLE "reverse_auction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "opens_at" TIMESTAMPTZ NOT NULL,
    "closes_at" TIMESTAMPTZ NOT NULL,
    "promise_from" TIMESTAMPTZ NOT NULL,
    "promise_to" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL,
    "announced_by" TEXT NOT NULL,
    "announced_at" TIMESTAMPTZ NOT NULL,
    "awarded_at" TIMESTAMPTZ,
    CONSTRAINT "known_state" CHECK (state IN ('open', 'awarded')),
    CONSTRAINT "opens_before_it_closes" CHECK (opens_at < closes_at AND closes_at <= promise_from AND promise_from < promise_to),
    CONSTRAINT "awarded_at_an_instant" CHECK ((state = 'awarded') = (awarded_at IS NOT NULL))
);

CREATE TABLE "reverse_auction_stratum" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "reverse_auction" ("id") ON DELETE RESTRICT,
    "position" INTEGER NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "age_bands" TEXT[] NOT NULL DEFAULT '{}',
    "wanted" INTEGER NOT NULL,
    "budget_micro" BIGINT NOT NULL,
    "reserve_micro" BIGINT NOT NULL,
    "answered_about" BIGINT NOT NULL DEFAULT 0,
    "winners_about" BIGINT,
    "winners" INTEGER,
    "price_micro" BIGINT,
    CONSTRAINT "one_position_a_stratum" UNIQUE ("auction", "position"),
    CONSTRAINT "wants_someone" CHECK (wanted > 0 AND budget_micro > 0 AND reserve_micro > 0),
    CONSTRAINT "never_over_budget" CHECK (coalesce(winners, 0) * coalesce(price_micro, 0) <= budget_micro AND winners <= wanted)
);

CREATE TABLE "reverse_auction_ask" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "stratum" UUID NOT NULL REFERENCES "reverse_auction_stratum" ("id") ON DELETE RESTRICT,
    "auction" UUID NOT NULL REFERENCES "reverse_auction" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "sealed" BYTEA NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ,
    CONSTRAINT "one_ask_a_subscriber" UNIQUE ("auction", "subscriber")
);

CREATE TABLE "reverse_auction_outcome" (
    "ask" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "reason" TEXT NOT NULL,
    CONSTRAINT "says_why" CHECK (reason <> '')
);


-- sales / orders

CREATE TABLE "purchase_order" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "number" TEXT UNIQUE NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "vat_basis_points" INTEGER NOT NULL,
    "vat_rule" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'awaiting_payment',
    "ordered_at" TIMESTAMPTZ NOT NULL,
    "paid_at" TIMESTAMPTZ,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "charged_back_minor" BIGINT NOT NULL DEFAULT 0,
    "refund_requested_at" TIMESTAMPTZ,
    "refund_requested_by" TEXT,
    "reference" TEXT NOT NULL DEFAULT '',
    "second_reason" TEXT NOT NULL DEFAULT '',
    "may_repeat" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT "adds_up" CHECK (total_minor = net_minor + vat_minor AND net_minor > 0 AND vat_minor >= 0),
    CONSTRAINT "known_rule" CHECK (vat_rule IN ('domestic', 'overseas', 'overseas_exempt', 'reverse_charge', 'unverified', 'outside_eu')),
    CONSTRAINT "known_state" CHECK (state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded', 'charged_back')),
    CONSTRAINT "paid_at_an_instant" CHECK ((state IN ('paid', 'refunded', 'charged_back')) = (paid_at IS NOT NULL)),
    CONSTRAINT "no_more_is_returned_than_was_paid" CHECK (least(returned_minor, charged_back_minor) >= 0 AND returned_minor + charged_back_minor <= total_minor),
    CONSTRAINT "texts_are_bounded" CHECK (length(reference) <= 60 AND length(second_reason) <= 500),
    CONSTRAINT "a_reason_allows_another" CHECK (second_reason = '' OR may_repeat),
    CONSTRAINT "gone_whole" CHECK ((state IN ('refunded', 'charged_back')) = (returned_minor + charged_back_minor = total_minor))
);

CREATE TABLE "order_lot" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "position" INTEGER NOT NULL,
    CONSTRAINT "one_lot_a_place" UNIQUE ("purchase_order", "position"),
    CONSTRAINT "positions_count_from_one" CHECK (position > 0)
);

CREATE TABLE "licence" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "quote" UUID UNIQUE NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "posted_minor" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "subscribers_basis_points" INTEGER NOT NULL,
    "operator_basis_points" INTEGER NOT NULL,
    "sold_at" TIMESTAMPTZ NOT NULL,
    "hold_until" TIMESTAMPTZ NOT NULL,
    "cancelled_at" TIMESTAMPTZ,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "contested_at" TIMESTAMPTZ,
    "claimed_at" TIMESTAMPTZ,
    CONSTRAINT "returns_are_of_it" CHECK (returned_minor BETWEEN 0 AND net_minor),
    CONSTRAINT "rates_are_shares" CHECK (subscribers_basis_points >= 0 AND operator_basis_points >= 0 AND subscribers_basis_points + operator_basis_points <= 10000),
    CONSTRAINT "nobody_pays_more_than_posted" CHECK (net_minor BETWEEN 1 AND posted_minor),
    CONSTRAINT "a_claim_contests" CHECK (claimed_at IS NULL OR contested_at IS NOT NULL)
);

CREATE TABLE "entitlement" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "licence" UUID UNIQUE NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "revoked_at" TIMESTAMPTZ,
    "suspended_at" TIMESTAMPTZ,
    CONSTRAINT "interval_is_not_empty" CHECK (starts_at < ends_at)
);

CREATE TABLE "order_return" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "dispute" TEXT UNIQUE REFERENCES "dispute" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "lots_minor" BIGINT[] NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('refund', 'dispute', 'failure') AND (kind = 'dispute') = (dispute IS NOT NULL)),
    CONSTRAINT "adds_up" CHECK (total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0)
);

CREATE TABLE "number_series" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "last" BIGINT NOT NULL,
    "last_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "counts_from_one" CHECK (last > 0)
);

CREATE TABLE "billing_details" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "street" TEXT NOT NULL,
    "postcode" TEXT NOT NULL,
    "city" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "changed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "address_is_whole" CHECK (length(street) BETWEEN 1 AND 200 AND length(city) BETWEEN 1 AND 100)
);

CREATE TABLE "electronic_address" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "siren" TEXT NOT NULL,
    "address" TEXT,
    "lines" TEXT NOT NULL DEFAULT '',
    "looked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "siren_is_nine_digits" CHECK (siren ~ '^[0-9]{9}$'),
    CONSTRAINT "address_is_a_line" CHECK (address IS NULL OR address = ANY (string_to_array(lines, ' ')))
);

CREATE TABLE "invoice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "number" TEXT UNIQUE NOT NULL,
    "series" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "previous" TEXT UNIQUE REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "entry" BIGINT UNIQUE NOT NULL REFERENCES "journal_entry" ("id") ON DELETE RESTRICT,
    "corrects" TEXT REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "issued_at" TIMESTAMPTZ NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "document" BYTEA NOT NULL,
    CONSTRAINT "one_a_place" UNIQUE ("series", "position"),
    CONSTRAINT "known_kind" CHECK (kind IN ('invoice', 'credit_note')),
    CONSTRAINT "series_is_of_its_kind" CHECK (series ~ CASE kind WHEN 'invoice' THEN '^F-[0-9]{4}$' ELSE '^A-[0-9]{4}$' END),
    CONSTRAINT "number_is_its_place" CHECK (position > 0 AND number = series || '-' || CASE WHEN position < 1000000 THEN lpad(position::text, 6, '0') ELSE position::text END),
    CONSTRAINT "follows_the_one_before" CHECK (CASE WHEN position = 1 THEN previous IS NULL ELSE previous IS NOT NULL AND previous = series || '-' || CASE WHEN position <= 1000000 THEN lpad((position - 1)::text, 6, '0') ELSE (position - 1)::text END END),
    CONSTRAINT "a_credit_note_corrects" CHECK ((kind = 'credit_note') = (corrects IS NOT NULL)),
    CONSTRAINT "adds_up" CHECK (total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0)
);

CREATE TABLE "invoice_correction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" TEXT UNIQUE NOT NULL REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "something_is_left" CHECK (net_minor >= 0 AND vat_minor >= 0 AND net_minor + vat_minor > 0),
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000)
);

CREATE TABLE "invoice_file" (
    "invoice" UUID PRIMARY KEY NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "pdf" BYTEA NOT NULL,
    "sha256" TEXT NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "hash_is_of_the_file" CHECK (sha256 = encode(sha256(pdf), 'hex'))
);


-- sales / auctions

CREATE TABLE "auction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "months" INTEGER NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "reserve_minor" BIGINT NOT NULL,
    "forgone_minor" BIGINT NOT NULL,
    "licences" INTEGER NOT NULL,
    "price_rule" TEXT NOT NULL,
    "steps_from_minor" BIGINT[] NOT NULL,
    "steps_minor" BIGINT[] NOT NULL,
    "window_seconds" INTEGER NOT NULL,
    "extension_seconds" INTEGER NOT NULL,
    "opens_at" TIMESTAMPTZ NOT NULL,
    "scheduled_close_at" TIMESTAMPTZ NOT NULL,
    "exclusive_from" TIMESTAMPTZ,
    "exclusive_to" TIMESTAMPTZ,
    "pay_within_hours" INTEGER NOT NULL,
    "salt" BYTEA NOT NULL,
    "state" TEXT NOT NULL,
    "root" TEXT,
    "announced_by" TEXT NOT NULL,
    "announced_at" TIMESTAMPTZ NOT NULL,
    "computation" TEXT NOT NULL,
    "deposit_minor" BIGINT NOT NULL,
    "unsecured_minor" BIGINT NOT NULL,
    "most_extension_seconds" INTEGER NOT NULL,
    "closed_at" TIMESTAMPTZ,
    "awarded_at" TIMESTAMPTZ,
    "cancelled_reason" TEXT,
    CONSTRAINT "kind_is_named" CHECK (kind <> '' AND price_rule <> ''),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'closed', 'awarded', 'cancelled')),
    CONSTRAINT "reserve_covers_what_is_forgone" CHECK (reserve_minor > 0 AND forgone_minor BETWEEN 0 AND reserve_minor),
    CONSTRAINT "one_licence_or_several" CHECK (licences > 0),
    CONSTRAINT "opens_before_it_closes" CHECK (opens_at < scheduled_close_at),
    CONSTRAINT "window_is_whole" CHECK (num_nonnulls(exclusive_from, exclusive_to) IN (0, 2) AND (exclusive_from IS NULL OR exclusive_from < exclusive_to)),
    CONSTRAINT "window_is_not_negative" CHECK (least(window_seconds, extension_seconds, most_extension_seconds) >= 0 AND pay_within_hours > 0),
    CONSTRAINT "steps_pair_up" CHECK (cardinality(steps_from_minor) = cardinality(steps_minor)),
    CONSTRAINT "closed_with_a_root" CHECK ((state IN ('closed', 'awarded')) = (root IS NOT NULL AND closed_at IS NOT NULL)),
    CONSTRAINT "awarded_at_an_instant" CHECK ((state = 'awarded') = (awarded_at IS NOT NULL)),
    CONSTRAINT "deposit_is_positive" CHECK (least(deposit_minor, unsecured_minor) > 0),
    CONSTRAINT "cancelled_with_a_reason" CHECK ((state = 'cancelled') = (cancelled_reason IS NOT NULL))
);

CREATE TABLE "auction_lead" (
    "auction" UUID PRIMARY KEY NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "closes_at" TIMESTAMPTZ NOT NULL,
    "bid_count" BIGINT NOT NULL,
    "leader" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "leading_maximum_minor" BIGINT,
    "price_minor" BIGINT,
    CONSTRAINT "leader_has_a_price" CHECK (num_nonnulls(leader, leading_maximum_minor, price_minor) IN (0, 3) AND (price_minor IS NULL OR price_minor <= leading_maximum_minor))
);

CREATE TABLE "auction_lot" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "position" INTEGER NOT NULL,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "reserve_minor" BIGINT NOT NULL,
    CONSTRAINT "one_place_a_lot" UNIQUE ("auction", "position"),
    CONSTRAINT "sold_once_an_auction" UNIQUE ("auction", "release"),
    CONSTRAINT "positions_start_at_zero" CHECK (position >= 0),
    CONSTRAINT "reserve_is_positive" CHECK (reserve_minor > 0)
);

CREATE TABLE "bid" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL,
    "partner" UUID NOT NULL,
    "pseudonym" TEXT NOT NULL,
    "position" BIGINT,
    "received_at" TIMESTAMPTZ NOT NULL,
    "maximum_minor" BIGINT,
    "sealed" BYTEA,
    "commitments" TEXT[] NOT NULL,
    "answer" TEXT NOT NULL,
    "price_minor" BIGINT,
    "closes_at" TIMESTAMPTZ NOT NULL,
    "covered_minor" BIGINT,
    CONSTRAINT "one_place_a_bid" UNIQUE ("auction", "position"),
    CONSTRAINT "position_is_positive" CHECK (position > 0),
    CONSTRAINT "known_answer" CHECK (answer IN ('sealed', 'leading', 'outbid_at_once', 'maximum_raised', 'refused_too_early', 'refused_too_late', 'refused_below_minimum', 'refused_not_a_raise', 'refused_already_bid')),
    CONSTRAINT "accepted_bids_have_a_place" CHECK ((position IS NULL) = (answer LIKE 'refused%')),
    CONSTRAINT "open_or_sealed" CHECK (num_nonnulls(maximum_minor, sealed) = 1),
    CONSTRAINT "cover_is_positive" CHECK (covered_minor > 0)
);

CREATE TABLE "auction_outcome" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "round" INTEGER NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "pseudonym" TEXT NOT NULL,
    "lots" INTEGER[] NOT NULL,
    "pays_minor" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_outcome_a_bidder_and_round" UNIQUE ("auction", "round", "partner"),
    CONSTRAINT "losers_pay_nothing" CHECK ((cardinality(lots) = 0) = (pays_minor = 0))
);

CREATE TABLE "auction_sale" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "outcome" UUID NOT NULL REFERENCES "auction_outcome" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "due_at" TIMESTAMPTZ NOT NULL,
    "purchase_order" UUID UNIQUE REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "state" TEXT NOT NULL,
    CONSTRAINT "one_sale_a_lot" UNIQUE ("outcome", "release"),
    CONSTRAINT "net_is_positive" CHECK (net_minor > 0),
    CONSTRAINT "known_state" CHECK (state IN ('due', 'paid', 'defaulted', 'called_back'))
);

CREATE TABLE "auction_deposit" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "ending" TEXT,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "known_ending" CHECK (ending IN ('released', 'forfeited')),
    CONSTRAINT "ended_at_an_instant" CHECK ((ending IS NULL) = (ended_at IS NULL))
);

CREATE TABLE "auction_default" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owed_minor" BIGINT NOT NULL,
    "decided_at" TIMESTAMPTZ NOT NULL,
    "barred_until" TIMESTAMPTZ NOT NULL,
    "settled_at" TIMESTAMPTZ,
    CONSTRAINT "once_an_auction" UNIQUE ("auction", "partner"),
    CONSTRAINT "owes_or_not" CHECK (owed_minor >= 0 AND barred_until > decided_at)
);

CREATE TABLE "auction_transcript" (
    "auction" UUID PRIMARY KEY NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "document" BYTEA NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "auction_round" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "round" INTEGER NOT NULL,
    "document" BYTEA NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_transcript_a_round" UNIQUE ("auction", "round"),
    CONSTRAINT "rounds_follow_the_award" CHECK (round > 1)
);


-- sales / orders

CREATE TABLE "purchase_request" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "quote" UUID UNIQUE NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "asked_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "api_key" UUID REFERENCES "api_key" ("id") ON DELETE RESTRICT,
    "document" BYTEA NOT NULL,
    "document_sha256" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "hash_is_of_the_document" CHECK (document_sha256 = encode(sha256(document), 'hex')),
    CONSTRAINT "four_eyes" CHECK (decided_by <> asked_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_at, approved) IN (0, 2) AND (decided_by IS NULL OR approved IS NOT NULL))
);


-- sales / orders

CREATE TABLE "claim" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "evidence" TEXT NOT NULL,
    "filed_at" TIMESTAMPTZ NOT NULL,
    "proposal" TEXT NOT NULL DEFAULT '',
    "refund_minor" BIGINT,
    "answer" TEXT NOT NULL DEFAULT '',
    "proposed_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ,
    "outcome" TEXT NOT NULL DEFAULT '',
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "known_reason" CHECK (reason IN ('not_as_described', 'incomplete', 'wrong_figures', 'unreadable')),
    CONSTRAINT "evidence_is_bounded" CHECK (length(btrim(evidence)) BETWEEN 3 AND 4000 AND length(answer) <= 2000),
    CONSTRAINT "known_proposal" CHECK (proposal IN ('', 'refund', 'dismissed')),
    CONSTRAINT "refund_is_an_amount" CHECK ((proposal = 'refund') = (refund_minor IS NOT NULL) AND coalesce(refund_minor, 1) > 0),
    CONSTRAINT "proposed_whole" CHECK (num_nonnulls(proposed_by, proposed_at) = CASE proposal WHEN '' THEN 0 ELSE 2 END),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "known_outcome" CHECK (outcome IN ('', 'withdrawn') OR (outcome = proposal AND decided_by IS NOT NULL)),
    CONSTRAINT "ends_at_an_instant" CHECK ((outcome = '') = (ended_at IS NULL))
);


-- sales / subscriptions

CREATE TABLE "subscription" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "person" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "api_key" UUID REFERENCES "api_key" ("id") ON DELETE RESTRICT,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "locked_minor" BIGINT NOT NULL,
    "locked" BYTEA NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "releases" INTEGER NOT NULL,
    "after" TIMESTAMPTZ NOT NULL,
    "pay_by" TEXT NOT NULL DEFAULT 'saved_method',
    "state" TEXT NOT NULL DEFAULT 'active',
    "began_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "promised_days" INTEGER NOT NULL,
    "promised_coverage_micro" BIGINT NOT NULL,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    CONSTRAINT "price_is_positive" CHECK (locked_minor > 0),
    CONSTRAINT "some_releases" CHECK (releases BETWEEN 1 AND 120),
    CONSTRAINT "known_way_to_pay" CHECK (pay_by IN ('saved_method', 'invoice')),
    CONSTRAINT "known_state" CHECK (state IN ('active', 'paused', 'ended')),
    CONSTRAINT "ends_at_an_instant" CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);

CREATE TABLE "subscribed_release" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscription" UUID NOT NULL REFERENCES "subscription" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "purchase_order" UUID UNIQUE REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "refusal" TEXT NOT NULL DEFAULT '',
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "ordered_once" UNIQUE ("subscription", "release"),
    CONSTRAINT "ordered_or_refused" CHECK ((purchase_order IS NULL) = (refusal <> ''))
);

CREATE TABLE "service_credit" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID UNIQUE NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "subscription" UUID NOT NULL REFERENCES "subscription" ("id") ON DELETE RESTRICT,
    "days_late" INTEGER NOT NULL,
    "coverage_micro" BIGINT NOT NULL,
    "promised_coverage_micro" BIGINT NOT NULL,
    "basis_points" INTEGER NOT NULL,
    "refund_minor" BIGINT NOT NULL,
    "asked_at" TIMESTAMPTZ,
    CONSTRAINT "falls_short" CHECK (days_late > 0 OR coverage_micro < promised_coverage_micro),
    CONSTRAINT "is_half_at_most" CHECK (basis_points BETWEEN 1 AND 5000 AND refund_minor > 0)
);


-- delivery / delta sharing

CREATE TABLE "sharing_credential" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "kind" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "secret_hash" TEXT UNIQUE,
    "public_key" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    CONSTRAINT "known_kind" CHECK (kind IN ('bearer', 'basic', 'key_pair')),
    CONSTRAINT "shows_one_thing" CHECK ((kind = 'key_pair') = (public_key IS NOT NULL) AND num_nonnulls(secret_hash, public_key) = 1),
    CONSTRAINT "ends_after_it_begins" CHECK (created_at < ends_at)
);

CREATE TABLE "used_assertion" (
    "sha256" TEXT PRIMARY KEY NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "is_digest" CHECK (length(sha256) = 64)
);


-- delivery / downloads

CREATE TABLE "deletion_confirmation" (
    "entitlement" UUID PRIMARY KEY NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "confirmed_at" TIMESTAMPTZ NOT NULL,
    "confirmed_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL
);


-- delivery / downloads

CREATE TABLE "download" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "format" TEXT NOT NULL,
    "byte_count" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);


-- delivery / downloads

CREATE TABLE "trial" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID UNIQUE NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "began_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "lasts_two_weeks" CHECK (ends_at = began_at + interval '14 days')
);


-- delivery / links

CREATE TABLE "personal_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "label" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_given" CHECK (length(btrim(label)) BETWEEN 1 AND 80),
    CONSTRAINT "ends_after_it_begins" CHECK (created_at < ends_at)
);


-- delivery / outgoing

CREATE TABLE "partner_bucket" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "endpoint" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "bucket" TEXT NOT NULL,
    "prefix" TEXT NOT NULL DEFAULT '',
    "key_id" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "disabled_at" TIMESTAMPTZ,
    "disabled_because" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_reason" CHECK (disabled_because IN ('', 'removed', 'failing')),
    CONSTRAINT "says_why" CHECK ((disabled_at IS NULL) = (disabled_because = '')),
    CONSTRAINT "credentials_end_with_it" CHECK ((disabled_at IS NULL) = (length(sealed) > 0))
);

CREATE TABLE "bucket_delivery" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "bucket" UUID NOT NULL REFERENCES "partner_bucket" ("id") ON DELETE RESTRICT,
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "delivered_at" TIMESTAMPTZ,
    "last_answer" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "one_delivery_a_purchase" UNIQUE ("bucket", "entitlement"),
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);


-- delivery / outgoing

CREATE TABLE "partner_event" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_event_a_fact" UNIQUE ("partner", "kind", "source")
);

CREATE TABLE "webhook_endpoint" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "url" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "after" BIGINT NOT NULL DEFAULT 0,
    "disabled_at" TIMESTAMPTZ,
    "disabled_because" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_reason" CHECK (disabled_because IN ('', 'removed', 'gone', 'failing')),
    CONSTRAINT "says_why" CHECK ((disabled_at IS NULL) = (disabled_because = ''))
);

CREATE TABLE "webhook_delivery" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "endpoint" UUID NOT NULL REFERENCES "webhook_endpoint" ("id") ON DELETE RESTRICT,
    "event" BIGINT NOT NULL REFERENCES "partner_event" ("id") ON DELETE RESTRICT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "delivered_at" TIMESTAMPTZ,
    "last_answer" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "one_delivery_an_event" UNIQUE ("endpoint", "event"),
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);


-- delivery / population density

CREATE TABLE "density_callback" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "key_id" TEXT NOT NULL,
    "request" BYTEA NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);


-- subscribers / earnings

CREATE TABLE "contribution_segment" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "level" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'building',
    "replaces" UUID[] NOT NULL DEFAULT '{}',
    "gains" BIGINT[] NOT NULL DEFAULT '{}',
    "begun_at" TIMESTAMPTZ NOT NULL,
    "retired_at" TIMESTAMPTZ,
    CONSTRAINT "known_state" CHECK (state IN ('building', 'live', 'retired')),
    CONSTRAINT "known_level" CHECK (level BETWEEN 0 AND 2),
    CONSTRAINT "retired_at_an_instant" CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);

CREATE TABLE "contribution_part" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "segment" UUID NOT NULL REFERENCES "contribution_segment" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "first_reference" BIGINT NOT NULL,
    "last_reference" BIGINT NOT NULL,
    "pairs" BIGINT NOT NULL,
    "firsts" BIGINT[] NOT NULL,
    "ends" BIGINT[] NOT NULL,
    CONSTRAINT "one_a_number" UNIQUE ("segment", "number"),
    CONSTRAINT "blocks_have_ends" CHECK (cardinality(firsts) = cardinality(ends) AND cardinality(firsts) > 0),
    CONSTRAINT "people_ascend" CHECK (first_reference <= last_reference AND number >= 0 AND pairs > 0)
);

CREATE TABLE "sold_release" (
    "number" BIGSERIAL PRIMARY KEY NOT NULL,
    "release" UUID UNIQUE NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "segment" UUID REFERENCES "contribution_segment" ("id") ON DELETE RESTRICT
);


-- subscribers / earnings

CREATE TABLE "share_run" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "known_kind" CHECK (kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back', 'reward', 'reward_back')),
    CONSTRAINT "amount_is_not_negative" CHECK (amount_minor >= 0 AND people >= 0)
);

CREATE TABLE "share_close" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "month" DATE UNIQUE NOT NULL,
    "begun_at" TIMESTAMPTZ NOT NULL,
    "next_reference" BIGINT DEFAULT 0,
    "people" BIGINT NOT NULL DEFAULT 0,
    "shares_micro" BIGINT NOT NULL DEFAULT 0,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "carry_micro" BIGINT NOT NULL DEFAULT 0,
    "run" BIGINT UNIQUE REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    CONSTRAINT "ends_after_the_last_line" CHECK (run IS NULL OR next_reference IS NULL),
    CONSTRAINT "carries_less_than_a_cent" CHECK (carry_micro BETWEEN 0 AND 9999 AND least(people, shares_micro, returned_minor) >= 0)
);

CREATE TABLE "licence_split" (
    "licence" UUID PRIMARY KEY NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "fee_minor" BIGINT NOT NULL,
    "distributable_minor" BIGINT NOT NULL,
    "pool_minor" BIGINT NOT NULL,
    "operator_minor" BIGINT NOT NULL,
    "platform_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "total_weight" BIGINT NOT NULL,
    "denominator" BIGINT NOT NULL,
    "shares_micro" BIGINT NOT NULL,
    "rounding_micro" BIGINT NOT NULL,
    "terms" UUID[] NOT NULL DEFAULT '{}',
    "top_up_operator_minor" BIGINT NOT NULL DEFAULT 0,
    "top_up_platform_minor" BIGINT NOT NULL DEFAULT 0,
    "topped_up" BIGINT NOT NULL DEFAULT 0,
    "loss_minor" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT NOT NULL DEFAULT 'held',
    "close" BIGINT REFERENCES "share_close" ("id") ON DELETE RESTRICT,
    "held_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "ended_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "split_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_state" CHECK (state IN ('held', 'released', 'cancelled')),
    CONSTRAINT "ended_by_a_run" CHECK ((state = 'held') = (ended_by IS NULL)),
    CONSTRAINT "adds_up" CHECK (distributable_minor = pool_minor + operator_minor + platform_minor),
    CONSTRAINT "parts_are_not_negative" CHECK (least(fee_minor, pool_minor, operator_minor) >= 0),
    CONSTRAINT "operator_gives_no_more_than_its_part" CHECK (top_up_operator_minor BETWEEN 0 AND operator_minor),
    CONSTRAINT "platform_helps_when_the_operators_part_is_spent" CHECK (top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = least(operator_minor, greatest(0, operator_minor + pool_minor + top_up_operator_minor + top_up_platform_minor - (shares_micro + rounding_micro) / 10000)))),
    CONSTRAINT "only_promises_top_up" CHECK ((top_up_operator_minor + top_up_platform_minor = 0 OR topped_up > 0) AND (topped_up = 0 OR cardinality(terms) > 0) AND topped_up >= 0),
    CONSTRAINT "weighs_who_contributed" CHECK ((people = 0) = (total_weight = 0) AND total_weight >= 0),
    CONSTRAINT "divides_by_somebody" CHECK (denominator > 0),
    CONSTRAINT "shares_and_rounding_are_whole_cents" CHECK (shares_micro >= 0 AND rounding_micro BETWEEN 0 AND 9999 AND (shares_micro + rounding_micro) % 10000 = 0),
    CONSTRAINT "what_is_being_closed_is_not_cancelled" CHECK (close IS NULL OR state <> 'cancelled')
);

CREATE TABLE "closed_share" (
    "close" BIGINT NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "payable_micro" BIGINT NOT NULL,
    CONSTRAINT "is_something" CHECK (payable_micro > 0)
) PARTITION BY LIST (close);

CREATE TABLE "accrual" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" BIGINT NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "payable_micro" BIGINT NOT NULL,
    CONSTRAINT "one_row_a_run" UNIQUE ("subscriber", "run"),
    CONSTRAINT "moves_something" CHECK (payable_micro <> 0)
);


-- subscribers / legal

CREATE TABLE "question" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID,
    "email" TEXT NOT NULL,
    "about" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "answered_at" TIMESTAMPTZ,
    CONSTRAINT "text_is_bounded" CHECK (length(text) BETWEEN 1 AND 4000 AND length(about) <= 80 AND length(email) <= 254)
);


-- subscribers / my data

CREATE TABLE "own_map" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "public_key" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "sealed" BYTEA
);


-- subscribers / operators

CREATE TABLE "operator_key" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "label" TEXT NOT NULL,
    "prefix" TEXT UNIQUE NOT NULL,
    "key_hash" TEXT UNIQUE NOT NULL,
    "scopes" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_given" CHECK (length(label) BETWEEN 1 AND 80),
    CONSTRAINT "may_do_something" CHECK (scopes <> '')
);

CREATE TABLE "letter_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "at" TIMESTAMPTZ NOT NULL,
    "codes" BIGINT NOT NULL,
    "sha256" TEXT,
    CONSTRAINT "made_something" CHECK (codes > 0)
);


-- subscribers / payouts

CREATE TABLE "bank_details" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "sealed" BYTEA,
    "key_id" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "last_four" TEXT NOT NULL,
    "country" TEXT NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "usable_from" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "refused_at" TIMESTAMPTZ,
    "refused_reason" TEXT,
    "held_at" TIMESTAMPTZ,
    CONSTRAINT "last_four_are_four" CHECK (last_four ~ '^[0-9A-Z]{4}$' AND country ~ '^[A-Z]{2}$'),
    CONSTRAINT "usable_after_added" CHECK (usable_from >= added_at),
    CONSTRAINT "refused_with_a_reason" CHECK ((refused_at IS NULL) = (refused_reason IS NULL)),
    CONSTRAINT "forgotten_only_when_ended" CHECK (sealed IS NOT NULL OR ended_at IS NOT NULL)
);

CREATE TABLE "payout_choice" (
    "subscriber" BIGINT PRIMARY KEY NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "threshold_minor" BIGINT NOT NULL,
    "stripe_account" TEXT,
    "stripe_from" TIMESTAMPTZ,
    "chosen_at" TIMESTAMPTZ NOT NULL,
    "is_last" BOOLEAN NOT NULL DEFAULT false,
    "way" TEXT NOT NULL DEFAULT 'bank',
    "gift_to" TEXT,
    CONSTRAINT "stripe_account_from_an_instant" CHECK ((stripe_account IS NULL) = (stripe_from IS NULL)),
    CONSTRAINT "threshold_is_not_negative" CHECK (threshold_minor >= 0),
    CONSTRAINT "known_way" CHECK (way IN ('bank', 'bill', 'gift', 'kept')),
    CONSTRAINT "gift_is_to_somebody" CHECK ((way = 'gift') = (gift_to IS NOT NULL))
);

CREATE TABLE "payout_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "route" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "threshold_minor" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "spread" BIGINT[] NOT NULL,
    "shared" BIGINT,
    "drafted_at" TIMESTAMPTZ NOT NULL,
    "prepared_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "approved_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "approved_at" TIMESTAMPTZ,
    "reason" TEXT,
    "cancelled_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "cancelled_reason" TEXT,
    "sent_at" TIMESTAMPTZ,
    "execute_on" DATE,
    "file_sha256" TEXT,
    "file_sequence" INTEGER NOT NULL DEFAULT 0,
    "send_asked_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "send_asked_at" TIMESTAMPTZ,
    "send_problem" TEXT,
    "replace_asked_at" TIMESTAMPTZ,
    "moved_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "answered_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "known_route" CHECK (route IN ('sepa', 'stripe')),
    CONSTRAINT "known_state" CHECK (state IN ('draft', 'approved', 'sent', 'settled', 'failed', 'cancelled')),
    CONSTRAINT "pays_someone" CHECK (amount_minor > 0 AND people > 0 AND threshold_minor > 0),
    CONSTRAINT "four_eyes" CHECK (approved_by IS NULL OR (prepared_by IS NOT NULL AND approved_by <> prepared_by)),
    CONSTRAINT "approved_before_it_is_sent" CHECK (state NOT IN ('approved', 'sent', 'settled', 'failed') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL AND reason IS NOT NULL)),
    CONSTRAINT "sent_with_its_money" CHECK ((state IN ('sent', 'settled', 'failed')) = (sent_at IS NOT NULL AND moved_by IS NOT NULL)),
    CONSTRAINT "ended_at_an_instant" CHECK ((state IN ('settled', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CONSTRAINT "cancelled_by_someone" CHECK ((state = 'cancelled') = (cancelled_by IS NOT NULL AND cancelled_reason IS NOT NULL))
);

CREATE TABLE "payout_draft_request" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "route" TEXT NOT NULL,
    "asked_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "share_micro" INTEGER NOT NULL DEFAULT 0,
    "run" UUID REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "problem" TEXT NOT NULL DEFAULT '',
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "known_route" CHECK (route IN ('sepa', 'stripe')),
    CONSTRAINT "share_is_a_share" CHECK (share_micro BETWEEN 0 AND 1000000),
    CONSTRAINT "ended_with_a_run_or_why_not" CHECK ((ended_at IS NULL) = (run IS NULL AND problem = ''))
);

CREATE TABLE "payout_file" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "first_batch" INTEGER NOT NULL,
    "last_batch" INTEGER NOT NULL,
    "sequence" INTEGER NOT NULL DEFAULT 0,
    "people" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "execute_on" DATE NOT NULL,
    "file_sha256" TEXT,
    CONSTRAINT "one_place_a_file" UNIQUE ("run", "number"),
    CONSTRAINT "batches_in_order" CHECK (number > 0 AND 0 < first_batch AND first_batch <= last_batch AND sequence >= 0),
    CONSTRAINT "nobody_is_no_file" CHECK ((people = 0) = (file_sha256 IS NULL) AND (people = 0) = (amount_minor = 0) AND people >= 0)
);

CREATE TABLE "payout_batch" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    CONSTRAINT "one_place_a_batch" UNIQUE ("run", "number"),
    CONSTRAINT "batch_pays_someone" CHECK (number > 0 AND amount_minor > 0 AND people > 0)
);

CREATE TABLE "payout" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL,
    "batch" INTEGER NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "details" UUID,
    "stripe_account" TEXT,
    "amount_minor" BIGINT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "reason" TEXT,
    "ended_at" TIMESTAMPTZ,
    "recredited_by" BIGINT,
    CONSTRAINT "one_payout_a_run" UNIQUE ("run", "subscriber"),
    CONSTRAINT "one_way_to_be_paid" CHECK (num_nonnulls(details, stripe_account) = 1),
    CONSTRAINT "amount_can_be_transferred" CHECK (amount_minor BETWEEN 1 AND 99999999999),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'settled', 'failed', 'cancelled')),
    CONSTRAINT "ended_at_an_instant" CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT "failed_is_recredited" CHECK ((state = 'failed') = (recredited_by IS NOT NULL AND reason IS NOT NULL))
);

CREATE TABLE "payout_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "what" TEXT NOT NULL,
    "people" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    CONSTRAINT "one_sum_of_each" UNIQUE ("run", "what")
);

CREATE TABLE "payee_check" (
    "payout" UUID PRIMARY KEY NOT NULL REFERENCES "payout" ("id") ON DELETE RESTRICT,
    "outcome" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "checked_at" TIMESTAMPTZ NOT NULL,
    "decision" TEXT,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    CONSTRAINT "known_outcome" CHECK (outcome IN ('match', 'close', 'none', 'unknown') AND source IN ('api', 'file')),
    CONSTRAINT "known_decision" CHECK (decision IN ('pay', 'left_out') AND outcome <> 'match' OR decision IS NULL),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3))
);

CREATE TABLE "payout_answer" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "file" INTEGER NOT NULL DEFAULT 1,
    "message" TEXT NOT NULL,
    "file_sha256" TEXT UNIQUE NOT NULL,
    "group_status" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "rejected" BIGINT NOT NULL,
    "received_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "received_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "rejected_is_not_negative" CHECK (rejected >= 0)
);


-- subscribers / rewards

CREATE TABLE "association" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "name" TEXT NOT NULL,
    "pays_to" TEXT NOT NULL,
    "listed_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "listed_by" UUID NOT NULL,
    CONSTRAINT "name_is_given" CHECK (length(name) BETWEEN 1 AND 70)
);

CREATE TABLE "benefit" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "price_minor" BIGINT NOT NULL,
    "listed_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "price_is_positive" CHECK (price_minor > 0)
);

CREATE TABLE "reward_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "way" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "moved_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    CONSTRAINT "known_way" CHECK (way IN ('bill', 'gift', 'benefit')),
    CONSTRAINT "moves_something" CHECK (amount_minor > 0 AND people > 0)
);

CREATE TABLE "gift_payment" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "month" DATE NOT NULL,
    "association" TEXT NOT NULL REFERENCES "association" ("code") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "iban" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "made_by" UUID NOT NULL,
    CONSTRAINT "one_a_month" UNIQUE ("month", "association"),
    CONSTRAINT "pays_something" CHECK (amount_minor > 0 AND people > 0)
);

CREATE TABLE "reward_answer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sha256" TEXT UNIQUE NOT NULL,
    "received_at" TIMESTAMPTZ NOT NULL,
    "done" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "returned_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT
);

CREATE TABLE "reward" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "reward_run" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "what" TEXT NOT NULL DEFAULT '',
    "state" TEXT NOT NULL DEFAULT 'open',
    "reason" TEXT NOT NULL DEFAULT '',
    "answer" UUID REFERENCES "reward_answer" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_run" UNIQUE ("run", "subscriber"),
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'done', 'refused'))
);

CREATE TABLE "farm_decision" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "lines" BIGINT NOT NULL,
    "decision" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "decided_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('account', 'browser')),
    CONSTRAINT "known_decision" CHECK (decision IN ('fine', 'wait')),
    CONSTRAINT "has_lines_and_a_reason" CHECK (lines > 0 AND reason <> '')
);


-- finance / bank

CREATE TABLE "bank_rule" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "words" TEXT NOT NULL,
    "comes_in" BOOLEAN NOT NULL,
    "most_minor" BIGINT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "ended_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "words_say_something" CHECK (length(btrim(words)) BETWEEN 3 AND 140),
    CONSTRAINT "books_something" CHECK (most_minor > 0),
    CONSTRAINT "ended_by_somebody" CHECK (num_nonnulls(ended_by, ended_at) IN (0, 2))
);


-- finance / bank

CREATE TABLE "bank_account" (
    "iban" TEXT PRIMARY KEY NOT NULL,
    "opened_at" TIMESTAMPTZ NOT NULL,
    "opened_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    CONSTRAINT "iban_is_plain" CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$')
);

CREATE TABLE "bank_statement" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "iban" TEXT NOT NULL REFERENCES "bank_account" ("iban") ON DELETE RESTRICT,
    "message_id" TEXT NOT NULL,
    "statement_id" TEXT NOT NULL,
    "sequence" BIGINT,
    "opened_on" DATE NOT NULL,
    "closed_on" DATE NOT NULL,
    "opening_minor" BIGINT NOT NULL,
    "closing_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "line_count" BIGINT NOT NULL,
    "file_sha256" TEXT NOT NULL,
    "imported_at" TIMESTAMPTZ NOT NULL,
    "imported_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    CONSTRAINT "imported_once" UNIQUE ("iban", "message_id", "statement_id"),
    CONSTRAINT "days_are_ordered" CHECK (opened_on <= closed_on)
);

CREATE TABLE "bank_upload" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "data" BYTEA NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "uploaded_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "csv_mapping" (
    "iban" TEXT PRIMARY KEY NOT NULL,
    "headings" TEXT NOT NULL,
    "columns" TEXT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "iban_of_csv_is_plain" CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$')
);

CREATE TABLE "bank_line" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "statement" BIGINT NOT NULL REFERENCES "bank_statement" ("id") ON DELETE RESTRICT,
    "iban" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "booked_on" DATE NOT NULL,
    "value_on" DATE NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "end_to_end_id" TEXT NOT NULL,
    "batch_id" TEXT NOT NULL,
    "transaction_id" TEXT NOT NULL,
    "counterparty" TEXT NOT NULL,
    "counterparty_iban" TEXT NOT NULL,
    "remittance" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "return_reason" TEXT NOT NULL,
    CONSTRAINT "one_line_a_reference" UNIQUE ("iban", "reference"),
    CONSTRAINT "moves_something" CHECK (amount_minor <> 0)
);

CREATE TABLE "bank_notice" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "iban" TEXT NOT NULL REFERENCES "bank_account" ("iban") ON DELETE RESTRICT,
    "notice_id" TEXT NOT NULL,
    "entry" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "booked_on" DATE NOT NULL,
    "value_on" DATE NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "end_to_end_id" TEXT NOT NULL,
    "counterparty" TEXT NOT NULL,
    "counterparty_iban" TEXT NOT NULL,
    "remittance" TEXT NOT NULL,
    "file_sha256" TEXT NOT NULL,
    "imported_at" TIMESTAMPTZ NOT NULL,
    "imported_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    CONSTRAINT "announced_once" UNIQUE ("iban", "reference"),
    CONSTRAINT "announces_something" CHECK (amount_minor <> 0)
);

CREATE TABLE "bank_match" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "line" BIGINT NOT NULL REFERENCES "bank_line" ("id") ON DELETE RESTRICT,
    "target_kind" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "person" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "score" INTEGER NOT NULL,
    "reasons" TEXT NOT NULL,
    "matched_at" TIMESTAMPTZ NOT NULL,
    "undone_at" TIMESTAMPTZ,
    CONSTRAINT "known_target" CHECK (target_kind IN ('payout', 'order', 'payout_line', 'fee', 'vat', 'write_off')),
    CONSTRAINT "moves_something" CHECK (amount_minor <> 0),
    CONSTRAINT "is_no_money_account" CHECK (account NOT IN ('471000', '512100', '517000'))
);


-- finance / bookkeeping

CREATE TABLE "revenue_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "side" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "orders" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    CONSTRAINT "one_sum_a_day" UNIQUE ("side", "day", "key"),
    CONSTRAINT "known_side" CHECK (side IN ('dataset', 'partner', 'vat', 'way'))
);

CREATE TABLE "share_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "day" DATE NOT NULL,
    "dataset" TEXT NOT NULL,
    "judgement" TEXT NOT NULL,
    "shares_minor" BIGINT NOT NULL,
    CONSTRAINT "one_share_sum_a_day" UNIQUE ("day", "dataset", "judgement")
);

CREATE TABLE "revenue_entry" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "entry" BIGINT NOT NULL,
    "lot" INTEGER NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "kind" TEXT NOT NULL,
    "purchase_order" UUID NOT NULL,
    "number" TEXT NOT NULL,
    "dataset" TEXT NOT NULL,
    "partner" UUID NOT NULL,
    "vat" TEXT NOT NULL,
    "way" TEXT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    CONSTRAINT "one_row_a_lot" UNIQUE ("entry", "lot")
);


-- finance / bookkeeping

CREATE TABLE "export_file" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "format" TEXT NOT NULL,
    "first_day" DATE NOT NULL,
    "last_day" DATE NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "lines_expected" BIGINT NOT NULL DEFAULT 0,
    "lines_written" BIGINT NOT NULL DEFAULT 0,
    "file_name" TEXT NOT NULL DEFAULT '',
    "sha256" TEXT NOT NULL DEFAULT '',
    "done_at" TIMESTAMPTZ,
    "fault" TEXT,
    CONSTRAINT "known_state" CHECK (state IN ('waiting', 'done', 'failed')),
    CONSTRAINT "days_are_ordered" CHECK (first_day <= last_day),
    CONSTRAINT "done_at_an_instant" CHECK ((state = 'waiting') = (done_at IS NULL))
);


-- finance / einvoicing

CREATE TABLE "einvoicing_state" (
    "id" INTEGER PRIMARY KEY NOT NULL,
    "from_at" TIMESTAMPTZ NOT NULL,
    "read_until" TIMESTAMPTZ NOT NULL,
    "error" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "only_one" CHECK (id = 1)
);

CREATE TABLE "einvoice" (
    "invoice" UUID PRIMARY KEY NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "travels" BOOLEAN NOT NULL,
    "is_in_parts" BOOLEAN NOT NULL,
    "issued_at" TIMESTAMPTZ NOT NULL,
    "vat_at" TIMESTAMPTZ,
    "vat_minor" BIGINT NOT NULL
);

CREATE TABLE "einvoice_unsaid" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "what" TEXT NOT NULL,
    "subject" UUID NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_matter" CHECK (what IN ('transmission', 'receipt', 'transactions', 'payments', 'parts'))
);

CREATE TABLE "einvoicing_month" (
    "month" DATE PRIMARY KEY NOT NULL,
    "booked_minor" BIGINT NOT NULL,
    "statuses_minor" BIGINT NOT NULL,
    "reports_minor" BIGINT NOT NULL,
    "waiting_minor" BIGINT NOT NULL,
    "summed_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "transmission" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" UUID UNIQUE NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "address" TEXT,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "code" INTEGER,
    "created_at" TIMESTAMPTZ NOT NULL,
    "deposited_at" TIMESTAMPTZ,
    CONSTRAINT "known_state" CHECK (state IN ('waiting', 'queued', 'deposited', 'rejected', 'refused', 'corrected')),
    CONSTRAINT "addressed_before_it_leaves" CHECK (address IS NOT NULL OR state IN ('waiting', 'corrected')),
    CONSTRAINT "deposited_at_an_instant" CHECK ((deposited_at IS NOT NULL) OR state NOT IN ('deposited', 'refused'))
);

CREATE TABLE "life_cycle_event" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "transmission" UUID NOT NULL REFERENCES "transmission" ("id") ON DELETE RESTRICT,
    "source" TEXT UNIQUE NOT NULL,
    "code" INTEGER NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "reason_code" TEXT NOT NULL DEFAULT '',
    "reason" TEXT NOT NULL DEFAULT '',
    "received_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "e_report" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "first_day" DATE NOT NULL,
    "last_day" DATE NOT NULL,
    "sequence" INTEGER NOT NULL,
    "documents" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('transactions', 'payments')),
    CONSTRAINT "days_are_ordered" CHECK (first_day <= last_day AND sequence > 0 AND documents > 0),
    CONSTRAINT "one_report_a_place" UNIQUE ("kind", "first_day", "sequence")
);

CREATE TABLE "reported_document" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "invoice" UUID NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "report" UUID NOT NULL REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_kind" UNIQUE ("invoice", "kind")
);

CREATE TABLE "settled_part" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" UUID NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "source" TEXT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "settled_at" TIMESTAMPTZ NOT NULL,
    "report" UUID REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_document" UNIQUE ("invoice", "source"),
    CONSTRAINT "moves_something" CHECK (total_minor <> 0)
);

CREATE TABLE "einvoicing_flow" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "transmission" UUID REFERENCES "transmission" ("id") ON DELETE RESTRICT,
    "report" UUID UNIQUE REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    "part" UUID UNIQUE REFERENCES "settled_part" ("id") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "body" BYTEA,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "submitted_at" TIMESTAMPTZ,
    "answered_at" TIMESTAMPTZ,
    "platform_id" TEXT UNIQUE,
    "error" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_kind" CHECK (kind IN ('invoice', 'receipt', 'transactions', 'payments')),
    CONSTRAINT "known_state" CHECK (state IN ('pending', 'submitted', 'accepted', 'refused')),
    CONSTRAINT "of_one_thing" CHECK ((kind IN ('invoice', 'receipt')) = (report IS NULL) AND num_nonnulls(transmission, report, part) = 1 AND (part IS NULL OR kind = 'receipt')),
    CONSTRAINT "one_of_each" UNIQUE ("transmission", "kind"),
    CONSTRAINT "submitted_under_an_id" CHECK (state NOT IN ('submitted', 'accepted') OR (platform_id IS NOT NULL AND submitted_at IS NOT NULL))
);


-- finance / reconciliation

CREATE TABLE "reconciliation" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "stripe_minor" BIGINT NOT NULL,
    "ledger_minor" BIGINT NOT NULL,
    "unmatched" INTEGER NOT NULL,
    "note" TEXT NOT NULL DEFAULT ''
);

CREATE TABLE "exception_note" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "form_id" UUID UNIQUE NOT NULL,
    "why" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "text" TEXT NOT NULL DEFAULT '',
    "assignee" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "author" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "says_something" CHECK (length(text) <= 2000 AND (assignee IS NOT NULL OR btrim(text) <> ''))
);

CREATE TABLE "exception_look" (
    "id" INTEGER PRIMARY KEY NOT NULL,
    "looked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_row" CHECK (id = 1)
);

CREATE TABLE "kept_exception" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "why" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "path" TEXT,
    "amount_minor" BIGINT,
    "at" TIMESTAMPTZ NOT NULL
);


-- oversight / public log

CREATE TABLE "log_entry" (
    "number" BIGINT PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "content" BYTEA NOT NULL,
    "fact" BIGINT UNIQUE REFERENCES "log_fact" ("id") ON DELETE RESTRICT,
    CONSTRAINT "number_counts_from_zero" CHECK (number >= 0),
    CONSTRAINT "content_fits_a_bundle" CHECK (length(content) BETWEEN 1 AND 65535)
);

CREATE TABLE "day_tree" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "key" BYTEA NOT NULL,
    "crown" BYTEA NOT NULL,
    CONSTRAINT "one_tree_a_day" UNIQUE ("kind", "day"),
    CONSTRAINT "key_is_long" CHECK (length(key) = 32),
    CONSTRAINT "crown_is_whole" CHECK (length(crown) = 8192)
);

CREATE TABLE "day_item" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "tree" BIGINT NOT NULL REFERENCES "day_tree" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "place" BIGINT NOT NULL,
    "digest" BYTEA NOT NULL,
    CONSTRAINT "item_logged_once" UNIQUE ("kind", "source"),
    CONSTRAINT "one_item_a_place" UNIQUE ("tree", "place"),
    CONSTRAINT "digest_is_sha256" CHECK (length(digest) = 32)
);

CREATE TABLE "log_head" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "origin" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "root" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "signed_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_head_a_size" UNIQUE ("origin", "size"),
    CONSTRAINT "size_is_positive" CHECK (size >= 1),
    CONSTRAINT "root_is_sha256" CHECK (root ~ '^[0-9a-f]{64}$')
);


-- oversight / rights

CREATE TABLE "erasure" (
    "person" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "at" TIMESTAMPTZ NOT NULL,
    "noted_at" TIMESTAMPTZ
);

CREATE TABLE "incident" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "is_drill" BOOLEAN NOT NULL,
    "title" TEXT NOT NULL,
    "known_at" TIMESTAMPTZ NOT NULL,
    "begun_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "begun_at" TIMESTAMPTZ NOT NULL,
    "closed_at" TIMESTAMPTZ,
    CONSTRAINT "title_is_bounded" CHECK (length(title) BETWEEN 3 AND 200),
    CONSTRAINT "known_before_it_was_begun" CHECK (known_at <= begun_at)
);

CREATE TABLE "incident_step" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "incident" UUID NOT NULL REFERENCES "incident" ("id") ON DELETE RESTRICT,
    "step" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "decided_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "decided_once" UNIQUE ("incident", "step")
);


-- site / jobs

CREATE TABLE "job_run" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "job" TEXT NOT NULL,
    "slot" TIMESTAMPTZ NOT NULL,
    "missed" INTEGER NOT NULL DEFAULT 0,
    "started_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "error" TEXT,
    "found" BIGINT,
    CONSTRAINT "runs_once" UNIQUE ("job", "slot")
);

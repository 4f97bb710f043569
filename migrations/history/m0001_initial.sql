-- Generated from the slices' tables.py by `python -m migrations.generate`; not edited by hand.

-- marketplace.messages.tables
CREATE TABLE "message" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "source_id" TEXT NOT NULL,
    "audience" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "details" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "reported_once" UNIQUE ("kind", "source_id", "audience", "recipient"),
    CONSTRAINT "known_audience" CHECK (audience IN ('partner', 'person', 'line', 'role'))
);
CREATE TABLE "message_read" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "message" UUID NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT,
    "reader" UUID NOT NULL,
    "read_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "read_once" UNIQUE ("message", "reader")
);

-- marketplace.log.tables
CREATE TABLE "log_fact" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "statement" JSONB NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "stated_once" UNIQUE ("kind", "subject"),
    CONSTRAINT "known_kind" CHECK (kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded'))
);

-- marketplace.identity.tables
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
    CONSTRAINT "reference_is_positive" CHECK (reference >= 0)
);
CREATE TABLE "person" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "email" TEXT UNIQUE NOT NULL,
    "name" TEXT NOT NULL,
    "sealed" BYTEA,
    "key_id" TEXT,
    "password_hash" TEXT NOT NULL,
    "language" TEXT NOT NULL DEFAULT 'fr',
    "partner" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT UNIQUE REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "staff_role" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "email_is_lower_case" CHECK (email = lower(email) AND position('@' in email) > 1),
    CONSTRAINT "one_capacity" CHECK (num_nonnulls(partner, subscriber, staff_role) = 1),
    CONSTRAINT "known_role" CHECK (staff_role IN ('steward', 'finance', 'auditor')),
    CONSTRAINT "known_language" CHECK (language IN ('fr', 'en')),
    CONSTRAINT "only_subscribers_are_sealed" CHECK ((sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL OR subscriber IS NOT NULL AND name = ''))
);
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
CREATE TABLE "staff_action" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "person" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "verb" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "before" JSONB NOT NULL,
    "after" JSONB NOT NULL,
    CONSTRAINT "verb_is_named" CHECK (verb ~ '^[a-z_]{3,60}$')
);

-- marketplace.ledger.tables
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

-- marketplace.consent.tables
CREATE TABLE "purpose" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "category" TEXT NOT NULL,
    "use" TEXT NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    CONSTRAINT "one_code_each" UNIQUE ("category", "use"),
    CONSTRAINT "code_is_composed" CHECK (code = category || '.' || use)
);
CREATE TABLE "notice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "version" INTEGER NOT NULL,
    "text_fr" TEXT NOT NULL,
    "text_en" TEXT NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_text_a_version" UNIQUE ("purpose", "version"),
    CONSTRAINT "version_is_positive" CHECK (version > 0)
);
CREATE TABLE "consent_record" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "purpose" TEXT NOT NULL REFERENCES "purpose" ("code") ON DELETE RESTRICT,
    "notice" UUID NOT NULL REFERENCES "notice" ("id") ON DELETE RESTRICT,
    "given" BOOLEAN NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "receipt" UUID UNIQUE NOT NULL
);

-- marketplace.payments.tables
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
    CONSTRAINT "known_verb" CHECK (verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget', 'account', 'transfer')),
    CONSTRAINT "known_state" CHECK (state IN ('pending', 'done', 'failed')),
    CONSTRAINT "given_up_with_a_reason" CHECK ((settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (settled_reason IS NULL) AND (settled_at IS NULL OR state = 'failed'))
);
CREATE TABLE "stripe_event" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "type" TEXT NOT NULL,
    "payload" TEXT NOT NULL,
    "came_by" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ,
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

-- marketplace.datasets.tables
CREATE TABLE "zone_table" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "document" TEXT NOT NULL,
    "sha256" TEXT NOT NULL,
    "zone_count" INTEGER NOT NULL,
    "defined_by" TEXT NOT NULL,
    "defined_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "code_is_a_slug" CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT "document_is_the_one_named" CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    CONSTRAINT "has_zones" CHECK (zone_count > 0)
);
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
    "half_life_days" INTEGER NOT NULL,
    "cadence" TEXT NOT NULL DEFAULT '',
    "created_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "code_is_a_slug" CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT "known_grain" CHECK (grain IN ('hour', 'day')),
    CONSTRAINT "h3_has_sixteen_resolutions" CHECK (h3_resolution BETWEEN 0 AND 15),
    CONSTRAINT "bounds_are_positive" CHECK (max_cells > 0 AND max_events > 0 AND half_life_days > 0),
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
    "started_at" TIMESTAMPTZ NOT NULL,
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
    "refusal" TEXT,
    CONSTRAINT "one_release_a_period" UNIQUE ("dataset", "period_from", "period_to", "specification"),
    CONSTRAINT "period_is_not_empty" CHECK (period_from < period_to),
    CONSTRAINT "known_state" CHECK (state IN ('spent', 'noised', 'assessed', 'sealed', 'refused', 'blocked')),
    CONSTRAINT "sealed_at_an_instant" CHECK ((state = 'sealed') = (sealed_at IS NOT NULL))
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
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "year" INTEGER NOT NULL REFERENCES "privacy_year" ("year") ON DELETE RESTRICT,
    "units" INTEGER NOT NULL,
    "rho_nano" BIGINT NOT NULL,
    "epsilon_micro" BIGINT NOT NULL,
    "is_pure" BOOLEAN NOT NULL,
    CONSTRAINT "once_a_year" UNIQUE ("release", "year"),
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
    "term" UUID NOT NULL REFERENCES "contributor_term" ("id") ON DELETE RESTRICT,
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

-- marketplace.catalogue.tables
CREATE TABLE "licence_terms" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "lines_fr" TEXT NOT NULL,
    "lines_en" TEXT NOT NULL,
    "months" INTEGER NOT NULL,
    CONSTRAINT "lasts_a_while" CHECK (months BETWEEN 1 AND 120)
);
CREATE TABLE "offer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT UNIQUE NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "full_worth_minor" BIGINT NOT NULL,
    "floor_minor" BIGINT NOT NULL,
    "cap_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "listed_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ,
    CONSTRAINT "prices_are_ordered" CHECK (0 < floor_minor AND floor_minor <= cap_minor AND cap_minor <= 100000000000),
    CONSTRAINT "worth_is_positive" CHECK (full_worth_minor > 0)
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
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "day" DATE NOT NULL,
    "demand_basis_points" INTEGER NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_a_day" UNIQUE ("offer", "day"),
    CONSTRAINT "draw_is_positive" CHECK (demand_basis_points > 0)
);
CREATE TABLE "quote" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "level" INTEGER NOT NULL DEFAULT 0,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "document" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "quoted_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "auction" UUID,
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "levels_count_from_the_finest" CHECK (level >= 0),
    CONSTRAINT "expires_later" CHECK (quoted_at < expires_at)
);
CREATE TABLE "quote_acceptance" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "accepted_at" TIMESTAMPTZ NOT NULL
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

-- marketplace.purchases.tables
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
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "charged_back_minor" BIGINT NOT NULL DEFAULT 0,
    "refund_requested_at" TIMESTAMPTZ,
    "refund_requested_by" TEXT,
    CONSTRAINT "adds_up" CHECK (total_minor = net_minor + vat_minor AND net_minor > 0 AND vat_minor >= 0),
    CONSTRAINT "known_rule" CHECK (vat_rule IN ('domestic', 'overseas', 'overseas_exempt', 'reverse_charge', 'unverified', 'outside_eu')),
    CONSTRAINT "known_state" CHECK (state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded', 'charged_back')),
    CONSTRAINT "paid_at_an_instant" CHECK ((state IN ('paid', 'refunded', 'charged_back')) = (paid_at IS NOT NULL)),
    CONSTRAINT "no_more_is_returned_than_was_paid" CHECK (least(returned_minor, charged_back_minor) >= 0 AND returned_minor + charged_back_minor <= total_minor),
    CONSTRAINT "gone_whole" CHECK ((state IN ('refunded', 'charged_back')) = (returned_minor + charged_back_minor = total_minor))
);
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
    "cancelled_at" TIMESTAMPTZ,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "contested_at" TIMESTAMPTZ,
    CONSTRAINT "returns_are_of_it" CHECK (returned_minor BETWEEN 0 AND net_minor),
    CONSTRAINT "rates_are_shares" CHECK (subscribers_basis_points >= 0 AND operator_basis_points >= 0 AND subscribers_basis_points + operator_basis_points <= 10000),
    CONSTRAINT "net_is_positive" CHECK (net_minor > 0)
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
CREATE TABLE "invoice_file" (
    "invoice" UUID PRIMARY KEY NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "pdf" BYTEA NOT NULL,
    "sha256" TEXT NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "hash_is_of_the_file" CHECK (sha256 = encode(sha256(pdf), 'hex'))
);

-- marketplace.auctions.tables
CREATE TABLE "auction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
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
    "reckoning" TEXT NOT NULL DEFAULT '',
    "deposit_minor" BIGINT NOT NULL DEFAULT 1000,
    "closed_at" TIMESTAMPTZ,
    "awarded_at" TIMESTAMPTZ,
    "cancelled_reason" TEXT,
    CONSTRAINT "kind_is_named" CHECK (kind <> '' AND price_rule <> ''),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'closed', 'awarded', 'cancelled')),
    CONSTRAINT "reserve_covers_what_is_forgone" CHECK (reserve_minor > 0 AND forgone_minor BETWEEN 0 AND reserve_minor),
    CONSTRAINT "one_licence_or_several" CHECK (licences > 0),
    CONSTRAINT "opens_before_it_closes" CHECK (opens_at < scheduled_close_at),
    CONSTRAINT "window_is_whole" CHECK (num_nonnulls(exclusive_from, exclusive_to) IN (0, 2) AND (exclusive_from IS NULL OR exclusive_from < exclusive_to)),
    CONSTRAINT "window_is_not_negative" CHECK (window_seconds >= 0 AND extension_seconds >= 0 AND pay_within_hours > 0),
    CONSTRAINT "steps_pair_up" CHECK (cardinality(steps_from_minor) = cardinality(steps_minor)),
    CONSTRAINT "closed_with_a_root" CHECK ((state IN ('closed', 'awarded')) = (root IS NOT NULL AND closed_at IS NOT NULL)),
    CONSTRAINT "awarded_at_an_instant" CHECK ((state = 'awarded') = (awarded_at IS NOT NULL)),
    CONSTRAINT "deposit_is_positive" CHECK (deposit_minor > 0),
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
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "pseudonym" TEXT NOT NULL,
    "position" BIGINT,
    "received_at" TIMESTAMPTZ NOT NULL,
    "maximum_minor" BIGINT,
    "sealed" BYTEA,
    "commitments" TEXT[] NOT NULL,
    "answer" TEXT NOT NULL,
    "price_minor" BIGINT,
    "closes_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_place_a_bid" UNIQUE ("auction", "position"),
    CONSTRAINT "position_is_positive" CHECK (position > 0),
    CONSTRAINT "known_answer" CHECK (answer IN ('sealed', 'leading', 'outbid_at_once', 'maximum_raised', 'refused_too_early', 'refused_too_late', 'refused_below_minimum', 'refused_not_a_raise', 'refused_already_bid')),
    CONSTRAINT "accepted_bids_have_a_place" CHECK ((position IS NULL) = (answer LIKE 'refused%')),
    CONSTRAINT "open_or_sealed" CHECK (num_nonnulls(maximum_minor, sealed) = 1)
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
CREATE TABLE "auction_transcript" (
    "auction" UUID PRIMARY KEY NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "document" BYTEA NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL
);

-- marketplace.reverse_auctions.tables
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
    "won" INTEGER,
    "reason" TEXT,
    CONSTRAINT "one_ask_a_subscriber" UNIQUE ("auction", "subscriber"),
    CONSTRAINT "answered_with_a_reason" CHECK ((won IS NULL) = (reason IS NULL) AND won IN (0, 1))
);

-- marketplace.delivery.tables
CREATE TABLE "download" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "format" TEXT NOT NULL,
    "byte_count" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_format" CHECK (format IN ('parquet', 'csv'))
);

-- marketplace.earnings.tables
CREATE TABLE "share_run" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "kind" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "known_kind" CHECK (kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back')),
    CONSTRAINT "amount_is_not_negative" CHECK (amount_minor >= 0 AND people >= 0)
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
    "cutoff_remainder" BIGINT NOT NULL,
    "cutoff_position" BIGINT NOT NULL,
    "terms" UUID[] NOT NULL DEFAULT '{}',
    "top_up_operator_minor" BIGINT NOT NULL DEFAULT 0,
    "top_up_platform_minor" BIGINT NOT NULL DEFAULT 0,
    "topped_up" BIGINT NOT NULL DEFAULT 0,
    "top_up_each_micro" BIGINT NOT NULL DEFAULT 0,
    "top_up_position" BIGINT NOT NULL DEFAULT 0,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "loss_minor" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT NOT NULL DEFAULT 'held',
    "held_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "ended_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "split_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_state" CHECK (state IN ('held', 'released', 'cancelled')),
    CONSTRAINT "ended_by_a_run" CHECK ((state = 'held') = (ended_by IS NULL)),
    CONSTRAINT "adds_up" CHECK (distributable_minor = pool_minor + operator_minor + platform_minor),
    CONSTRAINT "parts_are_not_negative" CHECK (least(fee_minor, pool_minor, operator_minor, platform_minor) >= 0),
    CONSTRAINT "operator_gives_no_more_than_its_part" CHECK (top_up_operator_minor BETWEEN 0 AND operator_minor),
    CONSTRAINT "platform_helps_when_the_operators_part_is_spent" CHECK (top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = operator_minor)),
    CONSTRAINT "only_promises_top_up" CHECK ((top_up_operator_minor + top_up_platform_minor = 0) = (topped_up = 0) AND (topped_up = 0 OR cardinality(terms) > 0) AND least(topped_up, top_up_each_micro, top_up_position) >= 0),
    CONSTRAINT "someone_contributed" CHECK (people > 0 AND total_weight > 0)
);
CREATE TABLE "former_split" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "licence" UUID NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "generation" INTEGER NOT NULL,
    "pool_minor" BIGINT NOT NULL,
    "operator_minor" BIGINT NOT NULL,
    "top_up_operator_minor" BIGINT NOT NULL,
    "top_up_platform_minor" BIGINT NOT NULL,
    "returned_minor" BIGINT NOT NULL,
    "held_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "ended_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "split_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_a_generation" UNIQUE ("licence", "generation")
);
CREATE TABLE "accrual" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" BIGINT NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "held_micro" BIGINT NOT NULL DEFAULT 0,
    "payable_micro" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "one_row_a_run" UNIQUE ("subscriber", "run"),
    CONSTRAINT "moves_something" CHECK (held_micro <> 0 OR payable_micro <> 0)
);

-- marketplace.payouts.tables
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
    CONSTRAINT "stripe_account_from_an_instant" CHECK ((stripe_account IS NULL) = (stripe_from IS NULL)),
    CONSTRAINT "threshold_is_not_negative" CHECK (threshold_minor >= 0)
);
CREATE TABLE "payout_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "route" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "threshold_minor" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
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
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "batch" INTEGER NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "details" UUID REFERENCES "bank_details" ("id") ON DELETE RESTRICT,
    "stripe_account" TEXT,
    "amount_minor" BIGINT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "reason" TEXT,
    "ended_at" TIMESTAMPTZ,
    "recredited_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    CONSTRAINT "one_payout_a_run" UNIQUE ("run", "subscriber"),
    CONSTRAINT "one_way_to_be_paid" CHECK (num_nonnulls(details, stripe_account) = 1),
    CONSTRAINT "amount_can_be_transferred" CHECK (amount_minor BETWEEN 1 AND 99999999999),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'settled', 'failed', 'cancelled')),
    CONSTRAINT "ended_at_an_instant" CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT "failed_is_recredited" CHECK ((state = 'failed') = (recredited_by IS NOT NULL AND reason IS NOT NULL))
);
CREATE TABLE "payout_answer" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "message" TEXT NOT NULL,
    "file_sha256" TEXT UNIQUE NOT NULL,
    "group_status" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "rejected" BIGINT NOT NULL,
    "received_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "received_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "rejected_is_not_negative" CHECK (rejected >= 0)
);

-- marketplace.bank.tables
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
    CONSTRAINT "known_target" CHECK (target_kind IN ('payout', 'order', 'payout_line', 'fee', 'write_off')),
    CONSTRAINT "moves_something" CHECK (amount_minor <> 0),
    CONSTRAINT "is_no_money_account" CHECK (account NOT IN ('471000', '512100', '517000'))
);

-- marketplace.finance.tables
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
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000)
);
CREATE TABLE "write_off" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "why" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "amount_minor" BIGINT,
    "happened_at" TIMESTAMPTZ NOT NULL,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);

-- marketplace.bookkeeping.tables
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

-- marketplace.jobs.tables
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

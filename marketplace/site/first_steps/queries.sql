-- name: get_progress
-- The marketplace's progress from an empty database to its first sale.
SELECT
    EXISTS (SELECT FROM purpose) AS has_purpose,
    EXISTS (SELECT FROM notice) AS has_notice,
    EXISTS (SELECT FROM dataset) AS has_dataset,
    EXISTS (SELECT FROM subscriber) AS has_lines,
    EXISTS (SELECT FROM consent_record WHERE given) AS has_consent,
    EXISTS (SELECT FROM release WHERE state IN ('assessed', 'sealed')) AS has_build,
    EXISTS (SELECT FROM release WHERE state = 'sealed') AS has_release,
    EXISTS (SELECT FROM licence_terms) AS has_terms,
    EXISTS (SELECT FROM sheet_version) AS has_sheet,
    EXISTS (SELECT FROM volume_law) AS has_law,
    EXISTS (SELECT FROM offer WHERE withdrawn_at IS NULL) AS has_offer,
    EXISTS (SELECT FROM partner WHERE vetted_at IS NOT NULL) AS has_partner,
    EXISTS (SELECT FROM bank_statement) AS has_statement,
    EXISTS (SELECT FROM stripe_event) AS has_event,
    (SELECT count(*) FROM person WHERE staff_role = 'steward') AS stewards,
    (SELECT count(*) FROM person WHERE staff_role = 'finance') AS clerks,
    (SELECT min(dataset.code) FROM dataset) AS dataset,
    (
        SELECT min(purpose.code)
        FROM purpose
        WHERE NOT EXISTS (SELECT FROM notice WHERE notice.purpose = purpose.code)
    ) AS unexplained,
    (
        SELECT min(price_sheet.code)
        FROM price_sheet
        WHERE NOT EXISTS (SELECT FROM sheet_version WHERE sheet_version.sheet = price_sheet.code)
    ) AS unstated;

-- name: list_waiting
-- Work for a steward at the instant $1, with refusals since $2: its kind, the id of its page, and its name; at most $3
-- rows.
SELECT kind, subject, title_fr, title_en
FROM (
    SELECT
        1 AS rank,
        'partner' AS kind,
        id::text AS subject,
        company AS title_fr,
        company AS title_en,
        signed_up_at AS at
    FROM partner
    WHERE vetted_at IS NULL AND refused_reason IS NULL
    UNION ALL
    SELECT 2, 'release', release.id::text, dataset.title_fr, dataset.title_en, release.started_at
    FROM release
    JOIN dataset ON dataset.code = release.dataset
    WHERE release.state = 'assessed'
    UNION ALL
    SELECT 3, 'offer', dataset.code, dataset.title_fr, dataset.title_en, dataset.created_at
    FROM dataset
    WHERE EXISTS (
            SELECT
            FROM release
            WHERE release.dataset = dataset.code
              AND release.state = 'sealed'
              AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
        )
      AND NOT EXISTS (SELECT FROM offer WHERE offer.dataset = dataset.code)
    UNION ALL
    SELECT 4, 'build', dataset.code, dataset.title_fr, dataset.title_en, build_request.ended_at
    FROM build_request
    JOIN dataset ON dataset.code = build_request.dataset
    WHERE build_request.refusal IS NOT NULL
      AND build_request.ended_at >= $2
      AND build_request.ended_at <= $1
    UNION ALL
    SELECT 5, 'budget', dataset.code, dataset.title_fr, dataset.title_en, dataset.created_at
    FROM dataset
    WHERE spent_micro > 0 AND spent_micro + 2 * epsilon_micro > budget_micro
) AS waiting
ORDER BY rank, at
LIMIT $3;

-- name: get_partner_progress
-- The partner $1's progress to its first dataset, and whether its person $2 has confirmed their address.
SELECT
    person.email_confirmed_at IS NOT NULL AS is_confirmed,
    partner.vetted_at IS NOT NULL AS is_vetted,
    partner.refused_reason,
    EXISTS (SELECT FROM billing_details WHERE billing_details.partner = partner.id) AS has_address,
    EXISTS (SELECT FROM quote WHERE quote.partner = partner.id) AS has_quote,
    EXISTS (SELECT FROM entitlement WHERE entitlement.partner = partner.id) AS has_licence,
    EXISTS (
        SELECT
        FROM download
        JOIN entitlement ON entitlement.id = download.entitlement
        WHERE entitlement.partner = partner.id
    ) AS has_download
FROM partner
JOIN person ON person.partner = partner.id
WHERE partner.id = $1
  AND person.id = $2;

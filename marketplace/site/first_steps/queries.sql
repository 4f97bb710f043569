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

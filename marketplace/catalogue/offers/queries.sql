-- name: list_listings_of
-- The datasets $1 that are for sale.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.description_fr,
    dataset.description_en,
    dataset.area,
    dataset.zone_table,
    dataset.h3_resolution,
    dataset.grain,
    dataset.time_zone,
    latest.id AS release,
    latest.period_from,
    latest.period_to,
    latest.consenting,
    latest.population,
    latest.threshold
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN LATERAL latest_release(dataset.code) AS latest ON true
WHERE offer.withdrawn_at IS NULL
  AND dataset.code = ANY($1);

-- name: get_listing
-- The dataset $1 while it is for sale, with its licence terms and its latest release.
SELECT
    licence_terms.lines_fr,
    licence_terms.lines_en,
    dataset.sectors,
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.description_fr,
    dataset.description_en,
    dataset.area,
    dataset.zone_table,
    dataset.h3_resolution,
    dataset.grain,
    dataset.time_zone,
    dataset.product,
    dataset.cadence,
    dataset.age_bands,
    dataset.unit,
    dataset.max_cells,
    dataset.max_events,
    dataset.parent_resolution,
    offer.id AS offer,
    offer.sheet,
    offer.terms,
    licence_terms.purposes,
    licence_terms.usage_right,
    licence_terms.months,
    latest.id AS latest
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN licence_terms ON licence_terms.code = offer.terms
JOIN LATERAL latest_release(dataset.code) AS latest ON true
WHERE offer.withdrawn_at IS NULL
  AND dataset.code = $1;

-- name: find_former_listing
-- The dataset $1, which had a sealed release for sale: when its offer was withdrawn, if it was, and when and why its
-- latest release was called back, if it was.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.description_fr,
    dataset.description_en,
    dataset.area,
    offer.withdrawn_at,
    revocation.revoked_at,
    revocation.reason_fr,
    revocation.reason_en
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN LATERAL (
    SELECT release.id
    FROM release
    WHERE release.dataset = dataset.code AND release.state = 'sealed'
    ORDER BY release.period_to DESC, release.sealed_at DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN revocation ON revocation.release = latest.id
WHERE dataset.code = $1;

-- name: list_listed_releases
-- The sealed releases of the dataset $1, latest period first; $2 rows, $3 rows to skip.
SELECT
    release.id,
    release.dataset,
    release.period_from,
    release.period_to,
    release.sealed_at,
    release.epsilon_micro,
    release.threshold,
    release.key_count,
    release.row_count,
    release.suppressed_micro,
    release.consenting,
    release.population,
    release.latest_event_at,
    release.revision,
    release.note_fr,
    release.note_en,
    release.schema_version,
    release.method_version,
    release.expansion_micro,
    release.delta_exponent,
    release.mean_error_micro,
    release.error_people,
    release.error_events,
    release.r_indicator_micro,
    revocation.revoked_at
FROM release
LEFT JOIN revocation ON revocation.release = release.id
WHERE release.dataset = $1
  AND release.state = 'sealed'
ORDER BY release.period_to DESC, release.sealed_at DESC
LIMIT $2
OFFSET $3;

-- name: list_series
-- The comparable figures of the latest $2 sealed releases of the dataset $1, without recalled ones; the latest period
-- first.
SELECT
    release.id,
    release.period_from,
    release.method_version,
    release.population,
    release.consenting,
    release.revision,
    (
        SELECT coalesce(array_agg(DISTINCT notice.version ORDER BY notice.version), '{}')
        FROM release_notice
        JOIN notice ON notice.id = release_notice.notice
        WHERE release_notice.release = release.id
    ) AS notices
FROM release
WHERE release.dataset = $1
  AND release.state = 'sealed'
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
ORDER BY release.period_to DESC, release.revision DESC, release.sealed_at DESC
LIMIT $2;

-- name: list_priced_offers
-- The open offers of the datasets $1 at the instant $2, with the sheet's version in force at $3 and the day's draw, if
-- any.
SELECT
    offer.id,
    offer.dataset,
    offer.terms,
    licence_terms.usage_right,
    licence_terms.months,
    offer.currency,
    offer.sheet,
    stated.sha256,
    stated.terms AS rates,
    stated.groups,
    demand_draw.demand_basis_points,
    demand_draw.sales AS demand_sales,
    demand_draw.days AS demand_days,
    demand_draw.bids AS demand_bids,
    licence_terms.purposes,
    licence_terms.countries,
    dataset.sectors
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN licence_terms ON licence_terms.code = offer.terms
JOIN LATERAL (
    SELECT sheet_version.sha256, sheet_version.terms, sheet_version.groups
    FROM sheet_version
    WHERE sheet_version.sheet = offer.sheet AND sheet_version.starts_at <= $3
    ORDER BY sheet_version.starts_at DESC, sheet_version.number DESC
    LIMIT 1
) AS stated ON true
LEFT JOIN demand_draw
  ON demand_draw.sheet = offer.sheet
  AND demand_draw.day = ($2::timestamptz AT TIME ZONE 'UTC')::date
WHERE offer.dataset = ANY($1)
  AND offer.withdrawn_at IS NULL;

-- fragment: priced
-- The inputs of a release's price.
release.id,
    release.dataset,
    release.state,
    release.period_from,
    release.period_to,
    release.latest_event_at,
    release.key_count,
    release.row_count,
    release.consenting,
    release.population,
    release.noise_variance_micro,
    ARRAY(
        SELECT coverage.consenting
        FROM coverage
        WHERE coverage.release = release.id AND coverage.kind = 'band'
        ORDER BY coverage.name
    ) AS consenting_by_band,
    ARRAY(
        SELECT coverage.population
        FROM coverage
        WHERE coverage.release = release.id AND coverage.kind = 'band'
        ORDER BY coverage.name
    ) AS population_by_band,
    release.hours_by_day,
    release.published_by_day

-- name: list_priced_releases
-- The inputs of the prices of the releases $1, the latest period first.
SELECT
    {priced}
FROM release
WHERE release.id = ANY($1)
ORDER BY release.period_to DESC;

-- name: find_listed_release
-- The sealed release $1.
SELECT
    {priced},
    release.epsilon_micro,
    release.delta_exponent,
    release.threshold,
    release.suppressed_micro,
    release.r_indicator_micro,
    release.error_people,
    release.revision,
    release.note_fr,
    release.note_en,
    release.schema_version,
    release.method_version,
    release.expansion_micro,
    release.published_people
FROM release
WHERE release.id = $1
  AND release.state = 'sealed';

-- name: is_quoted_beyond
-- Whether a price of the offer $1 that was not ordered yet may be ordered until after the instant $2.
SELECT EXISTS (
    SELECT
    FROM quote
    WHERE offer = $1
      AND expires_at > $2
      AND auction IS NULL
      AND NOT EXISTS (SELECT FROM quote_acceptance WHERE quote_acceptance.quote = quote.id)
);

-- name: list_past_draws
-- The demand multipliers of the sheet $1 before the day $2, by day, with their evidence, and whether exclusive windows
-- prevented everybody from buying all of its datasets for a part of the day.
SELECT
    demand_draw.day,
    demand_draw.demand_basis_points,
    demand_draw.sales,
    demand_draw.days,
    demand_draw.bids,
    NOT EXISTS (
        SELECT
        FROM offer
        WHERE offer.sheet = demand_draw.sheet
          AND NOT EXISTS (
              SELECT
              FROM exclusive_window
              WHERE exclusive_window.offer = offer.id
                AND exclusive_window.starts_at < (demand_draw.day + 1)::timestamp AT TIME ZONE 'UTC'
                AND exclusive_window.ends_at > demand_draw.day::timestamp AT TIME ZONE 'UTC'
          )
    ) AS is_shut
FROM demand_draw
WHERE demand_draw.sheet = $1
  AND demand_draw.day < $2
ORDER BY demand_draw.day;

-- name: list_posted_sales
-- Partners' payments at posted prices on the sheet $1 that were quoted in [$2, $3), by UTC day. A sale on credit counts
-- until it is overdue at $3 or written off, and again once it is paid.
SELECT
    (quote.quoted_at AT TIME ZONE 'UTC')::date AS day,
    quote.partner::text AS partner,
    posted_sale.neutral_minor
FROM posted_sale
JOIN quote ON quote.id = posted_sale.quote
JOIN offer ON offer.id = quote.offer
LEFT JOIN credit_sale ON credit_sale.subject = posted_sale.credit_sale
WHERE offer.sheet = $1
  AND quote.quoted_at >= $2
  AND quote.quoted_at < $3
  AND posted_sale.returned_at IS NULL
  AND (
      posted_sale.credit_sale IS NULL
      OR credit_sale.settled_at IS NOT NULL
      OR credit_sale.due_at >= $3 AND credit_sale.written_off_minor = 0
  );

-- name: list_observed_values
-- The highest bid of each partner and quarter for what is on the sheet $1 that auctions revealed since $2, and the
-- auction's reserve, as demand multipliers.
SELECT DISTINCT ON (partner, date_trunc('quarter', observed_at AT TIME ZONE 'UTC'))
    value_basis_points,
    reserve_basis_points
FROM observed_bid
JOIN offer ON offer.id = observed_bid.offer
WHERE offer.sheet = $1
  AND observed_at >= $2
ORDER BY partner, date_trunc('quarter', observed_at AT TIME ZONE 'UTC'), value_basis_points DESC, reserve_basis_points;

-- fragment: compared
-- What licence terms and a dataset allow, next to the partner's country, sector and stated use.
SELECT
    licence_terms.usage_right,
    licence_terms.months,
    licence_terms.purposes,
    licence_terms.countries,
    dataset.sectors,
    partner.country,
    partner_sector.sector,
    intended_use.usage_right AS wanted_right,
    intended_use.purpose
FROM licence_terms
CROSS JOIN dataset
CROSS JOIN partner
LEFT JOIN partner_sector ON partner_sector.partner = partner.id
LEFT JOIN intended_use ON intended_use.partner = partner.id AND intended_use.terms = licence_terms.code

-- name: find_use
-- The same for the partner $1, the terms $2 and the dataset $3.
{compared}
WHERE partner.id = $1
  AND licence_terms.code = $2
  AND dataset.code = $3;

-- name: find_use_of_quote
-- The same for the quote $1.
{compared}
JOIN quote ON quote.partner = partner.id AND quote.terms = licence_terms.code
JOIN release ON release.id = quote.release AND release.dataset = dataset.code
WHERE quote.id = $1;

-- name: get_quote
-- The quote $1 of the partner $2 at the instant $3, with its subject.
SELECT
    quote.id,
    quote.partner,
    quote.release,
    quote.level,
    quote.amount_minor,
    quote.document,
    quote.signature,
    quote.expires_at,
    quote.auction,
    quote.terms,
    quote.months,
    quote.currency,
    quote.quoted_at,
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    quote.expires_at <= $3 AS is_expired,
    quote_acceptance.quote IS NOT NULL AS is_ordered
FROM quote
JOIN release ON release.id = quote.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN quote_acceptance ON quote_acceptance.quote = quote.id
WHERE quote.id = $1
  AND quote.partner = $2;

-- name: write_awarded_quote
-- Writes the quote $1 of the partner $2 for the release $4 of the offer $3, at the price $5 of the auction $10; $6
-- document, $7 signature, $8 quoted at, $9 expires at, $11 licence terms, $12 months.
INSERT INTO quote (
    id, partner, offer, release, amount_minor, currency, document, signature, quoted_at, expires_at, auction, terms,
    months
)
SELECT $1, $2, offer.id, $4, $5, offer.currency, $6, $7, $8, $9, $10, $11, $12
FROM offer
WHERE offer.id = $3;

-- name: list_starts
-- When the versions of the sheet of the offer $1 and the laws of its currency start, strictly between $2 and $3.
SELECT sheet_version.starts_at
FROM offer
JOIN sheet_version ON sheet_version.sheet = offer.sheet
WHERE offer.id = $1
  AND sheet_version.starts_at > $2
  AND sheet_version.starts_at < $3
UNION
SELECT volume_law.starts_at
FROM offer
JOIN volume_law ON volume_law.currency = offer.currency
WHERE offer.id = $1
  AND volume_law.starts_at > $2
  AND volume_law.starts_at < $3
ORDER BY starts_at;

-- name: list_to_preview
-- The published releases that count what the market $1 does: of offers on its sheet, and of datasets that are not on
-- offer; by dataset, the latest period first.
SELECT
    release.id AS release,
    dataset.code AS dataset,
    dataset.title_fr,
    dataset.title_en,
    release.period_from,
    release.period_to,
    offer.id IS NOT NULL AS is_on_sale
FROM price_sheet
JOIN dataset
  ON dataset.product = price_sheet.product
  AND dataset.grain = price_sheet.grain
  AND dataset.h3_resolution = price_sheet.h3_resolution
  AND dataset.zone_table IS NOT DISTINCT FROM price_sheet.zone_table
LEFT JOIN offer ON offer.dataset = dataset.code AND offer.withdrawn_at IS NULL
JOIN release ON release.dataset = dataset.code AND release.state = 'sealed'
WHERE price_sheet.code = $1
  AND (offer.id IS NULL OR offer.sheet = price_sheet.code)
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
ORDER BY dataset.code, release.period_to DESC;

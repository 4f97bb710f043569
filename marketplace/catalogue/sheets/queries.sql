-- name: list_sheets_of
-- The sheets of the markets that count the same figures as the dataset $1.
SELECT price_sheet.code, price_sheet.title_fr, price_sheet.title_en, price_sheet.product, price_sheet.grain,
    price_sheet.zone_table, price_sheet.h3_resolution, price_sheet.currency
FROM price_sheet
JOIN dataset
  ON dataset.product = price_sheet.product
  AND dataset.grain = price_sheet.grain
  AND dataset.h3_resolution = price_sheet.h3_resolution
  AND dataset.zone_table IS NOT DISTINCT FROM price_sheet.zone_table
WHERE dataset.code = $1
ORDER BY price_sheet.code;

-- name: get_version
-- The version of the sheet $1 that is in force at $2.
SELECT sheet_version.id, sheet_version.sheet, sheet_version.number, document, sheet_version.sha256, groups,
    starts_at, stated_by, stated_at
FROM sheet_version
WHERE sheet_version.sheet = $1 AND starts_at <= $2
ORDER BY starts_at DESC, sheet_version.number DESC
LIMIT 1;

-- name: find_digest
-- The digest of the version of the sheet $1 that is in force at $2.
SELECT sheet_version.sha256
FROM sheet_version
WHERE sheet_version.sheet = $1 AND starts_at <= $2
ORDER BY starts_at DESC, sheet_version.number DESC
LIMIT 1;

-- name: list_laws_between
-- The laws of volume of the currency $1 that are in force at some instant from $2 until before $3.
SELECT starts_minor, rates_basis_points, least_minor
FROM volume_law
WHERE currency = $1
  AND starts_at < $3
  AND NOT EXISTS (
      SELECT FROM volume_law AS later
      WHERE later.currency = $1 AND later.starts_at > volume_law.starts_at AND later.starts_at <= $2
  );

-- name: get_least_kept
-- The highest least charge in the currency $1 that is kept beyond $2; null: none is.
SELECT max(least_minor) FROM least_kept WHERE currency = $1 AND until > $2;

-- name: list_points
-- The points of the releases $2 and their editions on the sheets $1.
SELECT sheet_version.sheet, release_points.release, release_points.level, release_points.spans, release_points.stages
FROM release_points
JOIN sheet_version ON sheet_version.id = release_points.version
WHERE sheet_version.sheet = any($1) AND release_points.release = any($2);

-- name: list_constants
-- The versions of the sheet $1 by which points are counted, the first to start first: from the first one that something
-- has points by; before anything has, from the one in force at $2.
SELECT id, sheet, number, document, sha256, groups, starts_at, stated_by, stated_at
FROM sheet_version
WHERE sheet = $1
  AND number >= coalesce(
      (
          SELECT counted.number
          FROM sheet_version AS counted
          WHERE counted.sheet = $1 AND EXISTS (SELECT FROM release_points WHERE release_points.version = counted.id)
          ORDER BY counted.number
          LIMIT 1
      ),
      (
          SELECT in_force.number
          FROM sheet_version AS in_force
          WHERE in_force.sheet = $1 AND in_force.starts_at <= $2
          ORDER BY in_force.starts_at DESC, in_force.number DESC
          LIMIT 1
      )
  )
ORDER BY starts_at, number;

-- name: list_figures
-- What the releases of the datasets $1 that are published, or can be, and their editions publish, of those that have no
-- points on the sheet $2; null: of all.
SELECT published.release, published.level, release.dataset, release.period_from, published.hours_by_day,
    published.published_by_figure, published.noise_variance_micro
FROM (
    SELECT id AS release, 0 AS level, hours_by_day, published_by_figure, noise_variance_micro
    FROM release
    UNION ALL SELECT release, level, hours_by_day, published_by_figure, noise_variance_micro FROM edition
) AS published
INNER JOIN release ON release.id = published.release AND release.state IN ('assessed', 'sealed')
WHERE release.dataset = any($1)
  AND NOT EXISTS (
      SELECT FROM release_points
      JOIN sheet_version ON sheet_version.id = release_points.version
      WHERE release_points.release = published.release AND release_points.level = published.level
        AND sheet_version.sheet = $2
  );

-- name: list_consent
-- How many of each area and age band of the releases $1 consent, as published.
SELECT release, kind, name, population, consenting
FROM coverage
WHERE release = any($1)
ORDER BY release, kind, name;

-- name: add_points
-- Notes the points of releases: the version $1 in force, the releases $2, the levels $3, the spans $4, the stages $5
-- (JSON).
INSERT INTO release_points (version, release, level, spans, stages)
SELECT $1, release, level, spans, ARRAY(SELECT jsonb_array_elements_text(stages::jsonb)::bigint)
FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[]) AS counted (release, level, spans, stages)
ON CONFLICT DO NOTHING;

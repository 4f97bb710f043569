-- name: list_switched_lines
-- Each line that has narrowed a purpose, with each purpose of $1 that it consents to at $2, by line.
SELECT DISTINCT consent_record.subscriber, word.purpose
FROM consent_record
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (last.purpose) last.purpose, last.given
    FROM consent_record AS last
    WHERE last.subscriber = consent_record.subscriber AND last.purpose = ANY ($1) AND last.at <= $2
    ORDER BY last.purpose, last.at DESC, last.id DESC
) AS word
WHERE consent_record.covers IS NOT NULL AND word.given
ORDER BY consent_record.subscriber, word.purpose;

-- name: find_pause
-- The current pause of the line $1's holder, if any; another holder's ended with them.
SELECT id, paused_at
FROM consent_pause
JOIN subscriber AS line ON line.reference = consent_pause.subscriber
WHERE consent_pause.subscriber = $1 AND resumed_at IS NULL AND paused_at > coalesce(erased_at, '-infinity')
ORDER BY paused_at DESC
LIMIT 1;

-- name: list_sectors
-- Vetted partners with their sectors, those without one first; $1 rows, $2 rows to skip.
SELECT partner.id AS partner, partner.company, partner_sector.sector, partner_sector.stated_by, partner_sector.stated_at
FROM partner
LEFT JOIN partner_sector ON partner_sector.partner = partner.id
WHERE partner.vetted_at IS NOT NULL
ORDER BY partner_sector.sector IS NOT NULL, partner.company, partner.id
LIMIT $1
OFFSET $2;

-- fragment: offered
-- A private offer with whose it is and how many licences were bought under it.
SELECT
    private_offer.id,
    private_offer.partner,
    partner.company,
    private_offer.dataset,
    dataset.title_fr,
    dataset.title_en,
    private_offer.basis_points,
    private_offer.months,
    private_offer.made_by,
    private_offer.made_at,
    private_offer.ends_at,
    private_offer.withdrawn_at,
    (
        SELECT count(*)
        FROM private_quote
        JOIN licence ON licence.quote = private_quote.quote
        WHERE private_quote.private_offer = private_offer.id
    ) AS bought
FROM private_offer
JOIN partner ON partner.id = private_offer.partner
JOIN dataset ON dataset.code = private_offer.dataset

-- name: list_open
-- The private offers of the partner $1 that are open at $2, the first to end first.
{offered}
WHERE private_offer.partner = $1
  AND private_offer.withdrawn_at IS NULL
  AND private_offer.ends_at > $2
ORDER BY private_offer.ends_at, private_offer.id;

-- name: list_all
-- All private offers, the latest first; $1 rows, $2 rows to skip.
{offered}
ORDER BY private_offer.made_at DESC, private_offer.id
LIMIT $1
OFFSET $2;

-- name: get
-- The private offer $1.
{offered}
WHERE private_offer.id = $1;

-- name: list_misused
-- Quotes under private offers that are another partner's, of another dataset, signed when it was not open, for another
-- part of the price or length of licence, or less than the least charge of their document; such sales that demand
-- learnt from, and such licences whose people share another price than the posted one.
SELECT private_quote.quote, private_quote.private_offer
FROM private_quote
JOIN private_offer ON private_offer.id = private_quote.private_offer
JOIN quote ON quote.id = private_quote.quote
JOIN release ON release.id = quote.release
CROSS JOIN LATERAL (SELECT convert_from(quote.document, 'UTF8')::jsonb AS stated) AS document
WHERE (quote.partner, release.dataset) <> (private_offer.partner, private_offer.dataset)
   OR quote.quoted_at < private_offer.made_at
   OR quote.quoted_at >= least(private_offer.ends_at, private_offer.withdrawn_at)
   OR (stated ->> 'private_basis_points')::integer IS DISTINCT FROM private_offer.basis_points
   OR (private_offer.months <> '{}' AND quote.months <> ALL(private_offer.months))
   OR quote.amount_minor < (stated #>> '{price,law,least_minor}')::bigint
   OR EXISTS (SELECT FROM posted_sale WHERE posted_sale.quote = private_quote.quote)
   OR EXISTS (
       SELECT FROM licence
       WHERE licence.quote = private_quote.quote
         AND licence.posted_minor IS DISTINCT FROM (stated #>> '{price,amount_minor}')::bigint
   );

-- name: list_agreed
-- What the partners $1 ordered since $2 for less than everybody pays, and their orders $3 of any time; nothing that was
-- not paid, or all given back.
SELECT
    quote.partner,
    quote.release,
    quote.level,
    quote.amount_minor,
    quote.expires_at,
    licence_terms.usage_right,
    licence_terms.months,
    licence_terms.purposes,
    licence_terms.countries
FROM purchase_order
JOIN quote ON quote.id = purchase_order.quote AND quote.auction IS NULL
JOIN licence_terms ON licence_terms.code = quote.terms
WHERE purchase_order.partner = ANY($1)
  AND purchase_order.state NOT IN ('lapsed', 'refunded')
  AND (
      purchase_order.id = ANY($3)
      OR purchase_order.ordered_at > $2
      AND convert_from(quote.document, 'UTF8')::jsonb
          ?| ARRAY['private_basis_points', 'volume_basis_points', 'most_minor']
  );

-- name: list_signed
-- What the quotes $1 are of, and what each costs.
SELECT quote.release, quote.level, licence_terms.months, quote.amount_minor
FROM quote
JOIN licence_terms ON licence_terms.code = quote.terms
WHERE quote.id = ANY($1);

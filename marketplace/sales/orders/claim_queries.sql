-- name: list_of_order
-- The claims of the order $1, the latest first; the partner may not read a mere proposal.
SELECT
    id,
    reason,
    evidence,
    filed_at,
    outcome,
    CASE WHEN outcome IN ('refund', 'dismissed') THEN answer ELSE '' END AS answer,
    CASE outcome WHEN 'refund' THEN refund_minor END AS refund_minor,
    ended_at
FROM claim
WHERE purchase_order = $1
ORDER BY filed_at DESC, id;

-- fragment: claimed
-- A claim with its order, what remains of the payment, and who proposed and decided.
SELECT
    claim.id,
    claim.purchase_order,
    purchase_order.number,
    purchase_order.partner,
    partner.company,
    release.dataset,
    dataset.title_fr,
    dataset.title_en,
    purchase_order.currency,
    purchase_order.total_minor,
    purchase_order.total_minor - purchase_order.returned_minor - purchase_order.charged_back_minor AS left_minor,
    licence.hold_until,
    claim.reason,
    claim.evidence,
    claim.filed_at,
    claim.proposal,
    claim.refund_minor,
    claim.answer,
    claim.proposed_by,
    proposer.name AS proposer,
    claim.outcome,
    decider.name AS decider,
    claim.ended_at
FROM claim
JOIN purchase_order ON purchase_order.id = claim.purchase_order
JOIN order_lot ON order_lot.purchase_order = purchase_order.id AND order_lot.position = 1
JOIN licence ON licence.quote = order_lot.quote
JOIN partner ON partner.id = purchase_order.partner
JOIN release ON release.id = licence.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN person AS proposer ON proposer.id = claim.proposed_by
LEFT JOIN person AS decider ON decider.id = claim.decided_by

-- name: list_claims
-- All claims, the open ones first and of them the oldest; $1 rows, $2 rows to skip.
{claimed}
ORDER BY
    claim.outcome <> '',
    CASE claim.outcome WHEN '' THEN claim.filed_at END,
    claim.ended_at DESC,
    claim.id
LIMIT $1
OFFSET $2;

-- name: get_claim
-- The claim $1.
{claimed}
WHERE claim.id = $1;

-- name: list_not_frozen
-- Open claims whose licence does not wait for them, and licences that wait for a claim that is not open.
SELECT purchase_order.id AS "order", claim.id AS claim, licence.claimed_at
FROM purchase_order
JOIN licence ON licence.purchase_order = purchase_order.id
LEFT JOIN claim ON claim.purchase_order = purchase_order.id AND claim.outcome = ''
WHERE (claim.id IS NULL) <> (licence.claimed_at IS NULL)
   OR licence.claimed_at IS NOT NULL AND licence.contested_at IS NULL;

-- name: list_not_refunded
-- Granted claims whose refund was not requested from Stripe, or in another amount.
SELECT claim.id, claim.refund_minor
FROM claim
WHERE claim.outcome = 'refund'
  AND NOT EXISTS (
      SELECT
      FROM stripe_command
      WHERE stripe_command.id = claim.id
        AND stripe_command.verb = 'refund'
        AND stripe_command.subject = claim.purchase_order
        AND stripe_command.amount_minor = claim.refund_minor
  );

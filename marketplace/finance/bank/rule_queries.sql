-- name: list_rules
-- Every rule with who proposed, decided and ended it, and how many lines it books now, or of them those ($1) that are
-- current or ended.
SELECT
    bank_rule.id,
    bank_rule.words,
    bank_rule.comes_in,
    bank_rule.most_minor,
    bank_rule.account,
    proposal.reason,
    proposal.proposed_at,
    proposal.decided_at,
    bank_rule.ended_at,
    proposer.name AS proposer,
    decider.name AS decider,
    ender.name AS ender,
    (
        SELECT count(*)
        FROM bank_match
        WHERE reasons = 'by_rule ' || bank_rule.id AND undone_at IS NULL
    ) AS booked
FROM bank_rule
JOIN proposal ON proposal.id = bank_rule.id
JOIN person AS proposer ON proposer.id = proposal.proposed_by
JOIN person AS decider ON decider.id = proposal.decided_by
LEFT JOIN person AS ender ON ender.id = bank_rule.ended_by
WHERE CASE $1::text
    WHEN 'current' THEN bank_rule.ended_at IS NULL
    WHEN 'ended' THEN bank_rule.ended_at IS NOT NULL
    ELSE true
END;

-- name: list_alike
-- The lines that a rule would be for, the latest $4 of them, with what explains each now (or nothing): $1 its words,
-- $2 whether they came in, $3 the largest amount. `in_all` is how many there are.
SELECT
    bank_line.id,
    reference,
    booked_on,
    bank_line.amount_minor,
    counterparty,
    remittance,
    coalesce(
        (
            SELECT string_agg(DISTINCT account, ' ' ORDER BY account)
            FROM bank_match
            WHERE line = bank_line.id AND undone_at IS NULL
        ),
        ''
    ) AS accounts,
    count(*) OVER () AS in_all
FROM bank_line
WHERE (bank_line.amount_minor > 0) = $2
  AND abs(bank_line.amount_minor) <= $3
  AND position(lower($1) IN lower(concat_ws(' ', counterparty, remittance, code))) > 0
ORDER BY booked_on DESC, bank_line.id DESC
LIMIT $4;

-- name: lines_to_book
-- The open lines that rules book, $1 of them at most, each with its rule. A line that rules would book on two accounts
-- waits for a person, and so does one that a rule booked and a person opened again, or that bears a payout's reference.
SELECT bank_line.id AS line, bank_line.amount_minor, min(bank_rule.account) AS account, min(bank_rule.id::text) AS rule
FROM bank_line
JOIN bank_rule
    ON ended_at IS NULL
   AND (bank_line.amount_minor > 0) = comes_in
   AND abs(bank_line.amount_minor) <= most_minor
   AND position(lower(words) IN lower(concat_ws(' ', counterparty, remittance, code))) > 0
WHERE NOT EXISTS (
    SELECT FROM bank_match WHERE line = bank_line.id AND (undone_at IS NULL OR starts_with(reasons, 'by_rule'))
)
  AND NOT starts_with(end_to_end_id, 'PT')
  AND NOT starts_with(batch_id, 'PT')
GROUP BY bank_line.id
HAVING count(DISTINCT bank_rule.account) = 1
ORDER BY bank_line.id
LIMIT $1;

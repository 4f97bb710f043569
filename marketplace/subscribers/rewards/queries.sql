-- fragment: due
-- Every holder who chose the way $1 and has at least a cent without an open payout, and the association of a gift.
SELECT choice.subscriber, div(sum(payable_micro), 10000)::bigint AS amount_minor, coalesce(choice.gift_to, '') AS what
FROM payout_choice AS choice
JOIN subscriber ON reference = choice.subscriber AND choice.chosen_at >= claimed_at
JOIN payable_movements() AS moved ON moved.subscriber = choice.subscriber
WHERE choice.way = $1 AND NOT choice.is_last
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = choice.subscriber AND payout.state = 'open')
  AND (choice.way <> 'gift' OR EXISTS (SELECT FROM association WHERE code = choice.gift_to AND ended_at IS NULL))
GROUP BY choice.subscriber
HAVING sum(payable_micro) >= 10000

-- name: stage_rewarded
-- Makes the table `rewarded` of the people whose money a run moves.
CREATE TEMPORARY TABLE rewarded (
    subscriber BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    what TEXT NOT NULL
);

-- name: find_due
-- Puts everyone due by the way $1 into `rewarded`; see the fragment `due`.
INSERT INTO rewarded (subscriber, amount_minor, what)
{due};

-- name: sum_due
-- How many are due by the way $1, and the sum in cents.
SELECT count(*) AS people, coalesce(sum(amount_minor), 0)::bigint AS amount_minor
FROM ({due}) AS waiting;

-- name: write_rewards
-- Writes each person's part of the run $1, in the state $2.
INSERT INTO reward (id, run, subscriber, amount_minor, what, state)
SELECT gen_random_uuid(), $1, subscriber, amount_minor, what, $2
FROM rewarded;

-- name: get_spendable
-- What the line $1 can spend, in micro-euros: its balance less payouts under way.
SELECT (
    (SELECT coalesce(sum(payable_micro), 0) FROM payable_movements() AS moved WHERE moved.subscriber = $1)
    - (SELECT coalesce(sum(amount_minor), 0) FROM payout WHERE subscriber = $1 AND state = 'open') * 10000
)::bigint AS payable_micro;

-- name: list_rewards
-- The rewards of the holder of the line $1, other than transfers, the latest first; $2 rows, $3 rows to skip.
SELECT
    reward.id,
    reward_run.way,
    reward.amount_minor,
    reward.state,
    reward.reason,
    reward_run.made_at,
    coalesce(association.name, benefit.title_fr, '') AS title_fr,
    coalesce(association.name, benefit.title_en, '') AS title_en
FROM reward
JOIN reward_run ON reward_run.id = reward.run
JOIN subscriber ON reference = reward.subscriber AND made_at >= claimed_at
LEFT JOIN association ON association.code = reward.what AND reward_run.way = 'gift'
LEFT JOIN benefit ON benefit.code = reward.what AND reward_run.way = 'benefit'
WHERE reward.subscriber = $1
ORDER BY reward_run.made_at DESC, reward.id
LIMIT $2
OFFSET $3;

-- name: get_way
-- How the holder of the line $1 wants the money, and the association of a gift.
SELECT way, gift_to
FROM payout_choice AS choice
JOIN subscriber ON reference = choice.subscriber AND chosen_at >= claimed_at
WHERE choice.subscriber = $1;

-- name: list_gifts_of_year
-- What the holder of the line $1 gave to each association in [$2, $3), in cents.
SELECT association.name, sum(reward.amount_minor)::bigint AS amount_minor, count(*) AS gifts
FROM reward
JOIN reward_run ON reward_run.id = reward.run
JOIN subscriber ON reference = reward.subscriber AND made_at >= claimed_at
JOIN association ON association.code = reward.what
WHERE reward.subscriber = $1 AND reward_run.way = 'gift' AND made_at >= $2 AND made_at < $3
GROUP BY association.code
ORDER BY association.name;

-- name: list_runs
-- The runs of bills and gifts, and the unanswered benefits, the latest first; $1 rows, $2 rows to skip.
SELECT
    reward_run.id,
    reward_run.way,
    reward_run.amount_minor,
    reward_run.people,
    reward_run.made_at,
    (SELECT count(*) FROM reward WHERE reward.run = reward_run.id AND state = 'open') AS open,
    (SELECT count(*) FROM reward WHERE reward.run = reward_run.id AND state = 'refused') AS refused
FROM reward_run
ORDER BY made_at DESC, id
LIMIT $1
OFFSET $2;

-- fragment: gifts_by_month
-- The gifts to each association in each month of Paris, in cents, and the number of givers.
SELECT
    date_trunc('month', reward_run.made_at AT TIME ZONE 'Europe/Paris')::date AS month,
    reward.what AS association,
    sum(reward.amount_minor)::bigint AS amount_minor,
    count(DISTINCT reward.subscriber) AS people
FROM reward
JOIN reward_run ON reward_run.id = reward.run
WHERE reward_run.way = 'gift'
GROUP BY 1, 2

-- name: list_gift_months
-- The months with gifts, the latest first: their sum, the number of associations, and whether they were paid; $1 rows.
SELECT
    given.month,
    sum(given.amount_minor)::bigint AS amount_minor,
    count(*) AS associations,
    bool_and(gift_payment.id IS NOT NULL) AS is_paid
FROM ({gifts_by_month}) AS given
LEFT JOIN gift_payment ON gift_payment.month = given.month AND gift_payment.association = given.association
GROUP BY given.month
ORDER BY given.month DESC
LIMIT $1;

-- name: find_own_association
-- An association that $2 listed and that received gifts in the month $1.
SELECT association.name
FROM ({gifts_by_month}) AS given
JOIN association ON association.code = given.association
WHERE given.month = $1 AND association.listed_by = $2
LIMIT 1;

-- name: pay_gifts
-- Makes the payments of the month $1's gifts at $2, by $3: one for each association that has no payment yet.
INSERT INTO gift_payment (id, month, association, name, iban, amount_minor, people, made_at, made_by)
SELECT
    gen_random_uuid(),
    given.month,
    given.association,
    association.name,
    association.pays_to,
    given.amount_minor,
    given.people,
    $2,
    $3
FROM ({gifts_by_month}) AS given
JOIN association ON association.code = given.association
WHERE given.month = $1
ON CONFLICT (month, association) DO NOTHING;

-- name: payments_unlike_gifts
-- The payments to associations that differ from their month's gifts.
SELECT gift_payment.id AS payment, gift_payment.amount_minor, given.amount_minor AS given_minor
FROM gift_payment
LEFT JOIN ({gifts_by_month}) AS given
    ON given.month = gift_payment.month AND given.association = gift_payment.association
WHERE gift_payment.amount_minor IS DISTINCT FROM given.amount_minor;

-- name: list_open_lines
-- The lines that billing has not answered, as lines of CSV: number, line, what, cents, currency $1.
SELECT
    concat_ws(
        ',',
        reward.id,
        reward.subscriber,
        CASE reward_run.way WHEN 'bill' THEN 'credit' ELSE reward.what END,
        reward.amount_minor,
        $1::text
    ) AS line
FROM reward
JOIN reward_run ON reward_run.id = reward.run
WHERE reward.state = 'open' AND reward_run.way IN ('bill', 'benefit')
ORDER BY reward_run.made_at, reward.subscriber;

-- name: stage_answered
-- Makes the table `answered` for a file of billing.
CREATE TEMPORARY TABLE answered (
    id UUID NOT NULL,
    is_done BOOLEAN NOT NULL,
    reason TEXT NOT NULL
);

-- name: find_answers
-- Puts a file's answers into `answered`: $1 numbers, $2 whether each was credited, $3 why not.
INSERT INTO answered (id, is_done, reason)
SELECT id, is_done, reason
FROM unnest($1::uuid[], $2::boolean[], $3::text[]) AS line (id, is_done, reason);

-- name: find_strange_answer
-- The first answered number that is not an open line, or is answered twice.
SELECT answered.id
FROM answered
LEFT JOIN reward ON reward.id = answered.id AND reward.state = 'open'
GROUP BY answered.id
HAVING bool_or(reward.id IS NULL) OR count(*) > 1
ORDER BY answered.id
LIMIT 1;

-- name: sum_answers
-- For the answered lines of each way: cents credited, and cents and people refused.
SELECT
    reward_run.way,
    coalesce(sum(amount) FILTER (WHERE is_done), 0)::bigint AS done_minor,
    coalesce(sum(amount) FILTER (WHERE NOT is_done), 0)::bigint AS refused_minor
FROM answered
JOIN LATERAL (SELECT run, amount_minor AS amount FROM reward WHERE reward.id = answered.id) AS one ON true
JOIN reward_run ON reward_run.id = one.run
GROUP BY reward_run.way
ORDER BY reward_run.way;

-- name: end_rewards
-- Ends the answered lines with the answer $1.
UPDATE reward
SET state = CASE WHEN answered.is_done THEN 'done' ELSE 'refused' END, reason = answered.reason, answer = $1
FROM answered
WHERE reward.id = answered.id;

-- name: accounts_unlike_rewards
-- The accounts of bills $1, gifts $2 and benefits $3 whose credits and answers differ from those of their rewards.
SELECT stated.account, stated.open_minor, books.minor AS books_minor
FROM (
    SELECT account, coalesce(sum(reward.amount_minor) FILTER (WHERE reward.state = state_owed), 0) AS open_minor
    FROM (
        VALUES ('bill', $1::text, 'open'), ('gift', $2, 'done'), ('benefit', $3, 'open')
    ) AS of_way (way, account, state_owed)
    LEFT JOIN reward_run ON reward_run.way = of_way.way
    LEFT JOIN reward ON reward.run = reward_run.id
    GROUP BY account
) AS stated
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(CASE WHEN credit = stated.account THEN amount_minor ELSE 0 END), 0)
        - coalesce(sum(CASE WHEN debit = stated.account THEN amount_minor ELSE 0 END), 0) AS minor
    FROM posting
    JOIN journal_entry ON journal_entry.id = posting.entry
    WHERE stated.account IN (debit, credit)
      AND journal_entry.kind IN ('rewards_moved', 'rewards_answered', 'rewards_back')
) AS books
WHERE stated.open_minor <> books.minor;

-- fragment: decided
-- The farms of the statement before as `farm`, each with its last decision; $2 rows, the undecided first, then those
-- with stopped payouts.
SELECT
    farm.key,
    farm.name,
    farm.lines,
    farm.is_held,
    farm.first_at,
    last.decision,
    last.reason,
    last.lines AS decided_lines,
    last.decided_at,
    person.name AS decided_by
FROM farm
LEFT JOIN LATERAL (
    SELECT decision, reason, lines, decided_at, decided_by
    FROM farm_decision
    WHERE farm_decision.kind = farm.kind AND farm_decision.key = farm.key
    ORDER BY decided_at DESC
    LIMIT 1
) AS last ON true
LEFT JOIN person ON person.id = last.decided_by
ORDER BY last.lines IS NOT NULL AND farm.lines <= last.lines, farm.is_held DESC, farm.lines DESC, farm.first_at
LIMIT $2

-- fragment: browser
-- The mark of a session's browser at one network.
encode(sha256(convert_to(session.device || ' ' || session.network, 'UTF8')), 'hex')

-- name: list_account_farms
-- Accounts that are the payout account of $1 lines or more, or whose payouts wait for a person, however few lines they
-- have now; $2 rows.
WITH farm AS (
    SELECT
        'account' AS kind,
        fingerprint AS key,
        min(country) || ' … ' || min(last_four) AS name,
        count(*) AS lines,
        bool_or(held_at IS NOT NULL) AS is_held,
        min(added_at) AS first_at
    FROM bank_details
    WHERE ended_at IS NULL
    GROUP BY fingerprint
    HAVING count(*) >= $1 OR bool_or(held_at IS NOT NULL)
)
{decided};

-- name: list_browser_farms
-- Browsers at one network from which $1 lines or more were signed in during the last week; $2 rows.
WITH farm AS (
    SELECT
        'browser' AS kind,
        {browser} AS key,
        session.device || ', ' || session.network AS name,
        count(DISTINCT person.subscriber) AS lines,
        false AS is_held,
        min(session.created_at) AS first_at
    FROM session
    JOIN person ON person.id = session.person
    WHERE person.subscriber IS NOT NULL AND session.device <> '' AND session.network <> ''
    GROUP BY session.device, session.network
    HAVING count(DISTINCT person.subscriber) >= $1
)
{decided};

-- name: list_lines_of_account
-- The lines with the payout account of the fingerprint $1.
SELECT subscriber
FROM bank_details
WHERE ended_at IS NULL AND fingerprint = $1
ORDER BY subscriber;

-- name: list_lines_of_browser
-- The lines that were signed in from the browser $1 during the last week.
SELECT DISTINCT person.subscriber
FROM session
JOIN person ON person.id = session.person
WHERE person.subscriber IS NOT NULL AND session.device <> '' AND session.network <> '' AND {browser} = $1
ORDER BY person.subscriber;

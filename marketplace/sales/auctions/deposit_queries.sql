-- name: needs_method
-- Whether the saved method $2 is the only one for open bids or debts of the partner $1.
SELECT EXISTS (
    SELECT FROM saved_method WHERE id = $2 AND payer = $1 AND state = 'saved'
) AND NOT EXISTS (
    SELECT
    FROM saved_method
    WHERE id <> $2
      AND payer = $1
      AND state = 'saved'
      AND (ends_on IS NULL OR ends_on > (clock_timestamp() AT TIME ZONE 'UTC')::date)
) AND (
    EXISTS (
        SELECT
        FROM bid JOIN auction ON auction.id = bid.auction
        JOIN auction_lead AS lead ON lead.auction = auction.id
        WHERE bid.partner = $1
          AND bid.position IS NOT NULL
          AND auction.state IN ('open', 'closed')
          AND (lead.leader IS NULL OR lead.leader = $1)
    ) OR EXISTS (
        SELECT
        FROM auction_outcome AS outcome
        JOIN auction_sale AS sale ON sale.outcome = outcome.id
        WHERE outcome.partner = $1
          AND sale.state = 'due'
    )
);

-- name: lock_ending_deposits
-- Locks up to $1 deposits whose auction is over: cancelled, or awarded with nothing left to pay. A loser may still win
-- an unpaid lot; a winner who did not pay is done once it has nothing else to pay.
SELECT
    deposit.id,
    deposit.amount_minor,
    payment.state,
    deposit.auction,
    deposit.partner,
    CASE
        WHEN defaulted.id IS NULL THEN 0
        ELSE greatest(defaulted.owed_minor, auction.deposit_minor)
    END AS forfeits_minor
FROM auction_deposit AS deposit
JOIN auction ON auction.id = deposit.auction
LEFT JOIN auction_default AS defaulted ON defaulted.auction = deposit.auction AND defaulted.partner = deposit.partner
JOIN payment ON payment.subject = deposit.id
WHERE ending IS NULL
  AND (
      auction.state = 'cancelled'
      OR auction.state = 'awarded' AND NOT EXISTS (
          SELECT
          FROM auction_sale AS sale
          JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
          WHERE outcome.auction = deposit.auction
            AND (defaulted.id IS NULL OR outcome.partner = deposit.partner)
            AND sale.state = 'due'
      )
  )
ORDER BY asked_at, deposit.id
LIMIT $1
FOR UPDATE OF deposit SKIP LOCKED;

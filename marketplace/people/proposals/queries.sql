-- fragment: proposal_row
-- What a list shows of a proposal, with the names of both people.
SELECT
    proposal.id,
    proposal.kind,
    proposal.subject,
    proposal.amount_minor,
    proposal.reason,
    proposal.document,
    proposal.document_sha256,
    proposal.proposed_by,
    proposal.proposed_at,
    proposal.decided_at,
    proposal.approved,
    proposer.name AS proposer,
    decider.name AS decider
FROM proposal
JOIN person AS proposer ON proposer.id = proposal.proposed_by
LEFT JOIN person AS decider ON decider.id = proposal.decided_by

-- name: list_proposals
-- Proposals that are $1 (waiting, approved, refused, or all where it is empty), of the kind $2 unless it is empty.
{proposal_row}
WHERE ($2::text = '' OR proposal.kind = $2)
  AND CASE $1::text
      WHEN 'waiting' THEN approved IS NULL
      WHEN 'approved' THEN approved
      WHEN 'refused' THEN NOT approved
      ELSE true
  END;

-- name: find_proposal
-- The proposal $1.
{proposal_row}
WHERE proposal.id = $1;

-- name: list_about
-- The proposals of the kind $1 about the subject $2, the oldest first.
{proposal_row}
WHERE proposal.kind = $1 AND proposal.subject = $2
ORDER BY proposal.proposed_at, proposal.id;

-- name: find_waiting
-- The oldest proposal of the kind $1 that waits for a second person, about the subject $2 unless that is null.
{proposal_row}
WHERE proposal.kind = $1 AND approved IS NULL AND ($2::text IS NULL OR proposal.subject = $2)
ORDER BY proposal.subject
LIMIT 1;

-- name: claim_letters
-- Claims at most $3 due letters, the longest due first: $1 now, $2 when the claim ends.
UPDATE letter
SET attempts = attempts + 1, next_at = $2
WHERE id IN (
    SELECT id
    FROM letter
    WHERE ended IS NULL AND next_at <= $1
    ORDER BY next_at, created_at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
RETURNING id, message, person, created_at, attempts, open_hand_overs, sealed_to, key_id;

-- name: get_content
-- The message $1 as a letter to the person $2 (null: to no person), whether they stopped its kind, and the fingerprint
-- of an address of theirs that receives nothing.
SELECT
    message.kind,
    message.source_id,
    message.details,
    message.audience,
    message.recipient,
    message.created_at,
    EXISTS (SELECT FROM mail_stop WHERE mail_stop.person = $2 AND mail_stop.kind = message.kind) AS is_stopped,
    dead_address.fingerprint AS dead
FROM message
LEFT JOIN dead_address ON dead_address.person = $2
WHERE message.id = $1;

-- name: begin_hand_over
-- Records that the letter $1, claimed for its attempt $2, may be accepted from now on; $3 when the claim ends.
UPDATE letter
SET open_hand_overs = open_hand_overs + 1, next_at = $3
WHERE id = $1 AND attempts = $2 AND ended IS NULL;

-- name: end_letter
-- Ends the letter $1 as $2 at $3, with the server's code $4, unless it ended.
UPDATE letter
SET ended = $2, ended_at = $3, next_at = NULL, answer = $4, sealed_to = NULL
WHERE id = $1 AND ended IS NULL;

-- name: postpone_letter
-- Tries the letter $1, claimed for its attempt $2, again at $3, with the server's code $4; closes $5 open hand-overs.
UPDATE letter
SET next_at = $3, answer = $4, open_hand_overs = open_hand_overs - $5
WHERE id = $1 AND attempts = $2 AND ended IS NULL;

-- name: note_dead_address
-- Records the code $3 since $4, by which the person $1's address with the fingerprint $2 receives nothing.
INSERT INTO dead_address (person, fingerprint, answer, found_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (person) DO UPDATE
SET fingerprint = excluded.fingerprint, answer = excluded.answer, found_at = excluded.found_at;

-- name: note_bounce
-- Ends the letter $1 as bounced at $2, with the code $3, if a server had accepted it; returns its person.
UPDATE letter
SET ended = 'bounced', ended_at = $2, answer = $3, next_at = NULL, sealed_to = NULL
WHERE id = $1 AND (ended = 'sent' OR ended = 'unknown' OR ended IS NULL)
RETURNING person;

-- name: list_old_messages
-- The $2 earliest messages before $1 that have no letter left.
SELECT id
FROM message
WHERE created_at < $1 AND NOT EXISTS (SELECT FROM letter WHERE letter.message = message.id)
ORDER BY created_at
LIMIT $2;

-- name: list_people_with_mail
-- The people with letters, choices or a dead address, after the person $1; $2 people.
SELECT person
FROM (
    SELECT person FROM letter WHERE person > $1
    UNION
    SELECT person FROM mail_stop WHERE person > $1
    UNION
    SELECT person FROM dead_address WHERE person > $1
) AS everybody
ORDER BY person
LIMIT $2;

-- name: count_letters
-- How many letters wait, and ended in each way since $1.
SELECT coalesce(ended, 'waiting') AS ended, count(*) AS letters
FROM letter
WHERE ended IS NULL OR ended_at >= $1
GROUP BY 1
ORDER BY 1;

-- name: list_troubled_letters
-- The letters that reached nobody, or perhaps twice, and those tried more than twice; the latest first. $1 rows, $2
-- rows to skip.
SELECT letter.id, kind, letter.created_at, attempts, ended, answer, next_at
FROM letter
JOIN message ON message.id = letter.message
WHERE ended IN ('refused', 'bounced', 'unknown', 'expired', 'unreachable') OR ended IS NULL AND attempts > 2
ORDER BY letter.created_at DESC, letter.id
LIMIT $1
OFFSET $2;

-- name: list_letters_to_print
-- The unprinted letters of the kinds $1 that mail cannot deliver, in the recipient's language (French if nobody is
-- behind the recipient), the oldest first; $2 letters.
SELECT
    letter.id,
    kind,
    source_id,
    details,
    audience,
    recipient,
    message.created_at,
    coalesce(person.language, 'fr') AS language
FROM letter
JOIN message ON message.id = letter.message
LEFT JOIN person ON person.id = letter.person
WHERE ended IN ('refused', 'bounced', 'expired', 'unreachable') AND printed_at IS NULL AND kind = ANY ($1)
ORDER BY letter.created_at, letter.id
LIMIT $2;

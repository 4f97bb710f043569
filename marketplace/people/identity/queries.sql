-- name: list_one_click_people
-- The demo's people, whose email ends in $1, and subscribers, whose emails are sealed: staff, partners' people, then
-- subscribers, the first to join first. Visitors look for those.
SELECT
    person.id,
    person.name,
    person.email,
    person.staff_role,
    person.subscriber,
    partner.company,
    sealed,
    key_id
FROM person
LEFT JOIN partner ON partner.id = person.partner
WHERE (person.email LIKE '%' || $1 OR sealed IS NOT NULL)
  AND ended_at IS NULL
ORDER BY person.staff_role IS NULL, person.subscriber IS NOT NULL, person.staff_role DESC,
    CASE WHEN person.subscriber IS NULL THEN person.email END, person.created_at, person.id
LIMIT 50;

-- fragment: partner_columns
-- A partner as pages show it; `partner` is in FROM.
partner.id,
    partner.company,
    partner.country,
    partner.vat_number,
    partner.vat_confirmed_at,
    partner.vat_checked_at,
    partner.vat_answer,
    partner.signed_up_at,
    partner.vetted_at,
    partner.vetted_by,
    partner.refused_reason

-- name: list_partners
-- Partners waiting for a decision first, the latest first within. $1 rows, $2 rows to skip.
SELECT
    {partner_columns}
FROM partner
ORDER BY vetted_at IS NOT NULL OR refused_reason IS NOT NULL, signed_up_at DESC, id
LIMIT $1
OFFSET $2;

-- name: get_partner
-- The partner $1, with the name of the person who vetted it, or the stored text if no person did.
SELECT
    {partner_columns},
    coalesce(person.name, partner.vetted_by) AS vetted_by_name
FROM partner
LEFT JOIN person ON person.id::text = partner.vetted_by
WHERE partner.id = $1;

-- name: list_decisions
-- The decisions to vet or refuse the partner $1, the latest first; a decision without a person has no name.
SELECT at, verb, person.name, reason
FROM staff_action
LEFT JOIN person ON person.id = person
WHERE subject = $1
  AND verb IN ('partner_vetted', 'partner_refused')
ORDER BY staff_action.id DESC
LIMIT 50;

-- name: list_keys
-- The API keys of the partner $1 with their makers: those in force at $4 first, the latest first within. $2 rows, $3
-- rows to skip.
SELECT
    api_key.id,
    label,
    prefix,
    api_key.created_at,
    last_used_at,
    revoked_at,
    owner,
    person.name AS owner_name,
    scopes,
    ends_at,
    ends_at <= $4 AS is_over
FROM api_key
LEFT JOIN person ON person.id = owner
WHERE api_key.partner = $1
ORDER BY revoked_at IS NOT NULL OR ends_at <= $4, api_key.created_at DESC, api_key.id
LIMIT $2
OFFSET $3;

-- name: get_invitation
-- The invitation whose code has the digest $1, with the company that invites, or the role on the staff.
SELECT
    invitation.id,
    invitation.partner,
    invitation.staff_role,
    invitation.email,
    invitation.name,
    invitation.created_at,
    invitation.expires_at,
    invitation.accepted_at,
    partner.company
FROM invitation
LEFT JOIN partner ON partner.id = invitation.partner
WHERE code_hash = $1;

-- name: lock_people_to_reseal
-- Locks the next subscribers with an id after $2, $3 at most, that another key than $1 sealed.
SELECT id, subscriber, email, name, sealed, key_id
FROM person
WHERE key_id <> $1
  AND id > $2
ORDER BY id
LIMIT $3
FOR UPDATE SKIP LOCKED;

-- name: write_sealed_people
-- Stores for each person: $1 id, $2 email's fingerprint, $3 empty name, $4 key, $5 both sealed.
UPDATE person
SET email = resealed.email, name = resealed.name, key_id = resealed.key_id, sealed = resealed.sealed
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
    AS resealed (id, email, name, key_id, sealed)
WHERE person.id = resealed.id;

-- name: record_vat_answer
-- Records the answer $3 of VIES at $2 about the number $5 of the partner $1, and whether it is valid ($4).
UPDATE partner
SET
    vat_checked_at = $2,
    vat_answer = $3,
    vat_confirmed_at = CASE WHEN $4::boolean THEN $2 WHEN $3 = 'INVALID' THEN NULL ELSE vat_confirmed_at END
WHERE id = $1 AND vat_number = $5;

-- name: list_unconfirmed_vat
-- Partners whose VAT number VIES has neither confirmed nor called invalid, last requested before $1; fifty at most.
SELECT id
FROM partner
WHERE vat_number <> ''
  AND vat_confirmed_at IS NULL
  AND vat_answer IS DISTINCT FROM 'INVALID'
  AND (vat_checked_at IS NULL OR vat_checked_at < $1)
ORDER BY vat_checked_at NULLS FIRST
LIMIT 50;

-- name: find_actor_of_session
-- The person signed in under the token with the digest $1 at $2, whether their partner is vetted, and how many messages
-- of the last 90 days they have not read, up to 100. No row while the second factor is awaited, or if the session's
-- last request is older than $3 (staff) or $4 (everyone else).
SELECT
    person.id,
    person.name,
    person.email,
    person.partner,
    person.subscriber,
    person.staff_role,
    sealed,
    key_id,
    partner.vetted_at IS NOT NULL AS is_vetted,
    (
        SELECT count(*)
        FROM (
            SELECT
            FROM (
                VALUES ('person', person.id::text, NULL),
                    ('partner', person.partner::text, NULL),
                    (
                        'line',
                        person.subscriber::text,
                        (SELECT erased_at FROM subscriber WHERE reference = person.subscriber)
                    ),
                    ('role', person.staff_role, NULL)
            ) AS theirs (audience, recipient, since)
            JOIN message USING (audience, recipient)
            WHERE message.created_at > greatest(theirs.since, $2::timestamptz - interval '90 days')
              AND NOT EXISTS (
                  SELECT FROM message_read WHERE message_read.message = message.id AND reader = person.id
              )
            LIMIT 100
        ) AS listed
    ) AS unread,
    proved_at,
    company_role,
    last_seen_at
FROM session
JOIN person ON person.id = session.person
LEFT JOIN partner ON partner.id = person.partner
WHERE session.token_hash = $1
  AND session.expires_at > $2
  AND NOT awaits_factor
  AND person.ended_at IS NULL
  AND last_seen_at > CASE WHEN staff_role IS NULL THEN $4::timestamptz ELSE $3 END;

-- name: list_people_behind
-- The people behind each recipient (audience $1[i], id $2[i]); `ordinal` is i, from 1. An unknown id and a removed
-- person have no row.
WITH given AS (
    SELECT audience, recipient, ordinal
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS listed (audience, recipient, ordinal)
)
SELECT ordinal, person.id AS person
FROM given
JOIN person ON person.id = CASE
    WHEN audience IN ('person', 'mailbox') AND pg_input_is_valid(recipient, 'uuid') THEN recipient::uuid
END AND person.ended_at IS NULL
UNION ALL
SELECT ordinal, person.id
FROM given
JOIN person ON person.partner = CASE
    WHEN audience = 'partner' AND pg_input_is_valid(recipient, 'uuid') THEN recipient::uuid
END AND person.ended_at IS NULL
UNION ALL
SELECT ordinal, person.id
FROM given
JOIN person ON person.subscriber = CASE
    WHEN audience = 'line' AND pg_input_is_valid(recipient, 'bigint') THEN recipient::bigint
END AND person.ended_at IS NULL
UNION ALL
SELECT ordinal, person.id
FROM given
JOIN person ON person.staff_role = CASE WHEN audience = 'role' THEN recipient END AND person.ended_at IS NULL
ORDER BY ordinal, person;

-- name: stage_lines
-- Makes the table `arriving` for the references of a whole table of lines.
CREATE TEMPORARY TABLE arriving (reference BIGINT NOT NULL);

-- name: find_missing_lines
-- Makes the table `missing` with the lines in force that the arriving table lacks.
CREATE TEMPORARY TABLE missing AS
SELECT reference
FROM subscriber
WHERE gone_at IS NULL
  AND NOT EXISTS (SELECT FROM arriving WHERE arriving.reference = subscriber.reference);

-- name: end_missing_lines
-- Ends the missing lines at $1.
UPDATE subscriber
SET gone_at = $1
FROM missing
WHERE missing.reference = subscriber.reference;

-- name: return_ended_lines
-- Puts the ended lines that are in the arriving table in force again.
UPDATE subscriber
SET gone_at = NULL
FROM arriving
WHERE arriving.reference = subscriber.reference AND gone_at IS NOT NULL;

-- name: add_arriving_lines
-- Adds the missing lines of the arriving table.
INSERT INTO subscriber (reference)
SELECT reference
FROM arriving
WHERE NOT EXISTS (SELECT FROM subscriber WHERE subscriber.reference = arriving.reference)
ON CONFLICT DO NOTHING;

-- name: find_half_signed_in
-- The person whose password was right under the token with the digest $1, after $2, and whose second factor is awaited.
SELECT person
FROM session
WHERE token_hash = $1
  AND awaits_factor
  AND created_at > $2;

-- name: list_accounts
-- The people whose address is stored as one of $1: the one who confirmed it, staff, then the others by time.
SELECT
    person.id,
    partner.company,
    person.subscriber,
    person.staff_role,
    person.created_at,
    person.email_confirmed_at
FROM person
LEFT JOIN partner ON partner.id = person.partner
WHERE person.email = ANY($1::text[])
  AND ended_at IS NULL
ORDER BY person.email_confirmed_at, person.staff_role, person.created_at
LIMIT 200;

-- name: list_staff_members
-- Everyone who is or was staff, with when they joined and ended; those in office first.
SELECT person.id, person.name, person.email, person.staff_role, person.created_at, person.ended_at
FROM person
WHERE staff_role IS NOT NULL
ORDER BY ended_at IS NOT NULL, staff_role DESC, name, id;

-- name: list_staff_invitations
-- The invitations to the staff that are open at $1.
SELECT name, email, staff_role, expires_at
FROM invitation
WHERE staff_role IS NOT NULL
  AND accepted_at IS NULL
  AND expires_at > $1
ORDER BY created_at, id;

-- name: delete_invitations_of
-- Deletes the open invitations that the person $1 made, and those to their email $2 if it is theirs: confirmed, given
-- by the operator's staff, or given by the inviting company.
DELETE FROM invitation
WHERE (invited_by = $1 AND accepted_at IS NULL)
   OR (email = $2 AND EXISTS (
       SELECT FROM person
       WHERE person.id = $1
         AND (email_confirmed_at IS NOT NULL OR person.staff_role IS NOT NULL OR person.partner = invitation.partner)
   ));

-- name: list_sessions
-- The valid sessions of the person $5 at $2, seen after $3 (staff) or $4 (everyone else); the one with the digest $1 is
-- this one.
SELECT
    left(token_hash, 16) AS id,
    session.created_at,
    last_seen_at,
    device,
    network,
    token_hash = $1 AS is_this
FROM session
JOIN person ON person.id = session.person
WHERE session.person = $5
  AND expires_at > $2
  AND NOT awaits_factor
  AND last_seen_at > CASE WHEN staff_role IS NULL THEN $4::timestamptz ELSE $3 END
ORDER BY token_hash = $1 DESC, last_seen_at DESC, session.created_at DESC;

-- name: end_own_session
-- Ends the session of the person $1 whose digest begins with $2.
DELETE FROM session
WHERE person = $1
  AND left(token_hash, 16) = $2
RETURNING left(token_hash, 16) AS id;

-- name: use_key
-- Records at $2 that the API key with the digest $1 was used, if it is in force and its maker has not ended; returns
-- its partner, and the first key of those that replaced each other.
UPDATE api_key
SET last_used_at = $2
FROM partner
WHERE api_key.key_hash = $1
  AND api_key.revoked_at IS NULL
  AND api_key.ends_at > $2
  AND partner.id = api_key.partner
  AND NOT EXISTS (SELECT FROM person WHERE person.id = api_key.owner AND person.ended_at IS NOT NULL)
RETURNING
    partner.company,
    partner.id,
    partner.vetted_at IS NOT NULL AS is_vetted,
    api_key.scopes,
    coalesce(api_key.replaces, api_key.id) AS key;

-- name: find_alike
-- What the people $1 and $2 have in common; browsers with which both signed in, the second since $3.
SELECT
    lower(btrim(one.name)) = lower(btrim(other.name)) AS name,
    split_part(split_part(one.email, '@', 1), '+', 1) = split_part(split_part(other.email, '@', 1), '+', 1) AS address,
    EXISTS (
        SELECT
        FROM staff_action
        WHERE verb = 'browser_of_another'
          AND at > $3
          AND (person, subject) IN ((one.id, other.id::text), (other.id, one.id::text))
    ) AS browser
FROM person AS one
CROSS JOIN person AS other
WHERE one.id = $1 AND other.id = $2;

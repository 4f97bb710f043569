-- name: find_capacity
-- The line or partner of the person $1, and since when their line is theirs, if another holder erased themselves.
SELECT
    person.partner,
    person.subscriber AS line,
    person.staff_role AS role,
    person.language,
    CASE WHEN subscriber.erased_at IS NOT NULL THEN greatest(subscriber.erased_at, subscriber.claimed_at) END AS since,
    person.email_confirmed_at
FROM person
LEFT JOIN subscriber ON subscriber.reference = person.subscriber
WHERE person.id = $1;

-- name: list_datasets_counted
-- Every dataset with the privacy loss of one release, and how many were sealed.
SELECT
    code,
    title_fr,
    title_en,
    purpose,
    area,
    unit,
    mechanism,
    epsilon_micro,
    delta_exponent,
    (SELECT count(*) FROM release WHERE release.dataset = dataset.code AND state = 'sealed') AS releases
FROM dataset
ORDER BY code;

-- name: list_decided
-- The decided steps of the incident $1, with the deciding person's name, the earliest first.
SELECT incident_step.step, incident_step.note, incident_step.decided_at, person.name
FROM incident_step
JOIN person ON person.id = incident_step.decided_by
WHERE incident_step.incident = $1
ORDER BY incident_step.id;

-- name: is_imported
-- Whether words from the source $1 were recorded at the instant $2, or in the second around it, as the trail notes.
SELECT EXISTS (
    SELECT
    FROM staff_action
    WHERE verb = 'consents_imported' AND subject = $1
      AND at BETWEEN $2::timestamptz - interval '1 second' AND $2::timestamptz + interval '1 second'
);

-- fragment: left
-- When another holder of the line $1 last left; earlier records are that holder's.
coalesce((SELECT erased_at FROM subscriber WHERE reference = $1), '-infinity')

-- fragment: intervals
-- The merged half-open intervals [valid_from, valid_to) during which each subscriber consents to purpose $1. A consent
-- given again while one is current adds nothing. A withdrawal ends all before it, and so does a notice that asks again:
-- `anew` has the instants of those, ascending, and `era` counts them. Of two records of one instant the later written
-- one (the greater id) counts. A consent given again at the very instant of the withdrawal starts a new interval, so
-- that earlier events never return. An interval that nothing ended is open ('infinity'). `notice` is the one under
-- which the interval began.
SELECT subscriber, at AS valid_from, least(next_at, anew[era + 1]) AS valid_to, notice
FROM (
    SELECT
        subscriber,
        at,
        given,
        notice,
        anew,
        era,
        lead(at, 1, 'infinity') OVER (PARTITION BY subscriber ORDER BY at, id) AS next_at
    FROM (
        SELECT
            subscriber,
            at,
            id,
            given,
            notice,
            anew,
            era,
            lag(given, 1, false) OVER of_subscriber AND era = lag(era) OVER of_subscriber AS gave
        FROM (
            SELECT subscriber, at, id, given, notice, anew, width_bucket(at, anew) AS era
            FROM (
                SELECT
                    subscriber,
                    at,
                    id,
                    given,
                    notice,
                    (
                        SELECT coalesce(array_agg(published_at ORDER BY published_at), '{}')
                        FROM notice
                        WHERE purpose = $1 AND asks_anew
                    ) AS anew
                FROM consent_record
                WHERE purpose = $1
            ) AS stated
        ) AS word
        WINDOW of_subscriber AS (PARTITION BY subscriber ORDER BY at, id)
    ) AS record
    WHERE given <> gave
) AS change
WHERE given AND at < next_at

-- name: words_in_order
-- Every record on the purpose $1, by line, instant and number: the line, or its complement for a withdrawal, and when.
SELECT CASE WHEN given THEN subscriber ELSE ~subscriber END AS word, at
FROM consent_record
WHERE purpose = $1
ORDER BY subscriber, at, id;

-- name: nobodys_lines
-- The lines that nobody can consent for at $1: those that ended by then, and children's.
SELECT reference AS line
FROM subscriber
WHERE gone_at <= $1
UNION
SELECT subscriber
FROM line_kind
WHERE kind = 'child';

-- name: list_ended_since
-- The lines that withdrew from the purpose $1, or changed what their consent to it covers, in records after number $2.
SELECT DISTINCT record.subscriber
FROM consent_record AS record
WHERE record.id > $2
  AND record.purpose = $1
  AND (NOT record.given OR record.covers IS DISTINCT FROM (
      SELECT earlier.covers
      FROM consent_record AS earlier
      WHERE earlier.purpose = $1
        AND earlier.subscriber = record.subscriber
        AND (earlier.at, earlier.id) < (record.at, record.id)
      ORDER BY earlier.at DESC, earlier.id DESC
      LIMIT 1
  ))
ORDER BY record.subscriber;

-- name: list_asked_anew
-- The lines with an account whose consent to the purpose $1 ended at the instant $2, when a notice asked again.
SELECT DISTINCT consent.subscriber
FROM ({intervals}) AS consent
JOIN person ON person.subscriber = consent.subscriber
WHERE consent.valid_to = $2
ORDER BY consent.subscriber;

-- name: list_purposes
-- Every purpose with its latest notice, if it has one, by code.
SELECT
    purpose.code,
    purpose.category,
    purpose.use,
    purpose.title_fr,
    purpose.title_en,
    purpose.dpv,
    latest.id AS notice,
    latest.version,
    latest.text_fr,
    latest.text_en
FROM purpose
LEFT JOIN LATERAL (
    SELECT id, version, text_fr, text_en
    FROM notice
    WHERE notice.purpose = purpose.code
    ORDER BY version DESC
    LIMIT 1
) AS latest ON true
ORDER BY purpose.code;

-- name: list_choices
-- Every purpose that has a notice, with the latest one, and the last record on it of the line $1's holder. A consent
-- that a later notice ended does not count: that purpose is asked about again.
SELECT
    purpose.code,
    purpose.category,
    purpose.use,
    purpose.title_fr,
    purpose.title_en,
    latest.version,
    latest.text_fr,
    latest.text_en,
    coalesce(word.given AND NOT word.is_outdated, false) AS given,
    word.at,
    word.receipt,
    word.channel,
    (
        SELECT covers
        FROM consent_record
        WHERE consent_record.purpose = purpose.code AND consent_record.subscriber = $1 AND covers IS NOT NULL
          AND at > {left}
        ORDER BY at DESC, id DESC
        LIMIT 1
    ) AS covers,
    coalesce(word.given AND word.is_outdated, false) AS is_asked_anew
FROM purpose
JOIN LATERAL (
    SELECT version, text_fr, text_en
    FROM notice
    WHERE notice.purpose = purpose.code
    ORDER BY version DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT
        given,
        at,
        receipt,
        channel,
        EXISTS (
            SELECT
            FROM notice
            WHERE notice.purpose = purpose.code AND asks_anew AND published_at > consent_record.at
        ) AS is_outdated
    FROM consent_record
    WHERE consent_record.purpose = purpose.code AND consent_record.subscriber = $1 AND at > {left}
    ORDER BY at DESC, id DESC
    LIMIT 1
) AS word ON true
ORDER BY purpose.code;

-- name: list_receipts
-- One page of the receipts of the line $1's holder, the latest first; $2 rows, $3 rows to skip.
SELECT
    consent_record.receipt,
    consent_record.given,
    consent_record.at,
    consent_record.purpose,
    purpose.title_fr,
    purpose.title_en,
    notice.version,
    consent_record.channel
FROM consent_record
JOIN purpose ON purpose.code = consent_record.purpose
JOIN notice ON notice.id = consent_record.notice
WHERE consent_record.subscriber = $1 AND consent_record.at > {left}
ORDER BY consent_record.at DESC, consent_record.id DESC
LIMIT $2
OFFSET $3;

-- name: get_receipt
-- The receipt $1 with its purpose and notice; if $2 is not null, only for the holder of the line $2.
SELECT
    consent_record.receipt,
    consent_record.subscriber,
    consent_record.given,
    consent_record.at,
    consent_record.purpose,
    purpose.title_fr,
    purpose.title_en,
    notice.version,
    notice.text_fr,
    notice.text_en,
    consent_record.channel,
    consent_record.covers
FROM consent_record
JOIN purpose ON purpose.code = consent_record.purpose
JOIN notice ON notice.id = consent_record.notice
WHERE consent_record.receipt = $1
  AND ($2::bigint IS NULL OR consent_record.subscriber = $2
      AND consent_record.at > coalesce((SELECT erased_at FROM subscriber WHERE reference = $2), '-infinity'));

-- name: list_narrowed
-- Each narrowed consent to the purpose $1 by $2: what it covers, and when the line's next record ended it, in
-- microseconds; null if nothing did.
SELECT
    subscriber,
    covers,
    CASE WHEN next_at IS NOT NULL THEN (extract(epoch FROM next_at) * 1000000)::bigint END AS until_us
FROM (
    SELECT
        subscriber,
        given,
        covers,
        lead(at) OVER (PARTITION BY subscriber ORDER BY at, id) AS next_at
    FROM consent_record
    WHERE purpose = $1 AND at <= $2
      AND subscriber IN (SELECT subscriber FROM consent_record WHERE purpose = $1 AND covers IS NOT NULL)
) AS word
WHERE given AND covers IS NOT NULL
ORDER BY subscriber;

-- name: find_last_covers
-- What the last narrowed consent of the holder of the line $1 to the purpose $2 by $3 covers.
SELECT covers
FROM consent_record
WHERE subscriber = $1 AND purpose = $2 AND at <= $3 AND covers IS NOT NULL AND at > {left}
ORDER BY at DESC, id DESC
LIMIT 1;

-- name: find_notice_in_force
-- The latest notice of the purpose $1 that was published by $2, or else its first one.
SELECT id
FROM notice
WHERE purpose = $1
ORDER BY published_at <= $2 DESC, CASE WHEN published_at <= $2 THEN version ELSE -version END DESC
LIMIT 1;

-- name: list_notices
-- Every version of the notice of the purpose $1, the latest first.
SELECT id, version, text_fr, text_en, published_at, asks_anew
FROM notice
WHERE purpose = $1
ORDER BY version DESC;

-- name: find_notice
-- The notice of the purpose $1 with the version $2, when it was published, and whether a later one asked again by $3.
SELECT
    id,
    published_at,
    EXISTS (
        SELECT
        FROM notice AS later
        WHERE later.purpose = $1 AND later.version > $2 AND later.asks_anew AND later.published_at <= $3
    ) AS is_outdated
FROM notice
WHERE purpose = $1 AND version = $2;

-- name: stage_words
-- Makes the table `said` for the records to write, as `importing.COLUMNS` states.
CREATE TEMPORARY TABLE said (
    file_number BIGINT NOT NULL,
    row_number BIGINT NOT NULL,
    reference BIGINT NOT NULL,
    purpose BIGINT NOT NULL,
    version BIGINT NOT NULL,
    given BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    channel BIGINT NOT NULL
);

-- name: stage_faulty_words
-- Makes the table `faulty` for staged records that cannot be written, with the reason.
CREATE TEMPORARY TABLE faulty (file_number BIGINT, row_number BIGINT, fault TEXT);

-- name: stage_counted_words
-- Makes the table `counted` for the numbers of recorded rows, by kind.
CREATE TEMPORARY TABLE counted (given BIGINT, withdrawn BIGINT);

-- fragment: said_words
-- The staged records (`importing.COLUMNS`), each with its purpose among the codes $1, its notice if they exist, and
-- when a later notice asked again. These are looked up once a notice, as there are few notices and millions of records.
FROM (SELECT *, 'epoch'::timestamptz + at_us * interval '1 microsecond' AS at FROM said) AS word
LEFT JOIN unnest($1::text[]) WITH ORDINALITY AS named (code, number) ON named.number = word.purpose
LEFT JOIN (
    SELECT
        id,
        purpose,
        version,
        published_at,
        (
            SELECT min(published_at)
            FROM notice AS later
            WHERE later.purpose = notice.purpose AND later.version > notice.version AND later.asks_anew
        ) AS replaced_at
    FROM notice
    OFFSET 0
) AS notice ON notice.purpose = named.code AND notice.version = word.version

-- name: find_faulty_words
-- Puts the staged records that cannot be written into `faulty`, with the reason. $1 purposes, $2 now in microseconds,
-- $3 the position of the channel "contract".
INSERT INTO faulty (file_number, row_number, fault)
SELECT file_number, row_number, fault
FROM (
    SELECT
        file_number,
        row_number,
        CASE
            WHEN subscriber.reference IS NULL THEN 'line'
            WHEN named.code IS NULL THEN 'purpose'
            WHEN notice.id IS NULL THEN 'notice'
            WHEN at_us > $2 THEN 'future'
            WHEN notice.published_at > word.at THEN 'unpublished'
            WHEN given = 1 AND gone_at <= word.at THEN 'ended'
            WHEN given = 1 AND (line_kind.kind = 'child' OR (line_kind.kind <> 'child' AND word.channel = $3))
                THEN 'kind'
            WHEN given = 1 AND notice.replaced_at <= word.at THEN 'outdated'
        END AS fault
    {said_words}
    LEFT JOIN subscriber ON subscriber.reference = word.reference
    LEFT JOIN line_kind ON line_kind.subscriber = word.reference
) AS judged
WHERE fault IS NOT NULL
UNION ALL
SELECT file_number, row_number, 'twice'
FROM said
JOIN (
    SELECT DISTINCT gave.reference, gave.purpose, gave.at_us
    FROM said AS gave
    JOIN said AS withdrew USING (reference, purpose, at_us)
    WHERE gave.given = 1 AND withdrew.given = 0
) AS both_ways USING (reference, purpose, at_us);

-- name: get_first_faulty_word
-- The first of the faulty records, and their number.
SELECT file_number, row_number, fault, count(*) OVER () AS faulty
FROM faulty
ORDER BY file_number, row_number, fault
LIMIT 1;

-- name: record_new_words
-- Writes the staged records that are not recorded yet, each once, in the order of two of the indexes; `counted` then
-- has their number. $1 purposes, $2 channels, $3 whether anybody ever narrowed a purpose: such a person's consent stays
-- as narrow, because a list says nothing of switches. Receipts are hashed from a secret that is drawn once and never
-- stored. Those of one list begin alike, so that they fill pages of their index of their own.
WITH recorded AS (
    INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt, channel, covers)
    SELECT
        word.reference,
        word.code,
        word.id,
        word.given,
        word.at,
        encode(drawn.prefix || substring(sha256(drawn.secret || int8send(word.number)) FROM 1 FOR 10), 'hex')::uuid,
        word.channel,
        narrowed.covers
    FROM (
        SELECT *, row_number() OVER (ORDER BY purpose, reference, at) AS number
        FROM (
            SELECT DISTINCT
                word.purpose,
                word.reference,
                word.at,
                named.code,
                notice.id,
                word.given = 1 AS given,
                place.code AS channel
            {said_words}
            LEFT JOIN unnest($2::text[]) WITH ORDINALITY AS place (code, number) ON place.number = word.channel
        ) AS said_once
        WHERE NOT EXISTS (
            SELECT
            FROM consent_record AS known
            WHERE known.subscriber = said_once.reference
              AND known.purpose = said_once.code
              AND known.at = said_once.at
              AND known.given = said_once.given
              AND known.notice = said_once.id
              AND known.channel = said_once.channel
        )
    ) AS word
    CROSS JOIN (
        SELECT
            uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS secret,
            substring(uuid_send(gen_random_uuid()) FROM 1 FOR 6) AS prefix
        OFFSET 0
    ) AS drawn
    LEFT JOIN LATERAL (
        SELECT covers
        FROM consent_record AS earlier
        WHERE earlier.purpose = word.code
          AND earlier.subscriber = word.reference
          AND earlier.at <= word.at
          AND earlier.covers IS NOT NULL
          AND earlier.at > coalesce(
              (SELECT erased_at FROM subscriber WHERE reference = word.reference), '-infinity'
          )
        ORDER BY earlier.at DESC, earlier.id DESC
        LIMIT 1
    ) AS narrowed ON word.given AND $3
    ORDER BY word.purpose, word.reference, word.at
    RETURNING given
)
INSERT INTO counted (given, withdrawn)
SELECT count(*) FILTER (WHERE given), count(*) FILTER (WHERE NOT given)
FROM recorded;

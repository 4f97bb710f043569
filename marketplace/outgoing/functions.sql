-- Ends what somebody who leaves a company had added for its programs, in the same transaction, for it may be theirs; the
-- company is notified. Arguments: its table, the kind of message, and the column that the message shows.
CREATE OR REPLACE FUNCTION end_what_leaver_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        $sql$
        WITH ended AS (
            UPDATE %1$I
            SET disabled_at = $1, disabled_because = 'removed'
            WHERE owner = $2 AND disabled_at IS NULL
            RETURNING id, partner, jsonb_build_object(%3$L, %3$I) AS details
        )
        SELECT write_messages(
            %2$L, $1, array_agg(id::text), array_agg('partner'::text), array_agg(partner::text), array_agg(details::text)
        )
        FROM ended
        HAVING count(*) > 0
        $sql$,
        TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]
    ) USING NEW.ended_at, NEW.id;
    RETURN NULL;
END $$;

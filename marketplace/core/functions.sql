-- Functions that every package's functions.sql may call. `migrate` runs these files after the migrations, lower floors
-- first, whenever one of them changed. Each statement must be repeatable (CREATE OR REPLACE, IF NOT EXISTS). A
-- statement removed here stays in existing databases until a migration drops it.

-- Refuses the statement. For triggers of append-only tables: a correction is a new row.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- Refuses an UPDATE of columns outside the trigger's arguments, and any once the first of them is set: a match may only
-- be undone, and a write-off only decided, each once.
CREATE OR REPLACE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed text[] := string_to_array(TG_ARGV[0], ',');
BEGIN
    IF to_jsonb(OLD) - allowed <> to_jsonb(NEW) - allowed OR to_jsonb(OLD) -> allowed[1] <> 'null'::jsonb THEN
        RAISE EXCEPTION '% keeps what it said', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

-- Refuses an UPDATE of columns outside the trigger's arguments, and of those to anything but empty: a document's
-- content stays unchanged, or is emptied once its time is over.
CREATE OR REPLACE FUNCTION refuse_all_but_emptying() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed text[] := string_to_array(TG_ARGV[0], ',');
BEGIN
    IF to_jsonb(OLD) - allowed <> to_jsonb(NEW) - allowed OR EXISTS (
        SELECT FROM jsonb_each_text(to_jsonb(NEW))
        WHERE key = ANY (allowed) AND value NOT IN ('', '\x', encode(sha256(''), 'hex'))
    ) THEN
        RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

-- What every slice's functions.sql may call. `migrate` runs these files after the migrations, lower floors first, whenever
-- one of them changed: each statement must be repeatable (CREATE OR REPLACE, IF NOT EXISTS). What is removed here stays in
-- existing databases until a migration drops it.

-- Refuse the statement. For triggers of append-only tables: a correction is a new row.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

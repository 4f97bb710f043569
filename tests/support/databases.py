"""The database that a worker's tests share: each test finds it as new, because what the one before filled is emptied.

A copy of the template is nine hundred files; a test fills some twenty tables with a few rows. Triggers and foreign keys
are off for the connection that empties, so append-only tables are emptied too. Tables of its own, such
as partitions, are dropped. A test that changed the schema otherwise leaves a database that is thrown away; the next test
has a new copy.
"""

import asyncio
import os
import re
from typing import Any

import asyncpg

from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres

COPY = "CREATE DATABASE {name} TEMPLATE template OWNER partage STRATEGY FILE_COPY"
LOOKS = """
    SET session_replication_role = replica;
    SET plan_cache_mode = force_generic_plan;
    CREATE FUNCTION pg_temp.list_filled() RETURNS SETOF text LANGUAGE plpgsql AS $$
    DECLARE one regclass; is_filled boolean;
    BEGIN
        FOR one IN SELECT oid FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0 LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO is_filled;
            IF is_filled THEN RETURN NEXT one::text; END IF;
        END LOOP;
    END $$;
    CREATE FUNCTION pg_temp.digest(filled text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE digest text;
    BEGIN
        EXECUTE format('SELECT md5(string_agg(one::text, '' '' ORDER BY one::text)) FROM %s AS one', filled) INTO digest;
        RETURN digest;
    END $$;
    CREATE TEMPORARY TABLE template_table AS
        SELECT name, pg_temp.digest(name) AS digest FROM pg_temp.list_filled() AS name;
    CREATE TEMPORARY TABLE template_sequence AS
        SELECT oid, pg_sequence_last_value(oid) AS last FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'S';
    DO $$ DECLARE one text; BEGIN
        FOR one IN SELECT name FROM template_table LOOP
            EXECUTE format('CREATE TEMPORARY TABLE %I AS TABLE %s', 'template ' || one, one);
        END LOOP;
    END $$;
    CREATE FUNCTION pg_temp.empty(filled text[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE one text;
    BEGIN
        FOREACH one IN ARRAY filled LOOP
            EXECUTE format('DELETE FROM %s', one);
            IF EXISTS (SELECT FROM template_table WHERE name = one) THEN
                EXECUTE format('INSERT INTO %s SELECT * FROM %I', one, 'template ' || one);
            END IF;
        END LOOP;
        PERFORM setval(oid, coalesce(last, 1), last IS NOT NULL) FROM template_sequence
        WHERE pg_sequence_last_value(oid) IS DISTINCT FROM last;
    END $$"""
"""What the emptying connection asks again and again; nothing of it is left in the database."""
FILLED = """
    SELECT name FROM pg_temp.list_filled() AS name LEFT JOIN template_table USING (name)
    WHERE digest IS NULL OR digest <> pg_temp.digest(name)
    UNION ALL
    SELECT name FROM template_table WHERE name NOT IN (SELECT pg_temp.list_filled())"""
"""Tables whose rows are not those of the template."""
NAMES = """
    SELECT relname::text AS name, relkind = 'r' AS is_table FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    UNION ALL SELECT proname, false FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
"""Tables, views and functions."""
OWN_TABLES = """
    SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> ALL ($1)"""
"""Tables that a test made."""
OURS = "(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
CATALOGUES = {
    "attribute": f"attrelid IN {OURS}",
    "proc": "pronamespace = 'public'::regnamespace",
    "constraint": "connamespace = 'public'::regnamespace",
    "attrdef": f"adrelid IN {OURS}",
    "index": f"indrelid IN {OURS}",
    "extension": "true",
    "namespace": "nspname !~ '^pg_(toast_)?temp_'",
}
"""The system's catalogues, and what of them is a schema's: temporary tables come and go."""
SCHEMA = f"""
    SELECT concat_ws(' ',
        (SELECT md5(string_agg(concat_ws(' ', oid, relname, relowner, relnatts, relacl, reloptions), ' ' ORDER BY oid))
         FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT md5(string_agg(concat_ws(' ', oid, tgname, tgfoid, tgenabled), ' ' ORDER BY oid)) FROM pg_trigger),
        {",".join(f"(SELECT sum(xmin::text::bigint) FROM pg_{name} WHERE {ours})" for name, ours in CATALOGUES.items())})"""
"""Changes with every change of a table, column, function, trigger, constraint, default, index or grant."""
OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND pid <> ALL ($1)"""
WITHOUT_AUTOVACUUM = """
    DO $$ DECLARE one regclass; BEGIN
        FOR one IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
            EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', one);
        END LOOP;
    END $$"""
"""Has tables analysed only where a test says so: autovacuum does it at any instant, also right after one was emptied."""
FORGET = (
    "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
    """UPDATE pg_class SET relpages = 0, reltuples = -1
       WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples >= 0""",
)
"""Forgets what a test had analysed: an emptied table would count as empty however many rows the next test writes."""
LARGER = "SELECT name FROM unnest($1::text[]) AS name WHERE pg_relation_size(name::regclass) > $2"
TEN_PAGES = 81_920
"""In bytes. PostgreSQL plans for any smaller table as for ten pages, so the deleted rows in it change no plan."""
ASKS_FOR_OTHER_PLANS = 200_000
"""In bytes: a table so large that the sweep's plans are made again."""


class SharedDatabase:
    """The database of a worker, as new whenever a test begins."""

    def __init__(self, server: EmbeddedPostgres, runner: asyncio.Runner) -> None:
        """Make nothing before the first test that needs it."""
        self.name = f"test_{os.getpid()}"
        self._server, self._runner = server, runner
        self._connection: Any = None
        self._schema = ""
        self._names: set[str] = set()
        self._tables: set[str] = set()

    def make(self) -> str:
        """Make it where there is none; return its name."""
        if self._connection is None:
            self._runner.run(self._make())
        return self.name

    async def _make(self) -> None:
        await self._administer(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", COPY.format(name=self.name))
        self._connection = await self._connect()
        await self._connection.execute(LOOKS)
        await self._connection.execute(WITHOUT_AUTOVACUUM)
        self._schema = await self._connection.fetchval(SCHEMA)
        named = {row["name"]: row["is_table"] for row in await self._connection.fetch(NAMES)}
        self._names, self._tables = set(named), {name for name, is_table in named.items() if is_table}

    async def _connect(self) -> Any:
        """Connect as one that keeps each invariant's plan: a hundred are asked after each test, more than are kept unless said."""
        return await asyncpg.connect(
            self._server.url(self.name, SUPERUSER), statement_cache_size=1000, max_cached_statement_lifetime=0
        )

    async def _administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._server.url("postgres", SUPERUSER))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def _is_connected(self) -> bool:
        """Return whether the test left our connection alone."""
        try:
            await self._connection.execute("SELECT")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True

    async def _list_filled(self) -> list[str]:
        return [row["name"] for row in await self._connection.fetch(FILLED)]

    def list_offenders(self) -> list[str]:
        """Return a line for every offender of an invariant.

        One that reads new tables alone has the answer that it has in the template, and is not asked.
        """
        return self._runner.run(self._list_offenders())

    async def _list_offenders(self) -> list[str]:
        from marketplace.oversight.invariants import INVARIANTS  # noqa: PLC0415 (it imports the whole marketplace)

        if await self._is_connected():
            filled = set(await self._list_filled())
        else:
            self._connection = await self._connect()
            self._schema = "unknown, so that it is thrown away"
            filled = self._tables
        if await self._connection.fetch(LARGER, list(filled), ASKS_FOR_OTHER_PLANS):
            await self._connection.execute("DISCARD PLANS")
        new = self._tables - filled
        found = []
        for sentence, invariant in INVARIANTS.items():
            read = self._names.intersection(re.findall(r"\w+", invariant.sql))
            if not read or read - new:
                offenders = await self._connection.fetch(invariant.sql, *invariant.values_now())
                found += [f"{sentence}: {dict(offender)}" for offender in offenders]
        return found

    def empty(self, spared: list[int]) -> None:
        """Make it as new; where its schema has changed, throw it away. Connections but for the spared ones are ended.

        spared: the server's processes of connections that the next test goes on with.
        """
        self._runner.run(self._empty(spared))

    async def _empty(self, spared: list[int]) -> None:
        if not await self._is_connected():
            self._connection = None
            return
        await self._connection.execute(OTHERS, spared)
        if own := await self._connection.fetchval(OWN_TABLES, list(self._names)):
            await self._connection.execute(f"DROP TABLE {own} CASCADE")
        if await self._connection.fetchval(SCHEMA) != self._schema:
            await self._connection.close()
            self._connection = None
            return
        filled = await self._list_filled()
        await self._connection.execute("SELECT pg_temp.empty($1)", filled)
        for row in await self._connection.fetch(LARGER, filled, TEN_PAGES):
            await self._connection.execute(f"VACUUM {row['name']}")
        for statement in FORGET:
            await self._connection.execute(statement)

    def drop(self) -> None:
        """Drop it, at the end of the run."""
        if self._connection is not None:
            self._runner.run(self._connection.close())
            self._runner.run(self._administer(f"DROP DATABASE {self.name} WITH (FORCE)"))

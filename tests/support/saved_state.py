"""A state that can be saved, put back and compared: the database, the objects beside it, the counterpart of Stripe and more.

The superuser reads and writes it beside the pool, with triggers and foreign keys off. Only what differs from what was saved
is written again, so putting a small state back takes some milliseconds.
"""

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, MutableMapping
from pathlib import Path
from typing import Any, Self

import asyncpg
from msgspec import Struct

from marketplace.core.settings import settings
from marketplace.demo.stripe_counterpart.scheduled_actions import run_due_actions
from marketplace.demo.stripe_counterpart.state import _TABLES, StripeState
from marketplace.oversight.invariants import INVARIANTS

LOOKS = """
    SET session_replication_role = replica;
    SET plan_cache_mode = force_generic_plan;
    CREATE FUNCTION pg_temp.digests() RETURNS TABLE (name text, digest text) LANGUAGE plpgsql AS $$
    DECLARE one regclass;
    BEGIN
        FOR one IN SELECT oid FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0 LOOP
            name := one::text;
            EXECUTE format('SELECT md5(string_agg(one::text, '' '' ORDER BY one::text)) FROM %s AS one', one) INTO digest;
            IF digest IS NOT NULL THEN RETURN NEXT; END IF;
        END LOOP;
    END $$"""
SEQUENCES = """
    SELECT oid::regclass::text AS name, pg_sequence_last_value(oid) AS last FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'"""
TABLES = (
    "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
)
COMPARED = """
    SELECT column_.attrelid::regclass::text AS name, array_agg(quote_ident(attname) ORDER BY attnum) AS columns
    FROM pg_attribute AS column_ JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_type ON pg_type.oid = atttypid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
      AND typname NOT IN ('uuid', '_uuid', 'timestamptz', 'bytea', '_bytea', 'tstzrange', 'interval') AND attidentity = ''
      AND NOT EXISTS (SELECT FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum
                      AND pg_get_expr(adbin, adrelid) LIKE 'nextval%')
      AND NOT EXISTS (
        SELECT FROM pg_constraint
        JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = ANY (confkey)
        WHERE conrelid = column_.attrelid AND contype = 'f' AND conkey = ARRAY[column_.attnum]
          AND (other.attidentity <> '' OR EXISTS (
            SELECT FROM pg_attrdef WHERE adrelid = confrelid AND adnum = other.attnum
            AND pg_get_expr(adbin, adrelid) LIKE 'nextval%')))
    GROUP BY 1"""
"""Table → the columns that say the same wherever and whenever they are written: no random id, instant, serial number."""
UNIQUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d{4}-\d\d-\d\d[T ][\d:.+Z]+|\b[a-z]+(?:_test)?_[0-9a-f]{24}\b"
    r'|\b(?=\d*[a-f])[0-9a-f]{12,}\b|(?<=": )1[6-9]\d{8}\b|(?=[A-Za-z+/_-]*\d)[A-Za-z0-9+/_-]{22,}={0,2}'
)
"""What of a text is one writing's own: ids, instants, digests, seals."""
TABLES_NOT_COMPARED = frozenset({"stripe_cursor"})
"""How far Stripe's lists were read: by the clock."""
NOT_COMPARED = frozenset(
    {
        "attempts",  # how often something was tried: once more where it died
        "letter.open_hand_overs",
        "search_card.version",
        "reading",  # how often Stripe was asked
        "entry",  # serial numbers that no foreign key names
        "source_id",
        "action",
        "run",
        "recredited_by",
        "fact",
        "answered_about",  # with noise
        "winners_about",
        "stripe_event.payload",  # as Stripe has it, which is compared there
    }
)


class Saved(Struct, frozen=True):
    """A state as it was."""

    digests: dict[str, str]
    rows: dict[str, bytes]
    sequences: dict[str, int | None]
    tables: frozenset[str]
    folder: Path
    stripe: dict[str, list[Any]]
    others: list[Any]
    files: dict[str, int]


class State:
    """What the state is now, and how it is made to be what it was."""

    def __init__(self, connection: Any, stripe: StripeState | None) -> None:
        """Look at it by this connection."""
        self._connection, self._stripe = connection, stripe
        self.others: list[tuple[list[Any], Callable[[list[Any]], Iterable[object]]]] = []
        """Lists that what is outside keeps of what it was sent, each with what two worlds are compared by."""
        self.memories: list[MutableMapping[Any, Any]] = []
        """What this process remembers, and a new one would not."""
        self._columns: dict[str, list[str]] = {}
        self._copies: dict[tuple[str, str], bytes] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="saved-"))

    @classmethod
    async def opened(cls, url: str, stripe: StripeState | None = None) -> Self:
        """Connect as the superuser at `url`."""
        connection = await asyncpg.connect(url, statement_cache_size=1_000)
        await connection.execute(LOOKS)
        return cls(connection, stripe)

    async def close(self) -> None:
        """Leave it."""
        shutil.rmtree(self._folder)
        await self._connection.close()

    async def _digests(self) -> dict[str, str]:
        return {row["name"]: row["digest"] for row in await self._connection.fetch("SELECT * FROM pg_temp.digests()")}

    async def save(self) -> Saved:
        """Return it as it is."""
        digests, rows = await self._digests(), {}
        for name, digest in digests.items():
            if (name, digest) not in self._copies:
                file = io.BytesIO()
                await self._connection.copy_from_query(f"SELECT * FROM {name}", output=file, format="binary")
                self._copies[name, digest] = file.getvalue()
            rows[name] = self._copies[name, digest]
        sequences = {row["name"]: row["last"] for row in await self._connection.fetch(SEQUENCES)}
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        if settings().state.exists():
            shutil.copytree(settings().state, folder / "state")
        return Saved(
            digests=digests,
            rows=rows,
            sequences=sequences,
            tables=frozenset([row[0] for row in await self._connection.fetch(TABLES)]),
            folder=folder,
            stripe=self._at_stripe(),
            others=[list(other) for other, _ in self.others],
            files=_files(),
        )

    def _at_stripe(self) -> dict[str, list[Any]]:
        if self._stripe is None:
            return {}
        return {table: self._stripe.fetch_rows(lambda *one: one, f"SELECT * FROM {table}") for table in _TABLES}

    async def _changed(self, saved: Saved) -> set[str]:
        return {name for name, _ in (await self._digests()).items() ^ saved.digests.items()}

    async def list_offenders(self, saved: Saved) -> list[str]:
        """Return a line for every offender of an invariant that reads what differs from what was saved."""
        changed, found = await self._changed(saved), []
        for sentence, invariant in INVARIANTS.items():
            if changed.intersection(re.findall(r"\w+", invariant.sql)):
                offenders = await self._connection.fetch(invariant.sql, *invariant.values_now())
                found += [f"{sentence}: {dict(offender)}" for offender in offenders]
        return found

    async def has_changed(self, saved: Saved) -> bool:
        """Return whether it differs from what was saved, in the database, at Stripe or elsewhere outside."""
        return (
            bool(await self._changed(saved))
            or self._at_stripe() != saved.stripe
            or [other for other, _ in self.others] != saved.others
            or _files() != saved.files
        )

    def forget(self) -> None:
        """Forget what a process that died remembers."""
        for memory in self.memories:
            memory.clear()

    async def restore(self, saved: Saved) -> None:
        """Make it what it was."""
        new = [
            f"DROP TABLE IF EXISTS {row[0]} CASCADE"
            for row in await self._connection.fetch(TABLES)
            if row[0] not in saved.tables
        ]
        changed = await self._changed(saved)
        async with self._connection.transaction():
            await self._connection.execute(
                "; ".join(["SELECT", *new, *(f"DELETE FROM {name}" for name in changed & saved.tables)])
            )
            for name in changed & saved.rows.keys():
                await self._connection.copy_to_table(name, source=io.BytesIO(saved.rows[name]), format="binary")
        for row in await self._connection.fetch(SEQUENCES):
            if (last := saved.sequences.get(row["name"])) != row["last"]:
                await self._connection.execute("SELECT setval($1, $2, $3)", row["name"], last or 1, last is not None)
        self.forget()
        shutil.rmtree(settings().state, ignore_errors=True)
        if (saved.folder / "state").exists():
            shutil.copytree(saved.folder / "state", settings().state)
        for table, rows in saved.stripe.items() if self._stripe else ():
            self._stripe.execute(f"DELETE FROM {table}")
            for one in rows:
                self._stripe.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(one))})", one)
        for (other, _), before in zip(self.others, saved.others, strict=True):
            other[:] = before

    async def changed_since(self, saved: Saved, unlike: Collection[str] = ()) -> dict[str, Counter[str]]:
        """Return how often it says what, of each table that differs from what was saved, and of all that is outside.

        unlike: tables, or `files`, that are left out.
        """
        if not self._columns:
            self._columns = {row["name"]: row["columns"] for row in await self._connection.fetch(COMPARED)}
        found: dict[str, Counter[str]] = {}
        for name in await self._changed(saved) - TABLES_NOT_COMPARED - set(unlike):
            columns = [one for one in self._columns.get(name, []) if not {one, f"{name}.{one}"} & NOT_COMPARED]
            rows = await self._connection.fetch(f"SELECT ROW({', '.join(columns)})::text FROM {name}")
            rows_of_name = found.setdefault(
                re.sub(r"_\d+", "_…", name), Counter()
            )  # a partition has the number of what it is of
            rows_of_name.update(UNIQUE.sub("…", row[0]) for row in rows)
        if self._stripe:
            with self._stripe.transaction():
                run_due_actions(self._stripe)
        for _, _, kind, _, body in self._at_stripe().get("object", ()):
            if kind != "event":
                found.setdefault(f"stripe {kind}", Counter())[UNIQUE.sub("…", body)] += 1
        for place, (other, described) in enumerate(self.others):
            found[f"outside {place}"] = Counter(UNIQUE.sub("…", str(one)) for one in described(other))
        if "files" not in unlike:
            found["files"] = Counter(UNIQUE.sub("…", name) for name in _files())
        return found


def _files() -> dict[str, int]:
    """Return the files beside the database, each with its size; a thread may be deleting some meanwhile."""
    root, found = settings().state, dict[str, int]()
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                found[str(path.relative_to(root))] = path.stat().st_size
    return found

"""The role that serves: it does all that the site and the jobs do, and can neither change the schema nor what was posted."""

from collections.abc import Iterator

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from migrations.roles import LOCKED, WRITTEN, grant_to
from migrations.runner import migrate
from tests.support.reads import fetch
from tests.support.server import SERVING

APPEND_ONLY = """SELECT relname::text AS name FROM pg_class JOIN pg_trigger ON tgrelid = pg_class.oid
                 WHERE tgname = 'append_only' AND NOT relispartition ORDER BY relname"""


async def test_the_role_that_serves_owns_nothing() -> None:
    assert await fetch_scalar(str, "SELECT current_user::text") == SERVING
    owned = await fetch(
        "SELECT relname FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = $1)", SERVING
    )
    assert not owned
    assert await fetch_scalar(bool, "SELECT NOT has_schema_privilege('public', 'CREATE')")


@pytest.mark.parametrize(
    "attack",
    [
        "DROP TRIGGER append_only ON posting",
        "ALTER TABLE posting DISABLE TRIGGER append_only",
        "ALTER TABLE posting DISABLE TRIGGER ALL",
        "ALTER TABLE posting ADD COLUMN spare BIGINT",
        "ALTER TABLE posting DROP CONSTRAINT posting_amount_minor_check",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER quiet BEFORE INSERT ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TABLE spare (id BIGINT)",
        "TRUNCATE posting",
        "TRUNCATE person CASCADE",
        "DROP TABLE posting",
        "UPDATE posting SET amount_minor = 1",
        "DELETE FROM posting",
        "UPDATE journal_entry SET at = at",
        "DELETE FROM consent_record",
        "UPDATE quote SET release = release",
        "UPDATE migration SET name = name",
        "SET session_replication_role = replica",
        "CREATE ROLE another SUPERUSER",
        "COPY posting TO PROGRAM 'cat'",
    ],
)
async def test_the_role_that_serves_cannot(attack: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedObjectError)) as refusal:
        async with transaction():
            await execute(attack)
    assert isinstance(refusal.value, asyncpg.InsufficientPrivilegeError), refusal.value


async def test_no_append_only_table_can_be_changed_and_few_be_locked() -> None:
    names = [row["name"] for row in await fetch(APPEND_ONLY)]
    assert len(names) > 30
    for name in names:
        may = await fetch(
            """SELECT has_table_privilege($1, 'UPDATE') AS update, has_table_privilege($1, 'DELETE') AS delete,
                      has_table_privilege($1, 'TRUNCATE') AS truncate, has_table_privilege($1, 'TRIGGER') AS trigger,
                      has_any_column_privilege($1, 'UPDATE') AS lock, has_table_privilege($1, 'INSERT') AS insert""",
            f'public."{name}"',
        )
        assert dict(may[0]) == dict.fromkeys(("update", "delete", "truncate", "trigger"), False) | {
            "lock": name in WRITTEN,
            "insert": True,
        }, name


async def test_what_may_be_locked_is_not_changed_either() -> None:
    now = clock.now()
    await execute("INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, 5, 7, 3)", now)
    for table in LOCKED:
        await execute(f"SELECT FROM {table} FOR UPDATE")
        # What names a person on it may be emptied when it is old, so the refusal is a row's, and needs one.
        with pytest.raises(asyncpg.RestrictViolationError):
            async with transaction():
                await add_bank_line()
                await execute(f"UPDATE {table} SET id = id")


async def add_bank_line() -> None:
    """Write an account, a statement and its one line, which nothing explains: for a transaction that is rolled back."""
    await execute(
        """WITH account AS (
               INSERT INTO bank_account (iban, opened_at) VALUES ('FR7630006000011234567890189', $1) RETURNING iban
           ), statement AS (
               INSERT INTO bank_statement (iban, message_id, statement_id, opened_on, closed_on, opening_minor, closing_minor,
                                           currency, line_count, file_sha256, imported_at)
               SELECT iban, 'M', 'S', '2026-01-01', '2026-01-01', 0, 5, 'EUR', 1, '', $1 FROM account RETURNING id, iban
           )
           INSERT INTO bank_line (statement, iban, reference, booked_on, value_on, amount_minor, currency, end_to_end_id,
                                  batch_id, transaction_id, counterparty, counterparty_iban, remittance, code, return_reason)
           SELECT id, iban, 'R', '2026-01-01', '2026-01-01', 5, 'EUR', '', '', '', 'Ada', '', '', '', '' FROM statement""",
        clock.now(),
    )


async def test_a_months_close_makes_its_table_by_the_owners_functions() -> None:
    month = await fetch_scalar(
        int,
        """INSERT INTO share_close (month, begun_at, next_reference, people, shares_micro)
           VALUES ('2026-01-01', $1, 0, 0, 0) RETURNING id""",
        clock.now(),
    )
    async with transaction():
        await execute("SELECT begin_closing($1)", month)
        await execute("INSERT INTO closing_share (close, subscriber, payable_micro) VALUES ($1, 7, 10)", month)
        await execute("SELECT add_closing_key()")
        await execute("SELECT attach_closing($1)", month)
    assert await fetch_scalar(int, "SELECT payable_micro FROM closed_share WHERE close = $1", month) == 10
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(f"UPDATE closed_share_{month} SET payable_micro = 0")


@pytest.fixture
def named_roles(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:  # noqa: ARG001 (its settings come first)
    """Return what changes settings for the test."""
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.owner("it migrates")
async def test_migrate_refuses_a_role_that_could_do_more(named_roles: pytest.MonkeyPatch) -> None:
    for role, sentence in [("nobodys", "names no role"), ("partage", "neither owns"), ("postgres", "neither owns")]:
        with pytest.raises(Invalid, match=sentence):
            await grant_to(role)
    named_roles.setenv("PARTAGE_SERVING_ROLE", SERVING)
    settings.cache_clear()
    await migrate()
    await migrate()

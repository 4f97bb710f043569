"""What pages and checks read from the books: balances and the trial balance at any instant, the journal, one entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.database import fetch, fetch_one, fetch_value
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

LARGEST_ID = 2**63 - 1


async def balance(account: str, at: dt.datetime | None = None) -> int:
    """Return debits minus credits of an account in cents, of what happened until `at` (included), or of everything."""
    return int(
        await fetch_value(
            """SELECT coalesce(sum(CASE WHEN debit = $1 THEN amount_minor ELSE -amount_minor END), 0)
               FROM posting WHERE (debit = $1 OR credit = $1)
               AND ($2::timestamptz IS NULL OR entry IN (SELECT id FROM journal_entry WHERE at <= $2))""",
            account, at,
        )
    )  # fmt: skip


TRIAL_BALANCE: Final = """
WITH base AS (
    SELECT month, ends_at FROM period
    WHERE NOT $2 AND ($1::timestamptz IS NULL OR ends_at <= $1 + interval '1 microsecond')
      AND EXISTS (SELECT FROM period_balance WHERE period_balance.month = period.month)
    ORDER BY month DESC LIMIT 1
), moved AS (
    SELECT posting.debit, posting.credit, posting.amount_minor
    FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
    WHERE ($1::timestamptz IS NULL OR CASE WHEN $2 THEN recorded_at ELSE at END <= $1)
      AND at >= coalesce((SELECT ends_at FROM base), '-infinity')
), side AS (
    SELECT account AS code, debit_minor, credit_minor FROM period_balance WHERE month = (SELECT month FROM base)
    UNION ALL SELECT debit, amount_minor, 0::bigint FROM moved
    UNION ALL SELECT credit, 0::bigint, amount_minor FROM moved
)
SELECT account.code, left(account.code, 1) AS class, account.title_fr, account.title_en,
       coalesce(sum(side.debit_minor), 0)::bigint AS debit_minor,
       coalesce(sum(side.credit_minor), 0)::bigint AS credit_minor,
       coalesce(sum(side.debit_minor - side.credit_minor), 0)::bigint AS balance_minor
FROM account LEFT JOIN side ON side.code = account.code
GROUP BY account.code ORDER BY account.code
"""
"""SQL: every account by $1 (included; null: by now), by date or, where $2, by recording; by date, from the last closed month on."""


async def trial_balance(at: dt.datetime | None = None, *, recorded: bool = False) -> list[asyncpg.Record]:
    """Return every account with its debits and credits until `at` (included); all balances add up to zero.

    By the books' date; `recorded`: by when it was entered, that is, what the books said at that instant.
    """
    return await fetch(TRIAL_BALANCE, at, recorded)


async def get_account(code: str) -> asyncpg.Record:
    """Return an account of the chart with its balance in cents."""
    row = await fetch_one("SELECT code, title_fr, title_en FROM account WHERE code = $1", code)
    if row is None:
        raise NotFound("There is no account {code}.", code=code)
    return row


async def list_accounts() -> list[asyncpg.Record]:
    """Return the chart of accounts: codes and titles."""
    return await fetch("SELECT code, title_fr, title_en FROM account ORDER BY code")


async def list_kinds() -> Sequence[str]:
    """Return the kinds of entry the journal has."""
    return [
        row["kind"]
        for row in await fetch(
            """WITH RECURSIVE known AS (
                   (SELECT kind FROM journal_entry ORDER BY kind LIMIT 1)
                   UNION ALL
                   SELECT (SELECT kind FROM journal_entry WHERE kind > known.kind ORDER BY kind LIMIT 1) FROM known
                   WHERE known.kind IS NOT NULL
               ) SELECT kind FROM known WHERE kind IS NOT NULL"""
        )
    ]


async def list_entries(
    page: int = 1, *, account: str | None = None, kind: str | None = None,
    since: dt.datetime | None = None, until: dt.datetime | None = None,
) -> Paged[Any]:  # fmt: skip
    """Return one page of the journal, newest first; `since` is included, `until` excluded.

    With an account, its entries alone and its debit and credit in each; without, both are the entry's total.
    """
    rows = await fetch(
        """
        SELECT journal_entry.id, kind, source_id, at, recorded_at, currency, text, debit_minor, credit_minor
        FROM journal_entry CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_minor) FILTER (WHERE $1::text IS NULL OR debit = $1), 0)::bigint AS debit_minor,
                   coalesce(sum(amount_minor) FILTER (WHERE $1::text IS NULL OR credit = $1), 0)::bigint AS credit_minor
            FROM posting WHERE posting.entry = journal_entry.id
        ) AS moved
        WHERE ($1::text IS NULL OR journal_entry.id IN (SELECT entry FROM posting WHERE debit = $1 OR credit = $1))
          AND ($2::text IS NULL OR kind = $2)
          AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
        ORDER BY at DESC, journal_entry.id DESC LIMIT $5 OFFSET $6
        """,
        account, kind, since, until, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def get_entry(entry_id: int) -> dict[str, Any]:
    """Return one entry with its `postings`, each with both accounts' titles."""
    row = await fetch_one("SELECT * FROM journal_entry WHERE id = $1", min(entry_id, LARGEST_ID))
    if row is None:
        raise NotFound("There is no journal entry {entry}.", entry=entry_id)
    postings = await fetch(
        """SELECT posting.id, debit, credit, amount_minor,
                  d.title_fr AS debit_fr, d.title_en AS debit_en, c.title_fr AS credit_fr, c.title_en AS credit_en
           FROM posting JOIN account AS d ON d.code = debit JOIN account AS c ON c.code = credit
           WHERE entry = $1 ORDER BY posting.id""",
        entry_id,
    )
    reversed_by = await fetch_value("SELECT id FROM journal_entry WHERE reverses = $1", row["id"])
    return {**row, "postings": postings, "reversed_by": reversed_by}


async def list_entries_of(sources: Sequence[tuple[str, str]]) -> list[asyncpg.Record]:
    """Return the entries that record these (kind, source id), oldest first."""
    return await fetch(
        """SELECT journal_entry.id, kind, source_id, at, currency, text, (
               SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE entry = journal_entry.id
           ) AS amount_minor
           FROM journal_entry JOIN unnest($1::text[], $2::text[]) AS wanted (kind, source_id) USING (kind, source_id)
           ORDER BY at, journal_entry.id""",
        [kind for kind, _ in sources], [source for _, source in sources],
    )  # fmt: skip

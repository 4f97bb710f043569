"""Looking for exceptions in large books: what is found is kept for the pages that show it, until the next look."""

from __future__ import annotations

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.locks import lock
from marketplace.finance.reconciliation.exception_queries import SQL, are_books_large, given_now, sweep
from marketplace.finance.reconciliation.tables import KeptException


async def refresh_large_books() -> int:
    """Look for all exceptions of large books, and keep them for the pages that show them; a job. Return how many."""
    return await refresh_exceptions() if await are_books_large() else 0


async def refresh_exceptions() -> int:
    """Look for all exceptions, and keep them in place of those that the last look found; return how many."""
    async with transaction():
        await lock("look for exceptions")
        now = clock.now()
        await KeptException.delete(force=True)
        found = await execute(
            f"""INSERT INTO kept_exception (why, detail, subject, reference, path, amount_minor, at)
                SELECT why, detail, subject, reference, path, amount_minor, at FROM ({sweep()}) AS found""",
            *await given_now(),
        )
        await execute(SQL["note_look"], now)
    return found


async def forget_exception(why: str, subject: str) -> None:
    """Drop an exception that was just settled from what the last look found."""
    await KeptException.delete().where((KeptException.why == why) & (KeptException.subject == subject))

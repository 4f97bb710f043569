"""What becomes of a line's bank details when its holder leaves: gone at once, or once the last payout has arrived."""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketplace import clock
from marketplace.database import execute, fetch_scalar, transaction
from marketplace.locks import lock
from marketplace.payouts.queries import SQL

LONGEST_WAIT: Final = dt.timedelta(days=60)
"""How long a last payout may be under way; then the details are deleted in any case, and the money stays with the line."""


async def has_way_to_be_paid(line: int) -> bool:
    """Return whether a line's holder gave bank details that no bank refused, or is paid through Stripe."""
    return bool(await fetch_scalar(bool, SQL["has_way_to_be_paid"], line))


async def pay_out_last(line: int) -> None:
    """Have all that is a line's paid by the next run, from one cent on, and nothing after it."""
    async with transaction():
        await lock(f"bank details {line}")
        await execute(SQL["choose_last_payout"], line, clock.now())


async def forget_details(line: int) -> None:
    """Delete where a line's holder was paid; what an open payout needs goes when it has ended."""
    async with transaction():
        await lock(f"bank details {line}")
        await execute(SQL["end_choice"], line)
        await execute(SQL["end_details_of"], line, clock.now())
        await execute(SQL["forget_details"], line)


async def end_last_payouts() -> int:
    """Delete the bank details of people who left, once their last payout has ended; return how many rows changed."""
    now = clock.now()
    async with transaction():
        await execute(SQL["end_last_payouts"], now - LONGEST_WAIT)
        ended = await execute(SQL["end_former_details"], None, now)
        forgotten = await execute(SQL["forget_details"], None)
    return ended + forgotten

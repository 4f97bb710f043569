"""What happens to a line's payment details when its holder leaves: deleted at once, or after the last payout.

These are the bank details here and the account that Stripe made for the holder.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.locks import lock
from marketplace.money.payments.transfers import close_account_of, close_accounts
from marketplace.subscribers.payouts.queries import SQL
from marketplace.subscribers.payouts.tables import BankDetails

CAN_BE_PAID: Final = """
    SELECT EXISTS (
        SELECT FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
        WHERE subscriber = $1 AND ended_at IS NULL AND refused_at IS NULL
    ) OR EXISTS (
        SELECT FROM payout_choice JOIN subscriber ON reference = subscriber AND chosen_at >= claimed_at
        WHERE subscriber = $1 AND stripe_account IS NOT NULL)"""
LONGEST_WAIT: Final = dt.timedelta(days=60)
"""How long a last payout may be under way.

After that the details are deleted in any case, and the money stays with the line.
"""
LAST_PAYOUT: Final = """
    INSERT INTO payout_choice (subscriber, threshold_minor, chosen_at, is_last) VALUES ($1, 0, $2, true)
    ON CONFLICT (subscriber) DO UPDATE SET is_last = true, chosen_at = excluded.chosen_at RETURNING stripe_account"""


class EndedChoice(Struct, frozen=True):
    """The Stripe account that somebody had chosen, if they had."""

    stripe_account: str | None


async def end_choices(statement: str, *values: object) -> None:
    """Run a statement that ends payment choices, and request that the Stripe accounts in them be closed."""
    async with transaction():
        ended = await fetch_rows(EndedChoice, statement, *values)
        await close_accounts([row.stripe_account for row in ended if row.stripe_account])


async def has_way_to_be_paid(line: int) -> bool:
    """Return whether a line's holder gave bank details that no bank refused, or is paid through Stripe."""
    return bool(await fetch_scalar(bool, CAN_BE_PAID, line))


async def pay_out_last(line: int) -> None:
    """Pay all of a line's money in the next run, from one cent on, and nothing after it."""
    async with transaction():
        await lock(f"bank details {line}")
        if await fetch_scalar(str, LAST_PAYOUT, line, clock.now()) is None:
            await close_account_of(line)  # set up perhaps, but not used for payment


async def forget_details(line: int) -> None:
    """Delete the payment details of a line's holder, or once its open payout has ended, if there is one."""
    async with transaction():
        await lock(f"bank details {line}")
        await end_choices("DELETE FROM payout_choice WHERE subscriber = $1 RETURNING stripe_account", line)
        await close_account_of(line)
        await BankDetails.update({BankDetails.ended_at: clock.now()}).where(
            BankDetails.subscriber == line, BankDetails.ended_at.is_null()
        )
        await execute(SQL["forget_details"], line)


async def end_last_payouts() -> int:
    """Delete the bank details of people who left, once their last payout has ended; return how many rows changed."""
    now = clock.now()
    async with transaction():
        await end_choices(SQL["end_last_payouts"], now - LONGEST_WAIT)
        ended = await execute(SQL["end_former_details"], None, now)
        forgotten = await execute(SQL["forget_details"], None)
    return ended + forgotten

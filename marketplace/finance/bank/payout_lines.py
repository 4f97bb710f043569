"""Subscribers' payouts on the bank's statement: their debits and returns, found by their references.

A line is explained only if reference and amount both fit and no other line has explained that payment; everything else
stays with finance's exceptions, above all a second debit for one payout. Payouts follow the matches: a debit settles
one, a credit recredits the subscriber.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_rows, transaction
from marketplace.core.locks import lock
from marketplace.finance.bank.matching import Match, match_lines
from marketplace.finance.bank.queries import SQL
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.subscribers.payouts import actions as payouts

BATCH_SIZE: Final = 20_000


class PayoutLine(Struct, frozen=True):
    """A bank line that is certainly a subscriber's payout or a batch of them; `target` is its reference."""

    line: int
    amount_minor: int
    target: str


class ReturnedPayout(Struct, frozen=True):
    """A settled payout that the bank returned, with its reason."""

    id: uuid.UUID
    return_reason: str


async def match_payouts() -> int:
    """Explain every bank line that is certainly a payout's, and settle and recredit these; return how many lines."""
    matched = 0
    while done := await _match_some():
        matched += done
    return matched


async def _match_some() -> int:
    """Debits first: a payout that the same statement returns must be settled before it can come back."""
    now = clock.now()
    async with transaction():
        await lock(payouts.LOCK)
        lines = await fetch_rows(PayoutLine, SQL["lines_of_payouts"], BATCH_SIZE)
        await match_lines(
            [
                Match(
                    line=line.line,
                    target_kind="payout_line",
                    target_id=line.target,
                    amount_minor=line.amount_minor,
                    account=SUBSCRIBERS_IN_TRANSIT,
                    reasons=("reference_found", "amount_equal"),
                )
                for line in lines
            ],
            person=None,
        )
        paid = await fetch_column(uuid.UUID, SQL["paid_payouts"])
        await payouts.settle(paid, now)
        returned = {row.id: row.return_reason for row in await fetch_rows(ReturnedPayout, SQL["returned_payouts"])}
        await payouts.recredit_returned(returned, now)
    return len(lines)

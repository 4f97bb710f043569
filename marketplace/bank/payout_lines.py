"""Subscribers' payouts on the bank's statement: what the bank took for them, and what it brought back, by their references.

A line is explained only where reference and amount both fit and nothing else has explained that payment; everything
else stays with finance's exceptions, a second debit for one payout above all. Payouts follow the matches: a debit
settles, a credit recredits the subscriber.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace import clock
from marketplace.bank.matching import Match, match_lines
from marketplace.bank.queries import SQL
from marketplace.database import fetch_rows, transaction
from marketplace.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.locks import lock
from marketplace.payouts import actions as payouts

BATCH_SIZE: Final = 20_000


class PayoutLine(Struct, frozen=True):
    """A bank line that is surely a subscriber's payout or a batch of them; `target` is the reference it bears."""

    line: int
    amount_minor: int
    target: str


class PaidPayout(Struct, frozen=True):
    """A payout that a statement shows."""

    id: uuid.UUID


class ReturnedPayout(Struct, frozen=True):
    """A settled payout that the bank brought back, with its reason."""

    id: uuid.UUID
    return_reason: str


async def match_payouts() -> int:
    """Explain every bank line that is surely a payout's, settle and recredit what follows; return how many lines."""
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
        paid = [row.id for row in await fetch_rows(PaidPayout, SQL["paid_payouts"])]
        await payouts.settle(paid, now)
        returned = {row.id: row.return_reason for row in await fetch_rows(ReturnedPayout, SQL["returned_payouts"])}
        await payouts.recredit_returned(returned, now)
    return len(lines)

"""Jobs for revenue shares: hold them once a sale is settled, cancel them after a refund, release them with a month.

Each pass is one transaction with its splits and journal entries: a process killed inside it has written nothing. A
licence is split once and ended once: its row is locked, and its keys are unique. Only payouts write a row per person
here.
"""

from __future__ import annotations

import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import copy_in, execute, execute_long, fetch_rows, fetch_scalar, transaction
from marketplace.core.locks import lock
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.money.ledger.chart import (
    LOSSES,
    OPERATOR_PAYABLE,
    OPERATOR_SHARE,
    SUBSCRIBERS_HELD,
    SUBSCRIBERS_SHARES,
)
from marketplace.subscribers.earnings import rules
from marketplace.subscribers.earnings.contribution_actions import number_sold_releases
from marketplace.subscribers.earnings.queries import SQL
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR, Costs, Division, Settlement, SplitFigures, divide
from marketplace.subscribers.earnings.settlement import ReleaseSettled
from marketplace.subscribers.earnings.tables import ShareRun

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


LICENCES_A_RUN: Final = 500
SPLIT_COLUMNS: Final = (
    "licence",
    "fee_minor",
    "distributable_minor",
    "pool_minor",
    "operator_minor",
    "platform_minor",
    "people",
    "total_weight",
    "terms",
    "top_up_operator_minor",
    "top_up_platform_minor",
    "topped_up",
    "denominator",
    "shares_micro",
    "rounding_micro",
    "state",
    "held_by",
    "split_at",
)
"""The values of a new split, in the order of `_row_of`."""
TEXTS: Final = {
    "shares_held": "Shares of a licence, held until refund and dispute windows end",
    "shares_released": "Shares of a licence, now the subscribers'",
    "shares_cancelled": "Shares of a refunded licence, cancelled",
    "shares_lost": "Shares that stay the subscribers' though the sale was paid back: the operator's loss",
}


class SettledLicence(Struct, frozen=True):
    """A licence to split; money in cents, rates in basis points."""

    id: uuid.UUID
    release: uuid.UUID
    posted_minor: int
    net_minor: int
    currency: str
    subscribers_basis_points: int
    operator_basis_points: int
    fee_minor: int
    terms: list[uuid.UUID]


class HeldSplit(SplitFigures, frozen=True):
    """A held split; `id` is its licence's."""

    id: uuid.UUID
    release: uuid.UUID
    currency: str


class SplitWithLoss(Struct, frozen=True):
    """A released split with refunds that are not entered yet, in cents; `id` is its licence's."""

    id: uuid.UUID
    currency: str
    returned_minor: int
    pool_minor: int
    operator_minor: int
    owed_minor: int
    """What subscribers received of it."""
    top_up_operator_minor: int
    top_up_platform_minor: int
    net_minor: int
    """The sale that the split divided."""
    before_minor: int
    """Refunds that are entered."""
    loss_minor: int
    """All refunds."""


class DividedLicence(NamedTuple):
    """How one licence was divided and its debt: the columns of its split except the run."""

    licence: SettledLicence
    division: Division
    people: int
    total_weight: int
    settlement: Settlement


async def hold_shares() -> int:
    """Split every settled licence that has no split yet, as held; return how many were split.

    One worker does it; the others wait and then find nothing to do.
    """
    held = 0
    while done := await _hold_some():
        held += done
    return held


async def cancel_shares() -> int:
    """Cancel the held shares of sales that were paid back whole; return how many. Released shares stay the subscribers'.

    A refund of a part, which a person never sees, leaves the shares as they are; once they are released, the loss is
    entered.
    """
    cancelled = 0
    while done := await _cancel_some():
        cancelled += done
    while await _bear_losses():
        pass
    return cancelled


async def move_payable(
    kind: Literal["payout", "payout_back", "reward", "reward_back"],
    source: str,
    *values: object,
    amount_minor: int,
    people: int,
    at: dt.datetime,
) -> int:
    """Debit whole cents from subscribers' payable balances, or (`_back`) credit them again; return the run.

    source: SQL with the parameters `values`, which returns each subscriber once with their cents, above zero, as
    `amount_minor`; there are `people` rows, which sum to `amount_minor`. One statement moves them, in the caller's
    transaction; the database refuses a balance below zero.
    """
    run, micro = await begin_run(kind, at, amount_minor, people), MICRO_PER_MINOR
    moved = await execute_long(
        f"""INSERT INTO accrual (run, subscriber, payable_micro)
            SELECT ${len(values) + 1}::bigint, subscriber, amount_minor * ${len(values) + 2}::bigint
            FROM ({source}) AS moving""",
        *values,
        run,
        micro if kind.endswith("_back") else -micro,
    )
    assert moved == people, "money moves for everyone, or for nobody"
    return run


async def _hold_some() -> int:
    now = clock.now()
    async with transaction():
        await lock("hold shares")
        licences = await fetch_rows(SettledLicence, SQL["lock_settled_licences"], LICENCES_A_RUN)
        if not licences:
            return 0
        await number_sold_releases()
        divided = await _divide_all(licences)
        moved = sum(one.settlement.owed_minor for one in divided)
        run = await begin_run("hold", now, moved, 0)
        await copy_in("licence_split", SPLIT_COLUMNS, [_row_of(one, run, now) for one in divided])
        await record_moving([entry_of("shares_held", one.licence, now, _held_postings(one)) for one in divided])
    return len(licences)


async def _divide_all(licences: Sequence[SettledLicence]) -> list[DividedLicence]:
    """Divide each licence's money; read a release once if several of them sold it."""
    divided: list[DividedLicence] = []
    for release, sold in groupby(licences, key=lambda licence: licence.release):
        settled = await ReleaseSettled.read(release)
        for licence in sold:
            rates = licence.subscribers_basis_points, licence.operator_basis_points
            division = divide(licence.posted_minor, licence.net_minor, licence.fee_minor, rates)
            settlement = await settled.settle(division, licence.terms)
            divided.append(DividedLicence(licence, division, settled.weighed.count, settled.weighed.total, settlement))
    return divided


def _row_of(one: DividedLicence, run: int, now: dt.datetime) -> tuple[object, ...]:
    """Return the values of SPLIT_COLUMNS."""
    licence, division, settlement = one.licence, one.division, one.settlement
    return (
        licence.id,
        division.fee_minor,
        division.distributable_minor,
        division.pool_minor,
        division.operator_minor,
        division.platform_minor,
        one.people,
        one.total_weight,
        licence.terms,
        settlement.top_up_operator_minor,
        settlement.top_up_platform_minor,
        settlement.topped_up,
        settlement.denominator,
        settlement.shares_micro,
        settlement.rounding_micro,
        "held",
        run,
        now,
    )


def _held_postings(one: DividedLicence) -> list[tuple[str, str, int]]:
    settlement = one.settlement
    paid = rules.costs(
        (one.division.pool_minor, one.division.operator_minor),
        settlement.owed_minor,
        (settlement.top_up_operator_minor, settlement.top_up_platform_minor),
    )
    return [
        (SUBSCRIBERS_SHARES, SUBSCRIBERS_HELD, paid.subscribers_minor),
        (OPERATOR_SHARE, SUBSCRIBERS_HELD, paid.operators_minor),
        _either_way(OPERATOR_SHARE, OPERATOR_PAYABLE, paid.kept_minor),
    ]


def _either_way(debit: str, credit: str, amount_minor: int) -> tuple[str, str, int]:
    """Return a posting of an amount of either sign."""
    return (debit, credit, amount_minor) if amount_minor >= 0 else (credit, debit, -amount_minor)


async def _cancel_some() -> int:
    now = clock.now()
    async with transaction():
        splits = await fetch_rows(HeldSplit, SQL["lock_splits_to_cancel"], LICENCES_A_RUN)
        if not splits:
            return 0
        ended = [split.id for split in splits]
        run = await begin_run("cancel", now, sum(split.owed_minor for split in splits), 0)
        await execute(
            "UPDATE licence_split SET state = 'cancelled', ended_by = $2 WHERE licence = ANY ($1)", ended, run
        )
        await record_moving([entry_of("shares_cancelled", split, now, _cancelled_postings(split)) for split in splits])
    return len(splits)


def _cancelled_postings(split: HeldSplit) -> list[tuple[str, str, int]]:
    paid = split.costs
    return [
        (SUBSCRIBERS_HELD, SUBSCRIBERS_SHARES, paid.subscribers_minor),
        (SUBSCRIBERS_HELD, OPERATOR_SHARE, paid.operators_minor),
        _either_way(OPERATOR_PAYABLE, OPERATOR_SHARE, paid.kept_minor),
    ]


async def _bear_losses() -> int:
    """Enter the operator's loss on some released splits, in proportion to later refunds; return how many."""
    now = clock.now()
    async with transaction():
        splits = await fetch_rows(SplitWithLoss, SQL["lock_splits_with_losses"], LICENCES_A_RUN)
        if not splits:
            return 0
        await execute(
            """UPDATE licence_split SET loss_minor = given.loss FROM unnest($1::uuid[], $2::bigint[]) AS given (id, loss)
               WHERE licence = given.id""",
            [split.id for split in splits],
            [split.loss_minor for split in splits],
        )
        losses = [_loss_of(split, now) for split in splits]
        await record_all([loss for loss in losses if any(amount for _, _, amount in loss.postings)])
    return len(splits)


def _loss_of(split: SplitWithLoss, now: dt.datetime) -> Entry:
    def further(amount_minor: int) -> int:
        return rules.further_loss(amount_minor, split.net_minor, split.before_minor, split.loss_minor)

    paid: Costs = rules.costs(
        (split.pool_minor, split.operator_minor),
        split.owed_minor,
        (split.top_up_operator_minor, split.top_up_platform_minor),
    )
    postings = [
        (LOSSES, SUBSCRIBERS_SHARES, further(paid.subscribers_minor)),
        (LOSSES, OPERATOR_SHARE, further(paid.operators_minor)),
        (OPERATOR_PAYABLE, OPERATOR_SHARE, further(max(0, paid.kept_minor))),
    ]
    name = f"{split.id}/{split.returned_minor}"
    return Entry("shares_lost", name, now, TEXTS["shares_lost"], postings, split.currency)


async def begin_run(kind: str, now: dt.datetime, amount_minor: int, people: int) -> int:
    """Record a pass that moves subscribers' money and how many people it concerns; return its number."""
    new = ShareRun(kind=kind, at=now, amount_minor=amount_minor, people=people)
    run = await fetch_scalar(int, ShareRun.insert(new).returning(ShareRun.id))
    assert run is not None
    return run


def entry_of(
    kind: str, split: SettledLicence | HeldSplit, now: dt.datetime, postings: list[tuple[str, str, int]]
) -> Entry:
    """Return the entry of a licence's shares, which the books name by licence."""
    return Entry(kind, str(split.id), now, TEXTS[kind], postings, split.currency)


async def record_moving(entries: Sequence[Entry]) -> None:
    """Record the entries that move an amount."""
    moving = [entry for entry in entries if any(amount for _, _, amount in entry.postings)]
    assert len(await record_all(moving)) == len(moving), "a licence's shares move once"

"""Revenue shares as jobs: hold them once a sale is settled, release them after the hold, cancel them after a refund.

Each pass is one transaction, splits, accruals and journal entries together, so that a process killed between two lines
has done nothing. A licence is split once and ended once: its row is locked, and its keys are unique.
"""

from __future__ import annotations

import asyncio
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.contributions.actions import number_sold_releases
from marketplace.database import copy_columns, copy_in, execute, fetch_rows, fetch_scalar, transaction
from marketplace.datasets.queries import manifest
from marketplace.earnings import rules
from marketplace.earnings.promises import PromisesOfRelease
from marketplace.earnings.queries import SQL
from marketplace.earnings.rules import (
    MICRO_PER_MINOR,
    PUBLIC_DENOMINATOR,
    Costs,
    Division,
    Settlement,
    SplitFigures,
    add_up,
    divide,
)
from marketplace.earnings.settlement import ReleaseSettled
from marketplace.earnings.tables import ShareRun
from marketplace.ledger.actions import Entry, record_all
from marketplace.ledger.chart import (
    LOSSES,
    OPERATOR_PAYABLE,
    OPERATOR_SHARE,
    SUBSCRIBERS_HELD,
    SUBSCRIBERS_PAYABLE,
    SUBSCRIBERS_SHARES,
)
from marketplace.locks import try_lock
from pricing.promises import topped_up
from pricing.public_shares import public_shares
from pricing.revenue_share import shares

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.datasets.queries import Manifest
    from marketplace.earnings.rules import Amounts

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
    "cutoff_remainder",
    "cutoff_position",
    "terms",
    "top_up_operator_minor",
    "top_up_platform_minor",
    "topped_up",
    "top_up_each_micro",
    "top_up_position",
    "rule",
    "denominator",
    "shares_micro",
    "rounding_micro",
    "generation",
    "returned_minor",
    "state",
    "held_by",
    "split_at",
)
"""What a new split is written with, in the order of `_row_of`."""
TEXTS: Final = {
    "shares_held": "Shares of a licence, held until refund and dispute windows end",
    "shares_released": "Shares of a licence, now the subscribers'",
    "shares_cancelled": "Shares of a refunded licence, cancelled",
    "shares_lost": "Shares that stay the subscribers' though the sale was paid back: the operator's loss",
}


class SettledLicence(Struct, frozen=True):
    """A licence to split, by what is left of it after refunds; money in cents, rates in basis points."""

    id: uuid.UUID
    release: uuid.UUID
    net_minor: int
    returned_minor: int
    currency: str
    generation: int
    """How many splits it had before, each ended by a refund of a part."""
    subscribers_basis_points: int
    operator_basis_points: int
    fee_minor: int
    terms: list[uuid.UUID]


class HeldSplit(SplitFigures, frozen=True):
    """A split that is held; `id` is its licence's."""

    id: uuid.UUID
    generation: int
    release: uuid.UUID
    currency: str


class SplitWithLoss(Struct, frozen=True):
    """A released split of which more was paid back than is entered, in cents; `id` is its licence's."""

    id: uuid.UUID
    currency: str
    returned_minor: int
    pool_minor: int
    operator_minor: int
    owed_minor: int
    """What subscribers were given of it."""
    top_up_operator_minor: int
    top_up_platform_minor: int
    net_minor: int
    """The sale that the split divided."""
    before_minor: int
    """What of it was paid back and is entered."""
    loss_minor: int
    """What of it was paid back in all."""


class Divided(NamedTuple):
    """How one licence was divided and what it owes: all of its split's row but the run."""

    licence: SettledLicence
    division: Division
    people: int
    total_weight: int
    settlement: Settlement


async def hold_shares() -> int:
    """Split every settled licence that has no split yet, as held; return how many were.

    Of several workers one does it and the others find nothing to do.
    """
    held = 0
    while done := await _hold_some():
        held += done
    return held


async def release_shares() -> int:
    """Make the held shares theirs whose licence's hold is over, unless a refund or dispute is open; return how many."""
    released = 0
    while done := await _end_some("released"):
        released += done
    return released


async def cancel_shares() -> int:
    """Cancel the held shares of what was refunded or lost; return how many. What was released stays the subscribers'.

    Where only a part was paid back, `hold_shares` splits the rest anew; of what was released, the loss is entered.
    """
    cancelled = 0
    while done := await _end_some("cancelled"):
        cancelled += done
    while await _bear_losses():
        pass
    return cancelled


async def move_payable(
    kind: Literal["payout", "payout_back"],
    source: str,
    *values: object,
    amount_minor: int,
    people: int,
    at: dt.datetime,
) -> int:
    """Move whole cents out of subscribers' payable balances (payout), or into them again (payout_back); return the run.

    source: SQL with the parameters `values`, which returns a subscriber once, and their cents above zero as
    `amount_minor`; `people` rows that are `amount_minor` in all. One statement moves them, in the caller's transaction;
    the database refuses a balance below zero.
    """
    run, micro = await _begin_run(kind, at, amount_minor, people), MICRO_PER_MINOR
    moved = await execute(
        f"""INSERT INTO accrual (run, subscriber, held_micro, payable_micro)
            SELECT ${len(values) + 1}::bigint, subscriber, 0, amount_minor * ${len(values) + 2}::bigint
            FROM ({source}) AS moving""",
        *values,
        run,
        -micro if kind == "payout" else micro,
    )
    assert moved == people, "money moves for everyone, or for nobody"
    return run


async def _hold_some() -> int:
    now = clock.now()
    async with transaction():
        if not await try_lock("hold shares"):
            return 0
        licences = await fetch_rows(SettledLicence, SQL["lock_settled_licences"], LICENCES_A_RUN)
        if not licences:
            return 0
        await number_sold_releases()
        divided = await _divide_all(licences)
        moved = sum(one.settlement.owed_minor for one in divided)
        run = await _begin_run("hold", now, moved, 0)
        await copy_in("licence_split", SPLIT_COLUMNS, [_row_of(one, run, now) for one in divided])
        await _record([_entry_of("shares_held", one.licence, now, _held_postings(one)) for one in divided])
    return len(licences)


async def _divide_all(licences: Sequence[SettledLicence]) -> list[Divided]:
    """Divide each licence's money; a release that several of them sold is read once."""
    divided: list[Divided] = []
    for release, sold in groupby(licences, key=lambda licence: licence.release):
        settled = await ReleaseSettled.read(release)
        for licence in sold:
            rates = licence.subscribers_basis_points, licence.operator_basis_points
            division = divide(licence.net_minor, licence.fee_minor, rates)
            settlement = await settled.settle(division, licence.terms)
            divided.append(Divided(licence, division, settled.weighed.count, settled.weighed.total, settlement))
    return divided


def _row_of(one: Divided, run: int, now: dt.datetime) -> tuple[object, ...]:
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
        0,
        0,
        licence.terms,
        settlement.top_up_operator_minor,
        settlement.top_up_platform_minor,
        settlement.topped_up,
        0,
        0,
        PUBLIC_DENOMINATOR,
        settlement.denominator,
        settlement.shares_micro,
        settlement.rounding_micro,
        licence.generation,
        licence.returned_minor,
        "held",
        run,
        now,
    )


def _held_postings(one: Divided) -> list[tuple[str, str, int]]:
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


async def _end_some(state: Literal["released", "cancelled"]) -> int:
    """End some held splits: every share is computed again from split and manifest."""
    now = clock.now()
    async with transaction():
        if state == "released":
            splits = await fetch_rows(HeldSplit, SQL["lock_splits_to_release"], LICENCES_A_RUN, now)
        else:
            splits = await fetch_rows(HeldSplit, SQL["lock_splits_to_cancel"], LICENCES_A_RUN)
        if not splits:
            return 0
        ended = [split.id for split in splits]
        for rule, ruled in groupby(sorted(splits, key=lambda split: split.rule), key=lambda split: split.rule):
            await _end(rule, list(ruled), state, now)
        postings_of = _released_postings if state == "released" else _cancelled_postings
        await _record([_entry_of(f"shares_{state}", split, now, postings_of(split)) for split in splits])
        if state == "cancelled":
            await execute(SQL["retire_splits"], ended)
    return len(splits)


async def _end(
    rule: int, splits: Sequence[HeldSplit], state: Literal["released", "cancelled"], now: dt.datetime
) -> None:
    """End splits of one rule as one run. By public denominators nothing was accrued when they were held."""
    held = 0 if rule == PUBLIC_DENOMINATOR else -1
    payable = 1 if state == "released" else 0
    earned = await _earned(sorted(splits, key=lambda split: split.release)) if held or payable else rules.NOBODY
    owed = sum(split.owed_minor for split in splits)
    rounding = sum(split.rounding_micro for split in splits)
    is_whole = int(earned[1].sum()) == owed * MICRO_PER_MINOR - rounding
    assert is_whole or earned is rules.NOBODY, "shares sum to what is owed, or nothing is written"
    kind = "release" if state == "released" else "cancel"
    run = await _begin_run(kind, now, owed, len(earned[0]))
    ended = [split.id for split in splits]
    await execute("UPDATE licence_split SET state = $2, ended_by = $3 WHERE licence = ANY ($1)", ended, state, run)
    await _accrue(run, earned, held=held, payable=payable)


def _released_postings(split: HeldSplit) -> list[tuple[str, str, int]]:
    return [(SUBSCRIBERS_HELD, SUBSCRIBERS_PAYABLE, split.owed_minor)]


def _cancelled_postings(split: HeldSplit) -> list[tuple[str, str, int]]:
    paid = split.costs
    return [
        (SUBSCRIBERS_HELD, SUBSCRIBERS_SHARES, paid.subscribers_minor),
        (SUBSCRIBERS_HELD, OPERATOR_SHARE, paid.operators_minor),
        _either_way(OPERATOR_PAYABLE, OPERATOR_SHARE, paid.kept_minor),
    ]


async def _bear_losses() -> int:
    """Enter what the operator loses of some released splits, in the proportion paid back since; return how many."""
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


async def _earned(held: Sequence[HeldSplit]) -> Amounts:
    """Return what all earn of splits made before, ordered by release: from the splits, their manifests and promises."""
    parts: list[Amounts] = []
    for release, splits in groupby(held, key=lambda split: split.release):
        contributors, known = await manifest(release), PromisesOfRelease()
        made = [(split, await known.among(split.terms, contributors)) for split in splits]
        parts.append(await asyncio.to_thread(_earned_in, contributors, made))
    return await asyncio.to_thread(add_up, parts)


def _earned_in(
    contributors: Manifest, splits: Sequence[tuple[HeldSplit, NDArray[np.int64] | None]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    earned: NDArray[np.int64] = np.zeros(len(contributors.weights), dtype=np.int64)
    for split, promises in splits:
        if split.is_public:
            mine = public_shares(split.pool_micro, split.denominator, contributors.weights)
            earned += mine if promises is None else np.maximum(mine, promises)
            continue
        mine = shares(split.split, contributors.weights)
        earned += mine
        if promises is not None and split.top_up.people:
            earned += topped_up(split.top_up, mine, promises)
    return contributors.references, earned


async def _begin_run(kind: str, now: dt.datetime, amount_minor: int, people: int) -> int:
    new = ShareRun(kind=kind, at=now, amount_minor=amount_minor, people=people)
    run = await fetch_scalar(int, ShareRun.insert(new).returning(ShareRun.id))
    assert run is not None
    return run


async def _accrue(run: int, earned: Amounts, *, held: int, payable: int) -> None:
    references, amounts = earned
    columns = {
        "run": np.full(len(references), run, dtype=np.int64),
        "subscriber": references,
        "held_micro": amounts * held,
        "payable_micro": amounts * payable,
    }
    await copy_columns("accrual", columns)


def _entry_of(
    kind: str, split: SettledLicence | HeldSplit, now: dt.datetime, postings: list[tuple[str, str, int]]
) -> Entry:
    """Return the entry of a licence's shares, which the books name by licence and generation."""
    return Entry(kind, rules.name_of(split.id, split.generation), now, TEXTS[kind], postings, split.currency)


async def _record(entries: Sequence[Entry]) -> None:
    """Record the entries that move anything."""
    moving = [entry for entry in entries if any(amount for _, _, amount in entry.postings)]
    assert len(await record_all(moving)) == len(moving), "a licence's shares move once"

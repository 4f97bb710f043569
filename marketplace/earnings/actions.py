"""Revenue shares as jobs: hold them once a sale is settled, release them after the hold, cancel them after a refund.

Each pass is one transaction, splits, accruals and journal entries together, so that whatever dies between two lines
has done nothing. A licence is split once and ended once: its row is locked, and its keys are unique.
"""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marketplace import clock
from marketplace.database import copy_columns, copy_in, execute, fetch, fetch_value, transaction
from marketplace.datasets.queries import manifest
from marketplace.earnings import rules
from marketplace.earnings.promises import IN_FORCE, Promised, top_up_of
from marketplace.earnings.rules import MICRO_PER_MINOR, Division, add_up, divide, who_tops_up
from marketplace.ledger.actions import Entry, record_all
from marketplace.ledger.chart import (
    LOSSES,
    OPERATOR_PAYABLE,
    OPERATOR_SHARE,
    SUBSCRIBERS_HELD,
    SUBSCRIBERS_PAYABLE,
    SUBSCRIBERS_SHARES,
)
from pricing.promises import NOTHING, TopUp, top_up, topped_up
from pricing.revenue_share import Split, shares, split_pool

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    import asyncpg
    from numpy.typing import NDArray

    from marketplace.datasets.queries import Manifest
    from marketplace.earnings.rules import Amounts

LICENCES_A_RUN = 500
SETTLED = f"""
SELECT licence.id, licence.release, licence.net_minor - licence.returned_minor AS net_minor, licence.returned_minor,
       licence.currency,
       (SELECT count(*) FROM former_split WHERE former_split.licence = licence.id) AS generation,
       licence.subscribers_basis_points, licence.operator_basis_points, charged.fee_minor,
       {IN_FORCE} AS terms
FROM licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order AND purchase_order.state = 'paid'
JOIN quote ON quote.id = purchase_order.quote
JOIN release ON release.id = licence.release AND release.total_weight > 0
JOIN LATERAL (SELECT sum(fee_minor)::bigint AS fee_minor FROM balance_transaction
              WHERE payment_subject = purchase_order.id AND category = 'charge'
             ) AS charged ON charged.fee_minor IS NOT NULL
WHERE licence.cancelled_at IS NULL AND NOT EXISTS (SELECT FROM licence_split WHERE licence_split.licence = licence.id)
ORDER BY licence.release, licence.id LIMIT $1
FOR NO KEY UPDATE OF licence
"""
"""The licences to split: paid, the fee known from Stripe's mirrored balance, without a split; by what is left of them."""

HELD = """
SELECT licence_split.licence AS id, licence_split.generation, licence.release, licence.currency, licence_split.pool_minor,
       licence_split.operator_minor, licence_split.total_weight,
       licence_split.cutoff_remainder, licence_split.cutoff_position, licence_split.terms,
       licence_split.top_up_operator_minor, licence_split.top_up_platform_minor, licence_split.topped_up,
       licence_split.top_up_each_micro, licence_split.top_up_position
FROM licence_split JOIN licence ON licence.id = licence_split.licence
WHERE licence_split.state = 'held' AND {condition}
ORDER BY licence.release, licence.id LIMIT $1
FOR NO KEY UPDATE OF licence_split, licence SKIP LOCKED
"""
PAST_THE_HOLD = """
licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until <= $2
AND licence.returned_minor = licence_split.returned_minor
AND EXISTS (SELECT FROM payment JOIN purchase_order ON purchase_order.id = payment.subject
            WHERE subject = licence.purchase_order AND payment.state = 'paid'
              AND payment.refunded_minor <= purchase_order.returned_minor
              AND purchase_order.charged_back_minor + coalesce((
                  SELECT sum(amount_minor) FROM balance_transaction
                  WHERE payment_subject = purchase_order.id AND category IN ('dispute', 'dispute_reversal')), 0) >= 0)
AND NOT EXISTS (SELECT FROM stripe_command
                WHERE subject = licence.purchase_order AND verb = 'refund' AND state = 'pending')
AND NOT EXISTS (SELECT FROM dispute WHERE payment_subject = licence.purchase_order AND dispute.state = 'open')
AND NOT EXISTS (SELECT FROM payment JOIN balance_transaction ON balance_transaction.charge_id = payment.charge_id
                WHERE subject = licence.purchase_order AND category = 'charge_failure')
"""
"""What may become the subscribers': the hold is over, no refund is under way, and no dispute holds the money back."""

TAKEN_BACK = "(licence.cancelled_at IS NOT NULL OR licence.returned_minor <> licence_split.returned_minor)"
"""Splits to end: all of the money went back, or a part, and then the rest is split anew."""

LOST = """
SELECT licence_split.licence AS id, licence_split.generation, licence.currency, licence.returned_minor,
       licence_split.pool_minor + top_up_platform_minor AS pool_minor, top_up_operator_minor,
       operator_minor - top_up_operator_minor AS operator_minor, licence.net_minor - licence_split.returned_minor AS net_minor,
       licence_split.lost_minor AS before_minor, licence.returned_minor - licence_split.returned_minor AS lost_minor
FROM licence_split JOIN licence ON licence.id = licence_split.licence
WHERE licence_split.state = 'released' AND licence.returned_minor - licence_split.returned_minor > licence_split.lost_minor
ORDER BY licence.id LIMIT $1
FOR NO KEY UPDATE OF licence_split SKIP LOCKED
"""
"""Released splits whose money went back since: the shares stay the subscribers', the loss is the operator's."""
TEXTS = {
    "shares_held": "Shares of a licence, held until refund and dispute windows end",
    "shares_released": "Shares of a licence, now the subscribers'",
    "shares_cancelled": "Shares of a refunded licence, taken back",
    "shares_lost": "Shares that stay the subscribers' though the money went back: the operator's loss",
}


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
    while done := await _end_some("release", PAST_THE_HOLD, clock.now()):
        released += done
    return released


async def cancel_shares() -> int:
    """Take back the held shares of what was refunded or lost; return how many. What was released stays the subscribers'.

    Where only a part went back, `hold_shares` splits the rest anew; of what was released, the loss is entered.
    """
    cancelled = 0
    while done := await _end_some("cancel", TAKEN_BACK):
        cancelled += done
    while await _bear_losses():
        pass
    return cancelled


async def _hold_some() -> int:
    now = clock.now()
    async with transaction():
        if not await fetch_value("SELECT pg_try_advisory_xact_lock(hashtextextended('hold shares', 0))"):
            return 0
        licences = await fetch(SETTLED, LICENCES_A_RUN)
        if not licences:
            return 0
        divisions = [_divide(licence) for licence in licences]
        made, earned = await _split(licences, [division.pool_minor for division in divisions])
        top_ups = [
            who_tops_up(one.top_up.amount // MICRO_PER_MINOR, division.operator_minor)
            for one, division in zip(made, divisions, strict=True)
        ]
        moved = sum(division.pool_minor for division in divisions) + sum(map(sum, top_ups))
        run = await _begin_run("hold", now, moved, earned)
        await copy_in(
            "licence_split",
            ("licence", "fee_minor", "distributable_minor", "pool_minor", "operator_minor", "platform_minor", "people",
             "total_weight", "cutoff_remainder", "cutoff_position", "terms", "top_up_operator_minor",
             "top_up_platform_minor", "topped_up", "top_up_each_micro", "top_up_position", "generation", "returned_minor",
             "state", "held_by", "split_at"),
            [
                (licence["id"], division.fee_minor, division.distributable_minor, division.pool_minor,
                 division.operator_minor, division.platform_minor, one.people, one.split.total_weight,
                 one.split.cutoff_remainder, one.split.cutoff_position, licence["terms"], *top_up, one.top_up.people,
                 one.top_up.each, one.top_up.cutoff_position, licence["generation"],
                 licence["returned_minor"], "held", run, now)
                for licence, division, one, top_up in zip(licences, divisions, made, top_ups, strict=True)
            ],
        )  # fmt: skip
        await _accrue(run, earned, held=1, payable=0)
        await _enter("shares_held", now, [
            (licence, [
                (SUBSCRIBERS_SHARES, SUBSCRIBERS_HELD, division.pool_minor),
                (OPERATOR_SHARE, OPERATOR_PAYABLE, division.operator_minor - operator),
                (OPERATOR_SHARE, SUBSCRIBERS_HELD, operator),
                (SUBSCRIBERS_SHARES, SUBSCRIBERS_HELD, platform),
            ])
            for licence, division, (operator, platform) in zip(licences, divisions, top_ups, strict=True)
        ])  # fmt: skip
    return len(licences)


async def _end_some(kind: str, condition: str, *values: object) -> int:
    """End some held splits, as `release` or `cancel`: every share is computed again from split and manifest."""
    now = clock.now()
    async with transaction():
        splits = await fetch(HELD.format(condition=condition), LICENCES_A_RUN, *values)
        if not splits:
            return 0
        earned = await _earned(splits)
        run = await _begin_run(kind, now, sum(_owed(split) for split in splits), earned)
        await execute(
            "UPDATE licence_split SET state = $2, ended_by = $3 WHERE licence = ANY ($1)",
            [split["id"] for split in splits], "released" if kind == "release" else "cancelled", run,
        )  # fmt: skip
        await _accrue(run, earned, held=-1, payable=1 if kind == "release" else 0)
        if kind == "release":
            await _enter("shares_released", now, [
                (split, [(SUBSCRIBERS_HELD, SUBSCRIBERS_PAYABLE, _owed(split))]) for split in splits
            ])  # fmt: skip
        else:
            await _enter("shares_cancelled", now, [
                (split, [
                    (SUBSCRIBERS_HELD, SUBSCRIBERS_SHARES, split["pool_minor"] + split["top_up_platform_minor"]),
                    (SUBSCRIBERS_HELD, OPERATOR_SHARE, split["top_up_operator_minor"]),
                    (OPERATOR_PAYABLE, OPERATOR_SHARE, split["operator_minor"] - split["top_up_operator_minor"]),
                ])
                for split in splits
            ])  # fmt: skip
            await _make_room([split["id"] for split in splits])
    return len(splits)


async def _make_room(licences: Sequence[uuid.UUID]) -> None:
    """Put the cancelled splits of licences that still stand aside, so that what is left of them is split anew."""
    await execute(
        """WITH gone AS (
               DELETE FROM licence_split USING licence
               WHERE licence.id = licence_split.licence AND licence.id = ANY ($1) AND licence.cancelled_at IS NULL
               RETURNING licence_split.*
           )
           INSERT INTO former_split (licence, generation, pool_minor, operator_minor, top_up_operator_minor,
                                     top_up_platform_minor, returned_minor, held_by, ended_by, split_at)
           SELECT licence, generation, pool_minor, operator_minor, top_up_operator_minor, top_up_platform_minor,
                  returned_minor, held_by, ended_by, split_at FROM gone""",
        list(licences),
    )


async def _bear_losses() -> int:
    """Enter what the operator loses of some released splits, in the proportion that went back since; return how many."""
    now = clock.now()
    async with transaction():
        splits = await fetch(LOST, LICENCES_A_RUN)
        if not splits:
            return 0
        await execute(
            """UPDATE licence_split SET lost_minor = given.lost FROM unnest($1::uuid[], $2::bigint[]) AS given (id, lost)
               WHERE licence = given.id""",
            [split["id"] for split in splits], [split["lost_minor"] for split in splits],
        )  # fmt: skip
        losses = [
            Entry(
                "shares_lost", f"{split['id']}/{split['returned_minor']}", now, TEXTS["shares_lost"],
                [
                    (LOSSES, SUBSCRIBERS_SHARES, rules.more_lost(split["pool_minor"], split)),
                    (LOSSES, OPERATOR_SHARE, rules.more_lost(split["top_up_operator_minor"], split)),
                    (OPERATOR_PAYABLE, OPERATOR_SHARE, rules.more_lost(split["operator_minor"], split)),
                ],
                split["currency"],
            )
            for split in splits
        ]  # fmt: skip
        await record_all([loss for loss in losses if any(amount for _, _, amount in loss.postings)])
    return len(splits)


def _divide(licence: asyncpg.Record) -> Division:
    rates = licence["subscribers_basis_points"], licence["operator_basis_points"]
    return divide(licence["net_minor"], licence["fee_minor"], rates)


def _owed(split: asyncpg.Record) -> int:
    """Return what a split gives subscribers in all, in cents: the pool and what tops it up."""
    return int(split["pool_minor"] + split["top_up_operator_minor"] + split["top_up_platform_minor"])


class Divided(NamedTuple):
    """How one licence was divided, and among how many contributors."""

    split: Split
    top_up: TopUp
    people: int


async def _split(licences: Sequence[asyncpg.Record], pools_minor: Sequence[int]) -> tuple[list[Divided], Amounts]:
    """Split each licence's pool over its release, topped up where more was promised; return that, and what all earn."""
    made: list[Divided] = []
    parts: list[Amounts] = []
    pools = iter(pools_minor)
    for release, sold in groupby(licences, key=lambda licence: licence["release"]):
        contributors, held = await manifest(release), Promised()
        people, fresh = int(np.count_nonzero(contributors.weights)), []
        for licence in sold:
            split = split_pool(next(pools) * MICRO_PER_MINOR, contributors.weights)
            promises = await held.among(licence["terms"], contributors)
            found = await asyncio.to_thread(_top_up, contributors, split, promises)
            fresh.append((split, found, promises))
            made.append(Divided(split, found, people))
        parts.append(await asyncio.to_thread(_earned_in, contributors, fresh))
    return made, await asyncio.to_thread(add_up, parts)


async def _earned(held: Sequence[asyncpg.Record]) -> Amounts:
    """Return what all earn of splits made before, from the splits, their manifests and promises."""
    parts: list[Amounts] = []
    for release, rows in groupby(held, key=lambda row: row["release"]):
        contributors, promised = await manifest(release), Promised()
        known = [
            (
                Split(
                    row["pool_minor"] * MICRO_PER_MINOR,
                    row["total_weight"],
                    row["cutoff_remainder"],
                    row["cutoff_position"],
                ),
                top_up_of(row),
                await promised.among(row["terms"], contributors),
            )
            for row in rows
        ]
        parts.append(await asyncio.to_thread(_earned_in, contributors, known))
    return await asyncio.to_thread(add_up, parts)


def _top_up(contributors: Manifest, split: Split, promises: NDArray[np.int64] | None) -> TopUp:
    if promises is None:
        return NOTHING
    return top_up(shares(split, contributors.weights), promises, MICRO_PER_MINOR)


def _earned_in(
    contributors: Manifest, splits: Sequence[tuple[Split, TopUp, NDArray[np.int64] | None]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    earned: NDArray[np.int64] = np.zeros(len(contributors.weights), dtype=np.int64)
    for split, found, promises in splits:
        mine = shares(split, contributors.weights)
        earned += mine
        if promises is not None and found.people:
            earned += topped_up(found, mine, promises)
    return contributors.references, earned


async def _begin_run(kind: str, now: dt.datetime, amount_minor: int, earned: Amounts) -> int:
    assert int(earned[1].sum()) == amount_minor * MICRO_PER_MINOR, "shares sum to their pools, or nothing is written"
    run: int = await fetch_value(
        "INSERT INTO share_run (kind, at, amount_minor, people) VALUES ($1, $2, $3, $4) RETURNING id",
        kind, now, amount_minor, len(earned[0]),
    )  # fmt: skip
    return run


async def _accrue(run: int, earned: Amounts, *, held: int, payable: int) -> None:
    references, amounts = earned
    columns = {
        "run": np.full(len(references), run, dtype=np.int64), "subscriber": references,
        "held_micro": amounts * held, "payable_micro": amounts * payable,
    }  # fmt: skip
    await copy_columns("accrual", columns)


async def _enter(
    kind: str, now: dt.datetime, moves: Sequence[tuple[asyncpg.Record, list[tuple[str, str, int]]]]
) -> None:
    """Record one entry a licence, of those that move anything."""
    entries = [
        Entry(
            kind, rules.name_of(licence["id"], licence["generation"]), now, TEXTS[kind], postings, licence["currency"]
        )
        for licence, postings in moves
        if any(amount for _, _, amount in postings)
    ]
    assert len(await record_all(entries)) == len(entries), "a licence's shares move once"

"""What a subscriber sees of their money: sums of accruals, and shares computed from splits and manifests."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.datasets.queries import find_contribution
from marketplace.earnings.promises import promises_to, top_up_of
from marketplace.earnings.rules import MICRO_PER_MINOR, expected_after, people_about
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from pricing.promises import added_to
from pricing.revenue_share import Split, share_of

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence

    import asyncpg

    from marketplace.datasets.queries import Contribution

CONTRIBUTIONS_KEPT = 200_000
LOOKUPS_AT_ONCE = 8
MONTHS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Balance:
    """What a subscriber has, in micro-euros, and until when the rest is held."""

    payable_micro: int
    held_micro: int
    held_until: dt.datetime | None
    """When the last of what is held is due, if nothing is refunded; None with nothing held."""
    next_until: dt.datetime | None
    """When the first of it is due."""


async def get_balance(subscriber: int, among: Sequence[uuid.UUID] | None = None) -> Balance:
    """Return a subscriber's balance; `among`, the releases they are in, is looked up unless given."""
    sums = await fetch_one(
        """SELECT coalesce(sum(held_micro), 0)::bigint AS held, coalesce(sum(payable_micro), 0)::bigint AS payable
           FROM accrual WHERE subscriber = $1""",
        subscriber,
    )
    assert sums
    among = list(await contributions(subscriber)) if among is None else among
    due = await fetch_one(
        """SELECT min(hold_until) AS first, max(hold_until) AS last
           FROM licence_split JOIN licence ON licence.id = licence_split.licence
           WHERE licence_split.state = 'held' AND licence.release = ANY ($1)""",
        list(among),
    )
    assert due
    held: int = sums["held"]
    return Balance(sums["payable"], held, due["last"] if held else None, due["first"] if held else None)


async def list_months(subscriber: int, year: int | None = None) -> list[asyncpg.Record]:
    """Return a row a month with movements, the latest twelve first: its first day in Paris, what moved in µ€."""
    return await fetch(
        """SELECT date_trunc('month', share_run.at AT TIME ZONE 'Europe/Paris')::date AS month,
                  coalesce(sum(held_micro) FILTER (WHERE kind = 'hold'), 0)::bigint AS earned_micro,
                  coalesce(sum(payable_micro) FILTER (WHERE kind = 'release'), 0)::bigint AS released_micro,
                  coalesce(-sum(held_micro) FILTER (WHERE kind = 'cancel'), 0)::bigint AS cancelled_micro,
                  coalesce(-sum(payable_micro) FILTER (WHERE kind IN ('payout', 'payout_back')), 0)::bigint AS paid_micro
           FROM accrual JOIN share_run ON share_run.id = accrual.run
           WHERE accrual.subscriber = $1
             AND ($2::int IS NULL OR extract(year FROM share_run.at AT TIME ZONE 'Europe/Paris') = $2)
           GROUP BY 1 ORDER BY 1 DESC LIMIT $3""",
        subscriber, year, MONTHS_SHOWN,
    )  # fmt: skip


async def list_years(subscriber: int) -> list[int]:
    """Return the years, in Paris, in which something moved for a subscriber, the latest first."""
    rows = await fetch(
        """SELECT DISTINCT extract(year FROM share_run.at AT TIME ZONE 'Europe/Paris')::int AS year
           FROM accrual JOIN share_run ON share_run.id = accrual.run WHERE accrual.subscriber = $1 ORDER BY 1 DESC""",
        subscriber,
    )
    return [row["year"] for row in rows]


SHARES = """
SELECT licence.id, licence.release, licence.sold_at, licence.hold_until, licence.net_minor, licence.currency,
       licence.subscribers_basis_points, licence.operator_basis_points,
       dataset.code, dataset.title_fr, dataset.title_en, dataset.area, release.period_from, release.period_to,
       licence_split.*, ended.at AS ended_at
FROM licence_split
JOIN licence ON licence.id = licence_split.licence
JOIN release ON release.id = licence.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN share_run AS ended ON ended.id = licence_split.ended_by
"""


async def list_shares(
    subscriber: int, page: int = 1, among: Mapping[uuid.UUID, Contribution] | None = None
) -> Paged[Any]:
    """Return one page of what each licence earned a subscriber, the latest sale first; `share_micro` is theirs."""
    mine = await contributions(subscriber) if among is None else among
    rows = await fetch(
        f"{SHARES} WHERE licence.release = ANY ($1) ORDER BY licence.sold_at DESC, licence.id LIMIT $2 OFFSET $3",
        list(mine), PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    promises = await promises_to(subscriber, [term for row in rows for term in row["terms"]])
    return paged([_with_share(row, mine[row["release"]], promises) for row in rows], page)


async def get_share(licence: uuid.UUID, subscriber: int) -> dict[str, Any]:
    """Return one licence's split and what it earned this subscriber, who must be in the release it sold."""
    row = await fetch_one(f"{SHARES} WHERE licence.id = $1", licence)
    mine = await _contribution(row["release"], subscriber) if row else None
    if row is None or mine is None:
        raise NotFound("There is no such share among yours.")
    return _with_share(row, mine, await promises_to(subscriber, row["terms"])) | {
        "weight": mine.weight,
        "people_about": people_about(row["people"]),
    }


def _with_share(row: asyncpg.Record, mine: Contribution, promises: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    """Return a split's row with this subscriber's share: their part of the pool, and what keeps a promise made to them."""
    split = Split(
        row["pool_minor"] * MICRO_PER_MINOR, row["total_weight"], row["cutoff_remainder"], row["cutoff_position"]
    )
    of_pool = share_of(split, mine.weight, mine.position)
    promised = max((promises.get(term, 0) for term in row["terms"]), default=0)
    added = added_to(top_up_of(row), of_pool, promised, mine.position)
    return dict(row) | {
        "share_micro": of_pool + added, "pool_share_micro": of_pool, "added_micro": added, "promised_micro": promised,
    }  # fmt: skip


async def contributions(subscriber: int) -> dict[uuid.UUID, Contribution]:
    """Return every release that was sold and has this subscriber in it, with their contribution.

    One row group of one small file is read per sold release the first time, and none after that: manifests never
    change, so what was found is kept in memory.
    """
    rows = await fetch(
        """SELECT id FROM release WHERE EXISTS (
               SELECT FROM licence JOIN licence_split ON licence_split.licence = licence.id
               WHERE licence.release = release.id)"""
    )
    gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def look(release: uuid.UUID) -> Contribution | None:
        async with gate:
            return await _contribution(release, subscriber)

    releases = [row["id"] for row in rows]
    found = await asyncio.gather(*[look(release) for release in releases])
    return {release: mine for release, mine in zip(releases, found, strict=True) if mine is not None}


_kept: OrderedDict[tuple[uuid.UUID, int], Contribution | None] = OrderedDict()


async def _contribution(release: uuid.UUID, subscriber: int) -> Contribution | None:
    key = release, subscriber
    if key not in _kept:
        _kept[key] = await find_contribution(release, subscriber)
        while len(_kept) > CONTRIBUTIONS_KEPT:
            _kept.popitem(last=False)
    return _kept[key]


async def list_first_without(subscriber: int, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """Return, per purpose this subscriber has withdrawn, each of its datasets and its first release without them.

    `sealed_at` and the period are None until that release is there; `expected_at` is when the next one should be, None
    where no earlier release tells. A build takes part only of consents that stand when it starts.
    """
    rows = await fetch(
        """SELECT dataset.purpose, dataset.code, dataset.title_fr, dataset.title_en,
                  fresh.period_from, fresh.period_to, fresh.sealed_at,
                  latest.period_from AS latest_from, latest.period_to AS latest_to
           FROM dataset
           JOIN LATERAL (SELECT given, at FROM consent_record
                         WHERE consent_record.purpose = dataset.purpose AND consent_record.subscriber = $1
                         ORDER BY at DESC, id DESC LIMIT 1) AS word ON NOT word.given
           LEFT JOIN LATERAL (SELECT period_from, period_to, sealed_at FROM release
                              WHERE release.dataset = dataset.code AND state = 'sealed' AND started_at >= word.at
                              ORDER BY started_at LIMIT 1) AS fresh ON true
           LEFT JOIN LATERAL (SELECT period_from, period_to FROM release
                              WHERE release.dataset = dataset.code AND state = 'sealed'
                              ORDER BY period_to DESC LIMIT 1) AS latest ON true
           ORDER BY dataset.purpose, dataset.code""",
        subscriber,
    )  # fmt: skip
    answer: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        waiting = row["sealed_at"] is None and row["latest_to"] is not None
        expected = expected_after(row["latest_from"], row["latest_to"], now) if waiting else None
        answer.setdefault(row["purpose"], []).append(dict(row) | {"expected_at": expected})
    return answer

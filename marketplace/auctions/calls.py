"""What pages see of calls for contributors: nobody's ask but one's own state, and supply in rough numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.auctions.contributors import FEWEST_TOLD
from marketplace.database import fetch
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    import asyncpg

CALL = """
    SELECT call.*, dataset.title_fr, dataset.title_en, dataset.purpose, purpose.title_fr AS purpose_fr,
           purpose.title_en AS purpose_en,
           CASE WHEN call.state = 'awarded' THEN 'awarded' WHEN clock_timestamp() < call.opens_at THEN 'announced'
                WHEN clock_timestamp() < call.closes_at THEN 'open' ELSE 'closing' END AS phase
           {more}
    FROM contributor_call AS call JOIN dataset ON dataset.code = call.dataset JOIN purpose ON purpose.code = dataset.purpose
    {join}
    ORDER BY call.closes_at DESC, call.id LIMIT {limit} OFFSET $1
"""
CONSENTS = """
    coalesce((SELECT given FROM consent_record WHERE consent_record.purpose = dataset.purpose AND consent_record.subscriber = $2
              ORDER BY at DESC, id DESC LIMIT 1), false)
"""

MINE = """LEFT JOIN contributor_ask AS mine
    ON mine.call = call.id AND mine.subscriber = $2 AND mine.withdrawn_at IS NULL"""


async def list_calls(subscriber: int, page: int) -> Paged[Any]:
    """List calls with their groups, the subscriber's own statement and outcome, and whether they consent to the purpose."""
    rows = await fetch(
        CALL.format(
            limit=PAGE_SIZE + 1,
            more=f", mine.stratum AS mine, mine.won, mine.reason, {CONSENTS} AS consents",
            join=MINE,
        ),
        offset(page), subscriber,
    )  # fmt: skip
    found = paged(rows, page)
    return Paged(await _with_strata(found.rows), found.number, found.more)


async def get_call(subscriber: int, call: uuid.UUID) -> dict[str, Any]:
    """Return one call as `list_calls` tells it."""
    rows = await fetch(
        CALL.format(
            limit=1,
            more=f", mine.stratum AS mine, mine.won, mine.reason, {CONSENTS} AS consents",
            join=f"{MINE} WHERE call.id = $3",
        ),
        0, subscriber, call,
    )  # fmt: skip
    if not rows:
        raise NotFound("There is no such call.")
    return (await _with_strata(rows))[0]


async def list_all_calls(page: int) -> Paged[Any]:
    """List every call for a steward: its groups with what was wanted and what came of it, in rough numbers."""
    found = paged(await fetch(CALL.format(limit=PAGE_SIZE + 1, more="", join=""), offset(page)), page)
    return Paged(await _with_strata(found.rows), found.number, found.more)


async def _with_strata(calls: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """Return each call with its strata, and the one of the subscriber's statement; few winners are told as None.

    A price that few won is told to them alone (`own`): to others it would say that somebody accepted it.
    """
    rows = await fetch(
        f"""SELECT *, CASE WHEN winners < {FEWEST_TOLD} THEN NULL
                           ELSE round(winners::numeric, 2 - length(winners::text))::bigint END AS winners_about,
                   CASE WHEN winners >= {FEWEST_TOLD} THEN price_micro END AS price_told
            FROM contributor_stratum WHERE call = ANY($1) ORDER BY call, position""",
        [row["id"] for row in calls],
    )
    told = []
    for call in calls:
        strata = [row for row in rows if row["call"] == call["id"]]
        own = next((row for row in strata if row["id"] == call.get("mine")), None)
        told.append(dict(call) | {"strata": strata, "own": own, "about": sum(row["answered_about"] for row in strata)})
    return told


async def list_datasets() -> list[asyncpg.Record]:
    """List datasets a call can be for, with their purpose."""
    return await fetch(
        """SELECT dataset.code, dataset.age_bands, dataset.title_fr, dataset.title_en, purpose.title_fr AS purpose_fr, purpose.title_en AS purpose_en
           FROM dataset JOIN purpose ON purpose.code = dataset.purpose ORDER BY dataset.code LIMIT 200"""
    )

"""The subscribers' auction: the operator calls for contributors; each may say, privately, the least they would accept.

One price per stratum, set by the first ask that does not win, within a budget fixed before opening. Asks are sealed for
the closing job; nobody else reads them, supply is shown in rough numbers only, and refusing has no consequence. Consent
is asked apart, and can be withdrawn as ever.
Source: J. Staiano et al., Money walks, UbiComp 2014, section 3.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.auctions import sealing
from marketplace.database import execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.settings import settings
from marketplace.web.pages import PAGE_SIZE, Paged, offset, paged
from pricing.auctions.reverse import ReverseAward, StratumTerms, by_stratum, outcome_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.auctions.rules import Row

LARGEST_ASK_MICRO = 1_000_000_000
ROUGHLY = 10
"""Supply is told in whole tens, rounded down: one person's answer rarely shows, and never whose it was."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """What is wanted of one group of subscribers."""

    title_fr: str
    title_en: str
    wanted: int
    budget_micro: int
    reserve_micro: int


async def announce_call(
    dataset: str, strata: Sequence[Stratum], *, opens_at: dt.datetime, closes_at: dt.datetime, promise_from: dt.datetime,
    promise_to: dt.datetime, by: str, call: uuid.UUID | None = None,
) -> uuid.UUID:  # fmt: skip
    """Call for contributors to a dataset; with `call` (a form's id), the same one again changes nothing."""
    if not 1 <= len(strata) <= 50:  # noqa: PLR2004 (a page's worth)
        raise Invalid("A call has between 1 and 50 strata.")
    call = call or uuid.uuid4()
    async with transaction():
        if not await fetch_value("SELECT true FROM dataset WHERE code = $1", dataset):
            raise NotFound("There is no dataset {dataset}.", dataset=dataset)
        added = await execute(
            """INSERT INTO contributor_call (id, dataset, opens_at, closes_at, promise_from, promise_to, state, announced_by,
                                             announced_at)
               VALUES ($1, $2, $3, $4, $5, $6, 'standing', $7, $8) ON CONFLICT (id) DO NOTHING""",
            call, dataset, opens_at, closes_at, promise_from, promise_to, by, clock.now(),
        )  # fmt: skip
        if added:
            await execute(
                """INSERT INTO contributor_stratum (id, call, position, title_fr, title_en, wanted, budget_micro, reserve_micro)
                   SELECT gen_random_uuid(), $1, ordinality - 1, title_fr, title_en, wanted, budget_micro, reserve_micro
                   FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
                        AS given (title_fr, title_en, wanted, budget_micro, reserve_micro, ordinality)""",
                call, *([getattr(one, name) for one in strata] for name in Stratum.__slots__),
            )  # fmt: skip
    return call


async def ask(subscriber: int, call: uuid.UUID, stratum: uuid.UUID, *, least_micro: int) -> uuid.UUID:
    """State the least a subscriber would accept, in micro-euros; a later statement replaces it until the call closes."""
    if not 0 <= least_micro <= LARGEST_ASK_MICRO:
        raise Invalid("State an amount between 0 and {most} euros.", most=LARGEST_ASK_MICRO // 1_000_000)
    async with transaction():
        at = await _standing(call)
        if not await fetch_value("SELECT true FROM contributor_stratum WHERE id = $1 AND call = $2", stratum, call):
            raise NotFound("There is no such call.")
        known = await fetch_value(
            "SELECT id FROM contributor_ask WHERE call = $1 AND subscriber = $2", call, subscriber
        )
        row = known or uuid.uuid4()
        sealed = sealing.seal(
            {"least_micro": least_micro}, row, settings().bid_public_key or sealing.public_key(settings().bid_key)
        )
        await execute(
            """INSERT INTO contributor_ask (id, stratum, call, subscriber, sealed, asked_at) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (call, subscriber)
               DO UPDATE SET stratum = excluded.stratum, sealed = excluded.sealed, asked_at = excluded.asked_at, withdrawn_at = NULL""",
            row, stratum, call, subscriber, sealed, at,
        )  # fmt: skip
    return row


async def withdraw(subscriber: int, call: uuid.UUID) -> None:
    """Take a statement back before the call closes; nothing follows from it."""
    async with transaction():
        at = await _standing(call)
        await execute(
            "UPDATE contributor_ask SET withdrawn_at = $3 WHERE call = $1 AND subscriber = $2 AND withdrawn_at IS NULL",
            call, subscriber, at,
        )  # fmt: skip


async def _standing(call: uuid.UUID) -> dt.datetime:
    """Hold an open call and return the database's instant, read while holding it."""
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM contributor_call WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        call,
    )
    if row is None:
        raise NotFound("There is no such call.")
    if row["held_at"] < row["opens_at"]:
        raise Conflict("This call is not open yet.")
    if row["state"] != "standing" or row["held_at"] >= row["closes_at"]:
        raise Expired("This call is closed.")
    held_at: dt.datetime = row["held_at"]
    return held_at


async def award_calls() -> int:
    """Award every call whose end has passed, once: a price per stratum, and the promise written to the dataset's terms."""
    due = await fetch(
        "SELECT id FROM contributor_call WHERE state = 'standing' AND closes_at <= clock_timestamp() LIMIT 20"
    )
    awarded = 0
    for row in due:
        async with transaction():
            awarded += await _award(row["id"])
    return awarded


async def _award(call: uuid.UUID) -> int:
    held = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM contributor_call WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        call,
    )
    assert held, "a call is never deleted"
    if held["state"] != "standing" or held["held_at"] < held["closes_at"]:
        return 0
    strata = await fetch("SELECT * FROM contributor_stratum WHERE call = $1 ORDER BY position", call)
    asks = await fetch(
        "SELECT id, stratum, sealed FROM contributor_ask WHERE call = $1 AND withdrawn_at IS NULL ORDER BY asked_at, id",
        call,
    )
    minimum_micro = await _decide(strata, asks)
    await execute("UPDATE contributor_call SET state = 'awarded', awarded_at = $2 WHERE id = $1", call, held["held_at"])
    if minimum_micro:
        # Written down to datasets, whose terms the quote's floor and the revenue share read; whole cents, rounded up.
        await execute(
            """INSERT INTO contributor_term (id, dataset, minimum_pool_minor, starts_at, ends_at)
               VALUES (gen_random_uuid(), $1, $2, $3, $4)""",
            held["dataset"], -(-minimum_micro // 10_000), held["promise_from"], held["promise_to"],
        )  # fmt: skip
    return 1


async def _decide(strata: Sequence[Row], asks: Sequence[Row]) -> int:
    """Hold each stratum's auction and write its price and everybody's outcome; return what all winners are promised."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    place = {row["id"]: row["position"] for row in strata}
    least = np.array(
        [sealing.unseal(row["sealed"], row["id"], settings().bid_key)["least_micro"] for row in asks], dtype=np.int64
    )
    own = np.array([place[row["stratum"]] for row in asks], dtype=np.int64)
    terms = {row["position"]: StratumTerms(row["wanted"], row["budget_micro"], row["reserve_micro"]) for row in strata}
    promised = 0
    for row in strata:
        found = by_stratum(least, own, terms)[row["position"]]
        assert isinstance(found, ReverseAward), "a reserve is always stated, so there is always an award"
        promised += found.spent_minor
        await execute(
            "UPDATE contributor_stratum SET winners = $2, price_micro = $3 WHERE id = $1",
            row["id"],
            found.winners,
            found.price_minor,
        )
        members = [at for at in range(len(asks)) if own[at] == row["position"]]
        reasons = [str(outcome_of(found, int(least[at]), order)) for order, at in enumerate(members)]
        await execute(
            """UPDATE contributor_ask SET won = (given.reason = 'won')::int, reason = given.reason
               FROM unnest($1::uuid[], $2::text[]) AS given (id, reason) WHERE contributor_ask.id = given.id""",
            [asks[at]["id"] for at in members], reasons,
        )  # fmt: skip
    return promised


async def list_calls(subscriber: int, page: int) -> Paged:
    """List calls with their strata, the subscriber's own statement and outcome, and the rough supply."""
    rows = await fetch(
        f"""SELECT call.id, call.opens_at, call.closes_at, call.promise_from, call.promise_to, dataset.title_fr, dataset.title_en,
                   dataset.purpose, mine.stratum AS mine, mine.won, mine.reason,
                   CASE WHEN call.state = 'awarded' THEN 'awarded' WHEN clock_timestamp() < call.opens_at THEN 'announced'
                        WHEN clock_timestamp() < call.closes_at THEN 'open' ELSE 'closing' END AS phase,
                   (SELECT price_micro FROM contributor_stratum WHERE id = mine.stratum) AS price_micro,
                   (SELECT count(*) FROM contributor_ask WHERE call = call.id AND withdrawn_at IS NULL)
                       / {ROUGHLY} * {ROUGHLY} AS roughly
            FROM contributor_call AS call JOIN dataset ON dataset.code = call.dataset
            LEFT JOIN contributor_ask AS mine ON mine.call = call.id AND mine.subscriber = $1 AND mine.withdrawn_at IS NULL
            ORDER BY call.closes_at DESC, call.id LIMIT {PAGE_SIZE + 1} OFFSET $2""",
        subscriber, offset(page),
    )  # fmt: skip
    found = paged(rows, page)
    strata = await fetch(
        "SELECT * FROM contributor_stratum WHERE call = ANY($1) ORDER BY call, position",
        [row["id"] for row in found.rows],
    )
    return Paged(
        [dict(row) | {"strata": [one for one in strata if one["call"] == row["id"]]} for row in found.rows],
        found.number,
        found.more,
    )

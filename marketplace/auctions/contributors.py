"""The subscribers' auction: the operator calls for contributors; each may say, privately, the least they would accept.

One price per stratum, set by the first ask that does not win, within a budget fixed before opening. Asks are sealed for
the closing job; nobody else reads them, supply is told in rough numbers only, and refusing has no consequence: nothing
but the award reads an ask. Consent is asked apart, and can be withdrawn as ever. What is won is a promise, written down
to the dataset's contributor terms, which the quote's floor covers and the revenue share keeps.

A group of age bands is held to them: the closing job asks the operator's own table, and counts nobody in a group it does
not have them in. The site looks nobody up. A group without bands is whoever says so.

Sized for ten million asks: they are read in pieces and held as arrays, and written in pieces, in one transaction.
Source: J. Staiano et al., Money walks, UbiComp 2014, section 3.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from marketplace import clock
from marketplace.auctions import sealing
from marketplace.builds.subscriber_registry import Registry, refuse_without_table
from marketplace.database import copy_columns, execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.settings import settings
from pricing.auctions.award import Reason
from pricing.auctions.reverse import ReverseAward, StratumTerms, by_stratum, outcome_of, winners_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from marketplace.auctions.rules import Row
    from pricing.refusals import NotEnoughAsks

log = structlog.get_logger(__name__)
LARGEST_ASK_MICRO: Final = 1_000_000_000
LARGEST_BUDGET_MICRO: Final = 10**15
MOST_STRATA: Final = 50
PADDED_TO_BYTES: Final = 64
"""Every ask is as long as the longest, so that a length tells nothing."""
READ_AT_ONCE: Final = 20_000
WRITTEN_AT_ONCE: Final = 200_000
FEWEST_TOLD: Final = 100
NOT_OF_GROUP: Final = "not_of_group"
REASONS: Final = (*Reason, NOT_OF_GROUP)


@dataclass(frozen=True, slots=True)
class Stratum:
    """What is wanted of one group of subscribers, amounts in micro-euros for one licence."""

    title_fr: str
    title_en: str
    wanted: int
    budget_micro: int
    reserve_micro: int
    age_bands: Sequence[str] = ()
    """Of the dataset's, those that make the group; none where it cannot be checked who belongs."""


async def announce_call(
    dataset: str, strata: Sequence[Stratum], *, opens_at: dt.datetime, closes_at: dt.datetime, promise_from: dt.datetime,
    promise_to: dt.datetime, by: str, call: uuid.UUID | None = None, fewest: int = FEWEST_TOLD,
) -> uuid.UUID:  # fmt: skip
    """Call for contributors to a dataset; with `call` (a form's id), the same one again changes nothing.

    Each stratum wants `fewest` people or more, and its budget is enough for so many at the most that is paid: its price is
    then that most, or what somebody asked behind so many others, so that no few accomplices learn what one person stated. Strata and budgets are fixed from here on, and a call never opens before it is announced.
    """
    call, now = call or uuid.uuid4(), clock.now()
    opens_at = max(opens_at, now)
    _check_call(strata, (opens_at, closes_at, promise_from, promise_to), fewest)
    bands = await fetch_value("SELECT age_bands FROM dataset WHERE code = $1", dataset)
    if bands is None:
        raise NotFound("There is no dataset {dataset}.", dataset=dataset)
    if not {band for one in strata for band in one.age_bands} <= set(bands):
        raise Invalid("A group is of age bands that the dataset declares.")
    if any(one.age_bands for one in strata):
        await asyncio.to_thread(refuse_without_table)
    async with transaction():
        added = await execute(
            """INSERT INTO contributor_call (id, dataset, opens_at, closes_at, promise_from, promise_to, state, announced_by,
                                             announced_at)
               VALUES ($1, $2, $3, $4, $5, $6, 'standing', $7, $8) ON CONFLICT (id) DO NOTHING""",
            call, dataset, opens_at, closes_at, promise_from, promise_to, by, now,
        )  # fmt: skip
        if added:
            for position, one in enumerate(strata):
                await execute(
                    """INSERT INTO contributor_stratum (id, call, position, title_fr, title_en, wanted, budget_micro, reserve_micro,
                                                        age_bands)
                       VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8)""",
                    call, position, one.title_fr, one.title_en, one.wanted, one.budget_micro, one.reserve_micro, list(one.age_bands),
                )  # fmt: skip
    return call


def _check_call(strata: Sequence[Stratum], instants: tuple[dt.datetime, ...], fewest: int) -> None:
    opens_at, closes_at, promise_from, promise_to = instants
    if not opens_at < closes_at <= promise_from < promise_to:
        raise Invalid("A call closes after it opens, and its promise begins once it is closed and ends later.")
    if not 1 <= len(strata) <= MOST_STRATA:
        raise Invalid("A call has between 1 and {most} groups.", most=MOST_STRATA)
    for one in strata:
        if not one.title_fr.strip() or not one.title_en.strip():
            raise Invalid("Name each group, in French and in English.")
        if not 1 <= one.wanted < 2**31 or not 1 <= one.budget_micro <= LARGEST_BUDGET_MICRO:
            raise Invalid("A group wants at least one person, within a budget.")
        if not 1 <= one.reserve_micro <= min(LARGEST_ASK_MICRO, one.budget_micro):
            raise Invalid("The most paid to one person is positive and within the budget.")
        if one.wanted < fewest or one.budget_micro < fewest * one.reserve_micro:
            raise Invalid(
                "A group wants at least {fewest} people, with a budget for so many at the most that is paid: "
                "else its price would tell what one of them asked.",
                fewest=fewest,
            )


# ------------------------------------------------------------------ what a subscriber does
def ask_id(call: uuid.UUID, subscriber: int) -> uuid.UUID:
    """Return the id of a subscriber's ask, the same however often it is stated: what is sealed is bound to it."""
    return uuid.uuid5(call, str(subscriber))


async def ask(subscriber: int, call: uuid.UUID, stratum: uuid.UUID, *, least_micro: int) -> uuid.UUID:
    """State the least a subscriber would accept, in micro-euros; a later statement replaces it until the call closes."""
    if not 0 <= least_micro <= LARGEST_ASK_MICRO:
        raise Invalid("State an amount between 0 and {most} euros.", most=LARGEST_ASK_MICRO // 1_000_000)
    row = ask_id(call, subscriber)
    key = settings().bid_public_key or sealing.public_key(settings().bid_key)
    sealed = sealing.seal({"least_micro": least_micro}, row, key, padded_to=PADDED_TO_BYTES)
    async with transaction():
        at = await _standing(call)
        if not await fetch_value("SELECT true FROM contributor_stratum WHERE id = $1 AND call = $2", stratum, call):
            raise NotFound("There is no such call.")
        await execute(
            """INSERT INTO contributor_ask (id, stratum, call, subscriber, sealed, asked_at) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (id)
               DO UPDATE SET stratum = excluded.stratum, sealed = excluded.sealed, asked_at = excluded.asked_at, withdrawn_at = NULL""",
            row, stratum, call, subscriber, sealed, at,
        )  # fmt: skip
    return row


async def withdraw(subscriber: int, call: uuid.UUID) -> None:
    """Take a statement back before the call closes: its content is erased, and nothing follows from it."""
    async with transaction():
        at = await _standing(call)
        await execute(
            """UPDATE contributor_ask SET withdrawn_at = $3, sealed = '' WHERE call = $1 AND subscriber = $2
               AND withdrawn_at IS NULL""",
            call, subscriber, at,
        )  # fmt: skip


async def _standing(call: uuid.UUID) -> dt.datetime:
    """Hold an open call and return the database's instant, read while holding it: subscribers beside each other, not the award."""
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM contributor_call WHERE id = $1 FOR SHARE)
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


# ------------------------------------------------------------------ what jobs do
async def tell_supply() -> None:
    """Count the standing asks of each open call's groups, and tell the count roughly; fewer than a hundred is told as 0.

    Counted now and then, not at each answer: nobody sees their own click in it.
    """
    await execute(
        """UPDATE contributor_stratum AS stratum SET answered_about = counted.about
           FROM (SELECT stratum.id, CASE WHEN count(ask.id) < $1 THEN 0
                        ELSE round(count(ask.id)::numeric, 2 - length(count(ask.id)::text)) END::bigint AS about
                 FROM contributor_stratum AS stratum JOIN contributor_call AS call ON call.id = stratum.call
                 LEFT JOIN contributor_ask AS ask ON ask.stratum = stratum.id AND ask.withdrawn_at IS NULL
                 WHERE call.state = 'standing' AND call.opens_at <= clock_timestamp() GROUP BY stratum.id) AS counted
           WHERE counted.id = stratum.id AND stratum.answered_about <> counted.about""",
        FEWEST_TOLD,
    )


async def award_calls() -> int:
    """Award every call whose end has passed, once: a price per stratum, and the promise written to the dataset's terms."""
    due = await fetch(
        "SELECT id FROM contributor_call WHERE state = 'standing' AND closes_at <= clock_timestamp() LIMIT 20"
    )
    awarded = 0
    for row in due:
        try:
            awarded += await _award(row["id"])
        except (sealing.UnopenableError, Conflict) as problem:
            log.error("call not awarded", call=str(row["id"]), why=str(problem))  # noqa: TRY400 (the sentence says it all)
    return awarded


async def _held(call: uuid.UUID) -> asyncpg.Record:
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM contributor_call WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        call,
    )
    assert row, "a call is never deleted"
    return row


@dataclass(frozen=True, slots=True)
class Asks:
    """A call's standing asks in order of arrival, each an index: who, of which stratum's position, the least in µ€."""

    subscribers: NDArray[np.int64]
    strata: NDArray[np.int64]
    least: NDArray[np.int64]

    def of(self, some: NDArray[np.bool_]) -> Asks:
        """Return some of them, in their order."""
        return Asks(self.subscribers[some], self.strata[some], self.least[some])


async def _award(call: uuid.UUID) -> int:
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    async with transaction():  # Waits for whoever is stating an amount this instant; nobody may after that.
        held = await _held(call)
        if held["state"] != "standing" or held["held_at"] < held["closes_at"]:
            return 0
    strata = await fetch("SELECT * FROM contributor_stratum WHERE call = $1 ORDER BY position", call)
    asks = await _opened(call, {row["id"]: row["position"] for row in strata})
    belong = await asyncio.to_thread(_belong, asks, strata)
    counted = asks.of(belong)
    terms = {row["position"]: StratumTerms(row["wanted"], row["budget_micro"], row["reserve_micro"]) for row in strata}
    awards = await asyncio.to_thread(by_stratum, counted.least, counted.strata, terms)
    reasons = np.full(len(asks.least), REASONS.index(NOT_OF_GROUP), dtype=np.int64)
    reasons[belong] = await asyncio.to_thread(_reasons, counted, awards)
    async with transaction():
        held = await _held(call)
        if held["state"] != "standing":
            return 0
        for row in strata:
            found = _awarded(awards, row)
            await execute(
                "UPDATE contributor_stratum SET winners = $2, price_micro = $3 WHERE id = $1",
                row["id"], found.winners, found.price_minor,
            )  # fmt: skip
        await _write_reasons(call, asks, reasons)
        await _promise(held, asks, reasons, sum(_awarded(awards, row).spent_minor for row in strata))
        await execute(
            "UPDATE contributor_call SET state = 'awarded', awarded_at = $2 WHERE id = $1", call, held["held_at"]
        )
    return 1


def _awarded(awards: Mapping[int, ReverseAward | NotEnoughAsks], stratum: Row) -> ReverseAward:
    found = awards[stratum["position"]]
    assert isinstance(found, ReverseAward), "a reserve is always stated, so there is always an award"
    return found


async def _opened(call: uuid.UUID, positions: dict[uuid.UUID, int]) -> Asks:
    """Read a closed call's asks, in pieces, and open them with the key that this job alone holds."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    pieces, last = [], -1
    while rows := await fetch(
        """SELECT id, subscriber, stratum, sealed, (extract(epoch FROM asked_at) * 1000000)::bigint AS at FROM contributor_ask
           WHERE call = $1 AND subscriber > $2 AND withdrawn_at IS NULL ORDER BY subscriber LIMIT $3""",
        call, last, READ_AT_ONCE,
    ):  # fmt: skip
        last = rows[-1]["subscriber"]
        pieces.append(await asyncio.to_thread(_unseal, rows, positions))
    whole = np.concatenate(pieces, axis=1) if pieces else np.zeros((4, 0), dtype=np.int64)
    arrived = np.lexsort((whole[0], whole[3]))
    return Asks(whole[0][arrived], whole[1][arrived], whole[2][arrived])


def _unseal(rows: Sequence[Row], positions: dict[uuid.UUID, int]) -> NDArray[np.int64]:
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    key = settings().bid_key
    return np.array(
        [
            (row["subscriber"], positions[row["stratum"]], sealing.unseal(row["sealed"], row["id"], key)["least_micro"], row["at"])
            for row in rows
        ],
        dtype=np.int64,
    ).T  # fmt: skip


def _belong(asks: Asks, strata: Sequence[Row]) -> NDArray[np.bool_]:
    """Return of each ask whether it is of the group it names, as the operator's table tells; a group without bands takes anyone."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    belong = np.ones(len(asks.subscribers), np.bool_)
    if checked := [row for row in strata if row["age_bands"]]:
        registry = Registry()
        for row in checked:
            here = asks.strata == row["position"]
            belong[here] = registry.are_in(asks.subscribers[here], row["age_bands"])
    return belong


def _reasons(asks: Asks, awards: Mapping[int, ReverseAward | NotEnoughAsks]) -> NDArray[np.int64]:
    """Return what became of each ask, as its place in REASONS: the O(1) rule, told once per distinct case."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    reasons = np.zeros(len(asks.least), dtype=np.int64)
    for position, award in awards.items():
        assert isinstance(award, ReverseAward)
        here = np.flatnonzero(asks.strata == position)
        least = asks.least[here]
        told = np.full(len(here), REASONS.index(award.limit), dtype=np.int64)
        if award.winners and award.cutoff_position:
            told[least == award.cutoff_ask] = REASONS.index(Reason.TIED_LATER)
        if award.reserve_minor is not None:
            told[least > award.reserve_minor] = REASONS.index(Reason.ABOVE_RESERVE)
        told[winners_of(award, least)] = REASONS.index(Reason.WON)
        reasons[here] = told
        for order in (0, len(here) // 2, len(here) - 1) if len(here) else ():
            assert REASONS[told[order]] == outcome_of(award, int(least[order]), order), "an award has one reading"
    return reasons


async def _write_reasons(call: uuid.UUID, asks: Asks, reasons: NDArray[np.int64]) -> None:
    """Write everybody's outcome, in pieces of half a million."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    await execute("CREATE TEMPORARY TABLE call_outcome (subscriber BIGINT, reason BIGINT) ON COMMIT DROP")
    by_line = np.argsort(asks.subscribers)
    for start in range(0, len(by_line), WRITTEN_AT_ONCE):
        some = by_line[start : start + WRITTEN_AT_ONCE]
        await execute("TRUNCATE call_outcome")
        await copy_columns("call_outcome", {"subscriber": asks.subscribers[some], "reason": reasons[some]})
        await execute(
            """UPDATE contributor_ask SET won = (told.reason = $2)::int, reason = ($3::text[])[told.reason + 1]
               FROM call_outcome AS told WHERE call = $1 AND contributor_ask.subscriber = told.subscriber""",
            call, REASONS.index(Reason.WON), [str(reason) for reason in REASONS],
        )  # fmt: skip


async def _promise(call: Row, asks: Asks, reasons: NDArray[np.int64], promised_micro: int) -> None:
    """Write what was won down to the dataset's terms: whole cents in all, rounded up, and each winner's own minimum.

    A promise begins no earlier than the award: prices signed before could not know of it.
    """
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    starts_at = max(call["promise_from"], call["held_at"])
    if not promised_micro or starts_at >= call["promise_to"]:
        return
    await execute(
        "INSERT INTO contributor_term (id, dataset, promised_minor, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5)",
        call["id"], call["dataset"], -(-promised_micro // 10_000), starts_at, call["promise_to"],
    )  # fmt: skip
    winners = np.sort(asks.subscribers[reasons == REASONS.index(Reason.WON)])
    for start in range(0, len(winners), WRITTEN_AT_ONCE):
        some = winners[start : start + WRITTEN_AT_ONCE]
        await execute(
            """INSERT INTO contributor_promise (term, subscriber, minimum_micro)
               SELECT ask.call, ask.subscriber, stratum.price_micro
               FROM contributor_ask AS ask JOIN contributor_stratum AS stratum ON stratum.id = ask.stratum
               WHERE ask.call = $1 AND ask.won = 1 AND stratum.price_micro > 0 AND ask.subscriber BETWEEN $2 AND $3""",
            call["id"], int(some[0]), int(some[-1]),
        )  # fmt: skip

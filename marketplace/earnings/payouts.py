"""Payout runs: drafted for everyone due, approved by a second person, sent, and settled or put back; each step once.

Money leaves a subscriber's balance when a run is sent and at no other moment: accruals, journal entry and the run's
state are one transaction. What a bank refuses or returns goes back the same way. One lock makes these steps take turns,
a row lock and the database's own keys make two clicks one; whatever dies between two lines has done nothing.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.earnings import sepa
from marketplace.earnings.bank_details import end_former
from marketplace.earnings.payout_file import make_file
from marketplace.errors import Conflict, Invalid, NotAllowed, NotFound
from marketplace.identity.audit_trail import check_reason, note_action
from marketplace.ledger.actions import record
from marketplace.ledger.chart import SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE
from marketplace.payments.queries import list_reversed_transfers, list_transfer_states
from marketplace.payments.transfers import request_transfers
from marketplace.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import asyncpg

    from marketplace.identity.actors import Actor

LOCK: Final = "payouts"
PAYEES_A_BATCH: Final = 10_000
UNSAID: Final = "MS03"
"""ISO's reason for: the bank does not say."""
REFUSED_BY_STRIPE: Final = "STRIPE"
CALLED_BACK: Final = "FOCR"
DUE: Final = """
SELECT details.subscriber, details.id AS details, NULL AS stripe_account, sum(payable_micro) AS payable_micro
FROM bank_details AS details
JOIN accrual ON accrual.subscriber = details.subscriber
LEFT JOIN payout_choice ON payout_choice.subscriber = details.subscriber
WHERE details.ended_at IS NULL AND details.refused_at IS NULL AND details.usable_from <= $2 AND stripe_account IS NULL
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = details.subscriber AND payout.state = 'open')
GROUP BY details.id, payout_choice.threshold_minor
HAVING sum(payable_micro) >= greatest($1, payout_choice.threshold_minor) * 10000
"""
"""Who is due by bank transfer: $1 the common threshold in cents, $2 the present instant."""

DUE_AT_STRIPE: Final = """
SELECT choice.subscriber, NULL::uuid AS details, choice.stripe_account, sum(payable_micro) AS payable_micro
FROM payout_choice AS choice JOIN accrual ON accrual.subscriber = choice.subscriber
WHERE choice.stripe_account IS NOT NULL AND choice.stripe_from <= $2
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = choice.subscriber AND payout.state = 'open')
GROUP BY choice.subscriber HAVING sum(payable_micro) >= greatest($1, choice.threshold_minor) * 10000
"""
DRAFT: Final = """
WITH due AS MATERIALIZED (
    SELECT subscriber, details, stripe_account, div(payable_micro, 10000)::bigint AS amount_minor,
           ((row_number() OVER (ORDER BY subscriber) - 1) / $3 + 1)::int AS batch
    FROM ({due}) AS owed
), run AS (
    INSERT INTO payout_run (id, route, state, threshold_minor, amount_minor, people, drafted_at, prepared_by)
    SELECT $4, $5, 'draft', $1, sum(amount_minor), count(*), $2, $6 FROM due HAVING count(*) > 0
    RETURNING id
), batches AS (
    INSERT INTO payout_batch (id, run, number, amount_minor, people)
    SELECT gen_random_uuid(), run.id, batch, sum(amount_minor), count(*) FROM due, run GROUP BY run.id, batch
)
INSERT INTO payout (id, run, batch, subscriber, details, stripe_account, amount_minor, state)
SELECT gen_random_uuid(), run.id, batch, subscriber, details, stripe_account, amount_minor, 'open' FROM due, run
"""
"""One statement: a run with its batches and payouts, or nothing; whole cents only, the millionths stay."""

MOVE_OUT: Final = """
INSERT INTO accrual (run, subscriber, held_micro, payable_micro)
SELECT $2, subscriber, 0, -amount_minor * 10000 FROM payout WHERE run = $1 AND state = 'open'
"""
PUT_BACK: Final = """
WITH back AS (
    UPDATE payout SET state = 'failed', reason = refused.reason, ended_at = $4, put_back_by = $3
    FROM unnest($1::uuid[], $2::text[]) AS refused (id, reason)
    WHERE payout.id = refused.id AND payout.state <> 'failed'
    RETURNING payout.subscriber, payout.amount_minor, payout.details, payout.reason
), told AS (
    UPDATE bank_details SET refused_at = $4, refused_reason = back.reason FROM back
    WHERE bank_details.id = back.details AND back.reason = ANY ($5) AND refused_at IS NULL
)
INSERT INTO accrual (run, subscriber, held_micro, payable_micro)
SELECT $3, subscriber, 0, amount_minor * 10000 FROM back
"""
END_RUNS: Final = """
UPDATE payout_run SET ended_at = $2, state = CASE WHEN EXISTS (
    SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'settled') THEN 'settled' ELSE 'failed' END
WHERE id = ANY ($1) AND state = 'sent'
  AND NOT EXISTS (SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'open')
"""


# ------------------------------------------------------------------ draft, prepare, approve, cancel
async def draft(actor: Actor | None = None, *, route: str = "sepa") -> uuid.UUID | None:
    """Draft a run for everyone due and return it; None when nobody is. The clock's draft awaits its first pair of eyes."""
    if route not in ("sepa", "stripe"):
        raise Invalid("Subscribers are paid by SEPA transfer or through Stripe.")
    now, run = clock.now(), uuid.uuid4()
    async with transaction():
        await lock(LOCK)
        await end_former()
        if await find_unsent(route):
            raise Conflict("A run is already drafted; approve, send or cancel it first.")
        people = await execute(
            DRAFT.format(due=DUE if route == "sepa" else DUE_AT_STRIPE),
            settings().payout_threshold_minor, now, PAYEES_A_BATCH, run, route, actor.person if actor else None,
        )  # fmt: skip
        if people:
            await note_action(actor, "draft_payout_run", run, after={"people": people, "route": route})
    return run if people else None


async def draft_on_time() -> uuid.UUID | None:
    """Draft the run that is due by the clock, unless one is still being decided."""
    return None if await find_unsent("sepa") else await draft()


async def find_unsent(route: str) -> uuid.UUID | None:
    """Return the route's run that is drafted or approved, if there is one."""
    found: uuid.UUID | None = await fetch_value(
        "SELECT id FROM payout_run WHERE route = $1 AND state IN ('draft', 'approved')", route
    )
    return found


async def prepare(run: uuid.UUID, actor: Actor) -> None:
    """Be the first pair of eyes on a run that the clock drafted; clicked again, nothing changes."""
    async with transaction():
        row = await _get(run)
        if row["prepared_by"] == actor.person:
            return
        if row["state"] != "draft" or row["prepared_by"] is not None:
            raise Conflict("Somebody else has looked through this run.")
        await execute("UPDATE payout_run SET prepared_by = $2 WHERE id = $1", run, actor.person)
        await note_action(actor, "prepare_payout_run", run)


async def approve(run: uuid.UUID, actor: Actor, *, reason: str) -> None:
    """Approve a run as the second person, with a reason for the audit; clicked again by the same one, nothing changes."""
    reason = check_reason(reason)
    async with transaction():
        row = await _get(run)
        if row["approved_by"] == actor.person and row["state"] == "approved":
            return
        if row["state"] != "draft":
            raise Conflict("This run is decided already.")
        if row["prepared_by"] is None:
            raise Conflict("Nobody has looked through this draft yet: one person checks it, another approves it.")
        if row["prepared_by"] == actor.person:
            raise NotAllowed("You prepared this run, so somebody else has to approve it.")
        await execute(
            """UPDATE payout_run SET state = 'approved', approved_by = $2, approved_at = $3, reason = $4
               WHERE id = $1 AND state = 'draft'""",
            run, actor.person, clock.now(), reason,
        )  # fmt: skip
        await note_action(actor, "approve_payout_run", run, reason=reason, after={"amount_minor": row["amount_minor"]})


async def cancel(run: uuid.UUID, actor: Actor, *, reason: str) -> None:
    """Give a run up before it is sent: no money has moved, and everyone is due again."""
    reason = check_reason(reason)
    now = clock.now()
    async with transaction():
        await lock(LOCK)
        row = await _get(run)
        if row["state"] == "cancelled":
            return
        if row["state"] not in ("draft", "approved"):
            raise Conflict("This run was sent: what its bank refuses comes back by itself.")
        await execute("UPDATE payout SET state = 'cancelled', ended_at = $2 WHERE run = $1", run, now)
        await execute(
            """UPDATE payout_run SET state = 'cancelled', ended_at = $2, cancelled_by = $3, cancelled_reason = $4
               WHERE id = $1""",
            run, now, actor.person, reason,
        )  # fmt: skip
        await note_action(actor, "cancel_payout_run", run, reason=reason)


# ------------------------------------------------------------------ sent
async def send(run: uuid.UUID, actor: Actor) -> None:
    """Take an approved run's money out of its payees' balances and let its file be fetched; clicked again, once.

    The file is made and checked first. It depends on what is stored alone, so whoever fetches it, however often, gets
    the same bytes with the same message id, and a bank that is sent it twice pays once.
    """
    row = await get_run(run)
    if row["state"] in ("sent", "settled", "failed"):
        return
    if row["state"] != "approved":
        raise Conflict("A run is sent once a second person has approved it.")
    now = clock.now()
    execute_on = sepa.next_working_day(now.date())
    digest = None
    if row["route"] == "sepa":
        file, digest = await make_file(run, now, execute_on)
        file.close()
    async with transaction():
        await lock(LOCK)
        if (await _get(run))["state"] != "approved":
            return
        moved_by = await _begin("payout", now, row["amount_minor"], row["people"])
        people = await execute(MOVE_OUT, run, moved_by)
        assert people == row["people"], "whoever was drafted is paid, or nobody is"
        await record(
            "payout_sent", run, at=now, text="Subscribers' payouts, sent",
            postings=[(SUBSCRIBERS_PAYABLE, SUBSCRIBERS_IN_TRANSIT, row["amount_minor"])],
        )  # fmt: skip
        await execute(
            """UPDATE payout_run SET state = 'sent', sent_at = $2, execute_on = $3, file_sha256 = $4, moved_by = $5
               WHERE id = $1""",
            run, now, execute_on, digest, moved_by,
        )  # fmt: skip
        if row["route"] == "stripe":
            paid = await fetch("SELECT id, stripe_account, amount_minor FROM payout WHERE run = $1 ORDER BY id", run)
            await request_transfers(
                [(one["id"], one["stripe_account"], one["amount_minor"]) for one in paid], group=sepa.message_of(run)
            )
        await note_action(actor, "send_payout_run", run, after={"file_sha256": digest, "execute_on": execute_on})


# ------------------------------------------------------------------ answered
async def take_answer(run: uuid.UUID, data: bytes, actor: Actor | None) -> int:
    """Record what the bank says of a run's file (pain.002), once, and return how many payouts it refuses.

    Refused payouts go back to their subscribers. A refusal because the file came before refuses nothing: the first one
    counts. A payout that the bank has already taken comes back with the bank's money, not with a message.
    """
    answer = sepa.read_answer(data)
    if answer.about != sepa.message_of(run):
        raise Invalid("This report is about another file: {message}.", message=answer.about or "–")
    now, digest = clock.now(), sepa.digest(data)
    async with transaction():
        await lock(LOCK)
        row = await _get(run)
        if row["state"] not in ("sent", "settled", "failed"):
            raise Conflict("This run has not been sent, so no bank can answer it.")
        if await fetch_value("SELECT count(*) FROM payout_answer WHERE file_sha256 = $1", digest):
            return 0
        refused = await _refused(run, answer)
        rejected = await _put_back(refused, now) if refused else 0
        await execute(
            """INSERT INTO payout_answer (run, message, file_sha256, group_status, reason, rejected, taken_by, taken_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
            run, answer.message[:35], digest, answer.group_status[:4], answer.group_reason, rejected,
            actor.person if actor else None, now,
        )  # fmt: skip
        await execute("UPDATE payout_run SET answered_at = $2 WHERE id = $1", run, now)
        await note_action(actor, "take_bank_answer", run, after={"status": answer.group_status, "rejected": rejected})
    return rejected


async def _refused(run: uuid.UUID, answer: sepa.Answer) -> dict[uuid.UUID, str]:
    """Return which open payouts of the run an answer refuses, each with its reason; refuse one that names others."""
    rows = await fetch(
        """SELECT payout.id, payout.state, payout_batch.id AS batch FROM payout
           JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
           WHERE payout.run = $1""",
        run,
    )
    refused: dict[uuid.UUID, str] = {}
    known_batches = {sepa.batch_of(row["batch"]) for row in rows}
    known = {sepa.reference_of(row["id"]) for row in rows}
    strangers = [*(set(answer.batches) - known_batches), *(set(answer.transfers) - known)]
    if strangers:
        raise Invalid("This report names a payment that is not in the run: {reference}.", reference=min(strangers))
    for row in rows:
        judgements = (
            answer.transfers.get(sepa.reference_of(row["id"])),
            answer.batches.get(sepa.batch_of(row["batch"])),
            (answer.group_status, answer.group_reason),
        )
        reason = sepa.refusal(judgements)
        if reason and row["state"] == "open":
            refused[row["id"]] = reason
    return refused


# ------------------------------------------------------------------ settled, or returned
async def settle(payouts: Sequence[uuid.UUID], at: dt.datetime) -> int:
    """Record that the bank has paid these open payouts out; return how many were open. Its money is entered with the line."""
    async with transaction():
        await lock(LOCK)
        rows = await fetch(
            """UPDATE payout SET state = 'settled', ended_at = $2 FROM payout_run
               WHERE payout.id = ANY ($1) AND payout.state = 'open' AND payout_run.id = payout.run
                 AND payout_run.state = 'sent' RETURNING payout.run""",
            list(payouts), at,
        )  # fmt: skip
        await execute(END_RUNS, list({row["run"] for row in rows}), at)
    return len(rows)


async def give_back(returned: Mapping[uuid.UUID, str], at: dt.datetime) -> int:
    """Give settled payouts back to their subscribers, whose banks returned them for these reasons; return how many."""
    async with transaction():
        await lock(LOCK)
        rows = await fetch("SELECT id FROM payout WHERE id = ANY ($1) AND state = 'settled'", list(returned))
        refused = {row["id"]: returned[row["id"]] or UNSAID for row in rows}
        if refused:
            await _put_back(refused, at)
    return len(refused)


async def follow_transfers() -> int:
    """Settle the payouts that Stripe has transferred, give back those it refused or took back whole, at once or in pieces."""
    now = clock.now()
    async with transaction():
        await lock(LOCK)
        rows = await fetch("SELECT id FROM payout WHERE state = 'open' AND stripe_account IS NOT NULL")
        decided = await list_transfer_states([row["id"] for row in rows])
        await settle([transfer.id for transfer in decided if transfer.state == "done"], now)
        if refused := {transfer.id: REFUSED_BY_STRIPE for transfer in decided if transfer.state == "failed"}:
            await _put_back(refused, now)
        back = await list_reversed_transfers()
        taken_back = await fetch(
            """SELECT payout.id FROM payout JOIN unnest($1::uuid[], $2::bigint[]) AS back (id, reversed_minor) USING (id)
               WHERE payout.state = 'settled' AND payout.amount_minor = back.reversed_minor""",
            [transfer.id for transfer in back],
            [transfer.reversed_minor for transfer in back],
        )
        await give_back({row["id"]: CALLED_BACK for row in taken_back}, now)
    return len(decided) + len(taken_back)


async def _put_back(refused: Mapping[uuid.UUID, str], now: dt.datetime) -> int:
    """Put payouts back to the balances they came from, as one pass and one entry; return how many."""
    sums = await fetch_one(
        """SELECT count(*) AS people, coalesce(sum(amount_minor), 0)::bigint AS amount_minor, array_agg(DISTINCT run) AS runs
           FROM payout WHERE id = ANY ($1) AND state <> 'failed'""",
        list(refused),
    )
    assert sums
    assert sums["people"] == len(refused), "what is put back was neither put back nor cancelled before"
    moved_by = await _begin("payout_back", now, sums["amount_minor"], sums["people"])
    people = await execute(
        PUT_BACK, list(refused), list(refused.values()), moved_by, now, list(sepa.REFUSES_THE_ACCOUNT)
    )
    assert people == sums["people"]
    await record(
        "payout_back", moved_by, at=now, text="Subscribers' payouts that banks refused or returned",
        postings=[(SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE, sums["amount_minor"])],
    )  # fmt: skip
    await execute(END_RUNS, sums["runs"], now)
    return people


async def _begin(kind: str, now: dt.datetime, amount_minor: int, people: int) -> int:
    run: int = await fetch_value(
        "INSERT INTO share_run (kind, at, amount_minor, people) VALUES ($1, $2, $3, $4) RETURNING id",
        kind, now, amount_minor, people,
    )  # fmt: skip
    return run


async def get_run(run: uuid.UUID) -> asyncpg.Record:
    """Return a run; refuse one that is not there."""
    row = await fetch_one("SELECT * FROM payout_run WHERE id = $1", run)
    if row is None:
        raise NotFound("There is no such payout run.")
    return row


async def _get(run: uuid.UUID) -> asyncpg.Record:
    """Return a run and hold its row until the transaction ends."""
    await fetch_one("SELECT 1 FROM payout_run WHERE id = $1 FOR UPDATE", run)
    return await get_run(run)

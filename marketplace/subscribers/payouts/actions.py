"""Payout runs: drafted for everyone due, approved by a second person, sent, and settled or recredited; each step once.

A subscriber's balance is debited only when a run is sent: accruals, journal entry and the run's state are one
transaction. Payouts that a bank refuses or returns are recredited in the same way. One lock orders these steps; a row
lock and the database's keys make two clicks one; a process killed between two lines has written nothing.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import (
    execute,
    execute_long,
    fetch_column,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.core.locks import lock
from marketplace.core.progress import ReportProgress, no_progress
from marketplace.core.settings import settings
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE
from marketplace.money.payments.queries import list_reversed_transfers, list_transfer_states
from marketplace.money.payments.transfers import request_transfers
from marketplace.money.sepa import pain001, pain002
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.people.messages.actions import send as write_message
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient
from marketplace.people.proposals.actions import signs_of_two
from marketplace.subscribers.earnings.actions import move_payable
from marketplace.subscribers.message_kinds import PAYEE_DIFFERS, PAYOUT_REFUSED, PAYOUT_SENT, RUN_TO_APPROVE
from marketplace.subscribers.payouts.bank_details import end_former
from marketplace.subscribers.payouts.bank_file import cut, list_files, payees_a_file, record_files, write_files
from marketplace.subscribers.payouts.queries import SQL, find_unsent, get_run
from marketplace.subscribers.payouts.rules import (
    NAME_DIFFERS,
    NO_REASON,
    PAYEES_A_PAGE,
    RECALLED,
    REFUSED_BY_STRIPE,
    PayoutInBatch,
    bounds_of,
    refused_payouts,
)
from marketplace.subscribers.payouts.tables import Payout, PayoutAnswer, PayoutRun
from marketplace.subscribers.payouts.verification import check_decided, is_about_names, list_left_out, note_report

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from marketplace.people.identity.actors import Actor
    from marketplace.subscribers.payouts.bank_file import FileRow

LOCK: Final = "payouts"
LINES_OF_HOLDERS: Final = """
    SELECT payout.id, payout.subscriber FROM payout JOIN payout_run ON payout_run.id = payout.run
    JOIN subscriber ON reference = payout.subscriber AND drafted_at >= claimed_at WHERE payout.id = ANY ($1)"""  # a new holder reads nothing of it
SETTLED: Final = """
    UPDATE payout SET state = 'settled', ended_at = $2 FROM payout_run
    WHERE payout.id = ANY ($1) AND payout.state = 'open' AND payout_run.id = payout.run AND payout_run.state = 'sent'
    RETURNING payout.id, payout.run, payout.subscriber"""
PAYEES_A_BATCH: Final = 10_000
PAYEES_A_PIECE: Final = 500_000
"""Payees that a draft writes between two reports of its progress."""
SORTED_IN_MEMORY: Final = "64MB"
"""The memory that PostgreSQL may use for each step of finding the people who are due."""


class TransferToRequest(Struct, frozen=True):
    """A payout to a Stripe account, in cents."""

    id: uuid.UUID
    stripe_account: str
    amount_minor: int


class RunOfPayout(Struct, frozen=True):
    """A payout with its run and line."""

    id: uuid.UUID
    run: uuid.UUID
    subscriber: int


class LineOfPayout(Struct, frozen=True):
    """The payout's subscriber."""

    id: uuid.UUID
    subscriber: int


class RecreditSums(Struct, frozen=True):
    """How many payouts are recredited, their sum in cents, and their payout runs."""

    people: int
    amount_minor: int
    runs: list[uuid.UUID]


async def draft(
    actor: Actor | None = None, *, route: str = "sepa", progress: ReportProgress = no_progress
) -> uuid.UUID | None:
    """Draft a run for everyone due and return it; None if nobody is due.

    A draft made by the clock still needs its first person.
    """
    if route not in ("sepa", "stripe"):
        raise Invalid("Subscribers are paid by SEPA transfer or through Stripe.")
    now, run = clock.now(), uuid.uuid4()
    async with transaction():
        await lock(LOCK)
        await end_former()
        if await find_unsent(route):
            raise Conflict("A run is already drafted; approve, send or cancel it first.")
        progress("looking for people who are due", 0.0)
        await execute(SQL["stage_payees"])
        await execute(f"SET LOCAL work_mem = '{SORTED_IN_MEMORY}'")
        find = SQL["find_payees_by_transfer"] if route == "sepa" else SQL["find_payees_at_stripe"]
        people = await execute_long(find, settings().payout_threshold_minor, now)
        if people:
            threshold, by = settings().payout_threshold_minor, actor.person if actor else None
            batch = min(PAYEES_A_BATCH, payees_a_file())
            await execute_long(SQL["draft_run"], run, route, threshold, now, by, batch, bounds_of(threshold))
            await _write_payouts(run, people, batch, progress)
            await note_action(actor, "draft_payout_run", run, after={"people": people, "route": route})
            await write_message(RUN_TO_APPROVE, run, [Recipient("role", "finance")], run=str(run))
        await execute("DROP TABLE payee")
    return run if people else None


async def _write_payouts(run: uuid.UUID, people: int, batch: int, progress: ReportProgress) -> None:
    """Write the payouts to all payees, a piece at a time."""
    if people > PAYEES_A_PIECE:
        await execute_long("CREATE INDEX ON payee (place)")
    drawn = os.urandom(4), os.urandom(32)
    for first in range(1, people + 1, PAYEES_A_PIECE):
        progress("writing payouts", 0.2 + 0.8 * first / people)
        await execute_long(SQL["draft_payouts"], run, first, first + PAYEES_A_PIECE - 1, batch, *drawn)


async def draft_on_time() -> uuid.UUID | None:
    """Draft the run that is due by the clock, unless another one is still to be decided."""
    run = None if await find_unsent("sepa") else await draft()
    if run:
        await keep_shared_accounts(run)
    return run


async def keep_shared_accounts(run: uuid.UUID) -> None:
    """Store with a large run how many payees have the IBAN of another line; a small one is counted when shown."""
    if (await get_run(run)).people > PAYEES_A_PAGE:
        await execute_long(SQL["keep_shared_accounts"], run)


async def prepare(run: uuid.UUID, actor: Actor) -> None:
    """Confirm a run that the clock drafted, as the first person; a second click changes nothing."""
    async with transaction():
        row = await get_run(run, locked=True)
        if row.prepared_by == actor.person:
            return
        if row.state != "draft" or row.prepared_by is not None:
            raise Conflict("Somebody else has looked through this run.")
        await PayoutRun.update({PayoutRun.prepared_by: actor.person}).where(PayoutRun.id == run)
        await note_action(actor, "prepare_payout_run", run)
        await write_message(RUN_TO_APPROVE, f"{run} prepared", [Recipient("role", "finance")], run=str(run))


async def approve(run: uuid.UUID, actor: Actor, *, reason: str) -> None:
    """Approve a run as the second person, with a reason for the audit.

    A second click of the same person changes nothing.
    """
    reason = check_reason(reason)
    async with transaction():
        row = await get_run(run, locked=True)
        if row.approved_by == actor.person and row.state == "approved":
            return
        if row.state != "draft":
            raise Conflict("This run is decided already.")
        if row.prepared_by is None:
            raise Conflict("Nobody has looked through this draft yet: one person checks it, another approves it.")
        if row.prepared_by == actor.person:
            raise NotAllowed("You prepared this run, so somebody else has to approve it.")
        await PayoutRun.update(
            {
                PayoutRun.state: "approved",
                PayoutRun.approved_by: actor.person,
                PayoutRun.approved_at: clock.now(),
                PayoutRun.reason: reason,
            }
        ).where(PayoutRun.id == run, PayoutRun.state == "draft")
        after = {"amount_minor": row.amount_minor} | await signs_of_two(actor.person, row.prepared_by)
        await note_action(actor, "approve_payout_run", run, reason=reason, after=after)


async def cancel(run: uuid.UUID, actor: Actor, *, reason: str) -> None:
    """Cancel a run before it is sent: no money has moved, and everyone is due again."""
    reason = check_reason(reason)
    now = clock.now()
    async with transaction():
        await lock(LOCK)
        row = await get_run(run, locked=True)
        if row.state == "cancelled":
            return
        if row.state not in ("draft", "approved"):
            raise Conflict("This run was sent: what its bank refuses comes back by itself.")
        await execute_long("UPDATE payout SET state = 'cancelled', ended_at = $2 WHERE run = $1", run, now)
        await PayoutRun.update(
            {
                PayoutRun.state: "cancelled",
                PayoutRun.ended_at: now,
                PayoutRun.cancelled_by: actor.person,
                PayoutRun.cancelled_reason: reason,
            }
        ).where(PayoutRun.id == run)
        await note_action(actor, "cancel_payout_run", run, reason=reason)


async def send(run: uuid.UUID, actor: Actor) -> None:
    """Debit an approved run's money from its payees' balances and release its files for download.

    A second click changes nothing.

    The files are made and checked first. They depend on stored data alone, so every download has the same bytes and
    message id, and a bank that receives a file twice pays once.
    """
    row = await get_run(run)
    if row.state in ("sent", "settled", "failed"):
        return
    if row.state != "approved":
        raise Conflict("A run is sent once a second person has approved it.")
    now = clock.now()
    execute_on = pain001.next_working_day(now.date())
    files, left_out = [], await list_left_out(run)
    if row.route == "sepa":
        await check_decided(run)
        files = [file for file in await write_files(run, await cut(run, now, execute_on)) if file.people]
        if not files:
            raise Conflict("Nobody would be paid: give the run up instead.")
    async with transaction():
        await lock(LOCK)
        if (await get_run(run, locked=True)).state != "approved":
            return
        if await list_left_out(run) != left_out:
            raise Conflict("Somebody has just decided about this run: look at it again, then send it.")
        moved_by = await move_payable(
            "payout",
            "SELECT subscriber, amount_minor FROM payout WHERE run = $1 AND state = 'open'",
            run,
            amount_minor=row.amount_minor,
            people=row.people,
            at=now,
        )
        await record(
            "payout_sent",
            run,
            at=now,
            text="Subscribers' payouts, sent",
            postings=[(SUBSCRIBERS_PAYABLE, SUBSCRIBERS_IN_TRANSIT, row.amount_minor)],
        )
        digest = files[0].file_sha256 if files else None
        await PayoutRun.update(
            {
                PayoutRun.state: "sent",
                PayoutRun.sent_at: now,
                PayoutRun.execute_on: execute_on,
                PayoutRun.file_sha256: digest,
                PayoutRun.moved_by: moved_by,
            }
        ).where(PayoutRun.id == run)
        if files:
            await record_files(run, files)
        if row.route == "stripe":
            await _ask_stripe(run)
        if left_out:
            await recredit({one.id: one.reason for one in left_out}, now)
        about = {"file_sha256": digest, "execute_on": execute_on, "files": len(files)}
        await note_action(actor, "send_payout_run", run, after=about)


async def _ask_stripe(run: uuid.UUID) -> None:
    query = select(TransferToRequest, Payout).where(Payout.run == run).order_by(Payout.id)
    paid = await fetch_rows(TransferToRequest, query)
    transfers = [(one.id, one.stripe_account, one.amount_minor) for one in paid]
    await request_transfers(transfers, group=pain001.message_of(run))


async def record_answer(run: uuid.UUID, data: bytes, actor: Actor | None) -> int:
    """Record the bank's report on one of a run's files (pain.002), once, and return how many payouts it refuses.

    Refused payouts are recredited to their subscribers. A refusal because the file is a duplicate refuses nothing: the
    first file counts. A payout that the bank has already paid is recredited with the bank's money, not by a message.
    """
    report = pain002.read_report(data)
    file = await _file_of(run, report)
    now, digest = clock.now(), pain002.digest(data)
    async with transaction():
        await lock(LOCK)
        await get_run(run, locked=True)
        if await PayoutAnswer.exists().where(PayoutAnswer.file_sha256 == digest):
            return 0
        payouts = await fetch_rows(
            PayoutInBatch, SQL["list_payouts_with_batches"], run, file.first_batch, file.last_batch
        )
        refused = refused_payouts(payouts, report)
        if report.about != (await _file_of(run, report)).message:
            refused = {}  # of a file that was replaced: the replacement pays
        elif is_about_names(report):
            still_open = [payout.id for payout in payouts if payout.state == "open" and payout.id not in refused]
            await note_report({pain001.reference_of(payout): payout for payout in still_open}, report)
        rejected = await recredit(refused, now) if refused else 0
        await PayoutAnswer.insert(
            PayoutAnswer(
                run=run,
                file=file.number,
                message=report.message[:35],
                file_sha256=digest,
                group_status=report.group_status[:4],
                reason=report.group_reason,
                rejected=rejected,
                received_by=actor.person if actor else None,
                received_at=now,
            )
        )
        if not await fetch_scalar(bool, SQL["has_unanswered_file"], run):
            await PayoutRun.update({PayoutRun.answered_at: now}).where(PayoutRun.id == run)
        about = {"status": report.group_status, "rejected": rejected, "file": file.number}
        await note_action(actor, "record_bank_answer", run, after=about)
    return rejected


async def _file_of(run: uuid.UUID, report: pain002.StatusReport) -> FileRow:
    """Return the file of a run that a report is about, also by the message id of a file it replaced.

    Refuse other reports.
    """
    files = await list_files(run)
    if not files:
        raise Conflict("This run has not been sent, so no bank can answer it.")
    about = next((file for file in files if file.is_meant_by(report.about)), None)
    if about is not None:
        return about
    raise Invalid("This report is about another file: {message}.", message=report.about or "–")


async def settle(payouts: Sequence[uuid.UUID], at: dt.datetime) -> int:
    """Record that the bank has paid these open payouts; return how many were open.

    The entry for their money is made with the line of the bank statement.
    """
    async with transaction():
        await lock(LOCK)
        rows = await fetch_rows(RunOfPayout, SETTLED, list(payouts), at)
        await execute(SQL["end_runs"], list({row.run for row in rows}), at)
        lines = await fetch_rows(LineOfPayout, LINES_OF_HOLDERS, [row.id for row in rows])
        await send_each(PAYOUT_SENT, [(line.id, Recipient("line", str(line.subscriber)), {}) for line in lines])
    return len(rows)


async def recredit_returned(returned: Mapping[uuid.UUID, str], at: dt.datetime) -> int:
    """Recredit settled payouts that the subscribers' banks returned, with their reasons; return how many."""
    async with transaction():
        await lock(LOCK)
        rows = await fetch_column(
            uuid.UUID, "SELECT id FROM payout WHERE id = ANY ($1) AND state = 'settled'", list(returned)
        )
        refused = {payout: returned[payout] or NO_REASON for payout in rows}
        if refused:
            await recredit(refused, at)
    return len(refused)


async def follow_transfers() -> int:
    """Settle the payouts that Stripe has transferred; recredit those that it refused or fully reversed."""
    now = clock.now()
    async with transaction():
        await lock(LOCK)
        waiting = Payout.select(Payout.id).where(Payout.state == "open", Payout.stripe_account.is_not_null())
        answered = await list_transfer_states(await fetch_column(uuid.UUID, waiting))
        await settle([one.id for one in answered if one.state == "done"], now)
        if refused := {one.id: REFUSED_BY_STRIPE for one in answered if one.state == "failed"}:
            await recredit(refused, now)
        reversals = await list_reversed_transfers()
        whole = await fetch_column(
            uuid.UUID,
            """SELECT payout.id FROM payout JOIN unnest($1::uuid[], $2::bigint[]) AS given (id, reversed_minor) USING (id)
               WHERE payout.state = 'settled' AND payout.amount_minor = given.reversed_minor""",
            [transfer.id for transfer in reversals],
            [transfer.reversed_minor for transfer in reversals],
        )
        await recredit_returned(dict.fromkeys(whole, RECALLED), now)
    return len(answered) + len(whole)


async def recredit(refused: Mapping[uuid.UUID, str], now: dt.datetime) -> int:
    """Fail payouts, each with its reason, and recredit their balances, in one run and one entry; return how many."""
    payouts, reasons = list(refused), list(refused.values())
    sums = await fetch_row(
        RecreditSums,
        """SELECT count(*) AS people, coalesce(sum(amount_minor), 0)::bigint AS amount_minor, array_agg(DISTINCT run) AS runs
           FROM payout WHERE id = ANY ($1) AND state <> 'failed'""",
        payouts,
    )
    assert sums
    assert sums.people == len(payouts), "what is recredited was neither recredited nor cancelled before"
    moved_by = await move_payable(
        "payout_back",
        "SELECT subscriber, amount_minor FROM payout WHERE id = ANY ($1) AND state <> 'failed'",
        payouts,
        amount_minor=sums.amount_minor,
        people=sums.people,
        at=now,
    )
    refusing = list(pain002.REFUSES_THE_ACCOUNT)
    people = await fetch_scalar(int, SQL["fail_payouts"], payouts, reasons, moved_by, now, refusing)
    assert people == len(payouts)
    lines = await fetch_rows(LineOfPayout, LINES_OF_HOLDERS, payouts)
    for kind, of_names in ((PAYOUT_REFUSED, False), (PAYEE_DIFFERS, True)):
        theirs = [line for line in lines if (refused[line.id] in NAME_DIFFERS) is of_names]
        await send_each(kind, [(line.id, Recipient("line", str(line.subscriber)), {}) for line in theirs])
    await record(
        "payout_back",
        moved_by,
        at=now,
        text="Subscribers' payouts that banks refused or returned",
        postings=[(SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE, sums.amount_minor)],
    )
    await execute(SQL["end_runs"], sums.runs, now)
    return people

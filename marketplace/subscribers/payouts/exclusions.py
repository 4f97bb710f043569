"""Payees who are left out of a run because of a name: a person decides, and the files with them are written again.

If a run was already sent, their money returns to their balances, and each file with them is replaced by one under
another message id, without them. The replaced files, which the bank has not executed because of the names, must not be
authorised. The decision is recorded first, then files are written outside a transaction, by the job if a page would
wait too long; if a process dies in between, the job finishes.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Refusal
from marketplace.core.locks import lock
from marketplace.money.sepa import pain001
from marketplace.people.audit_trail.actions import note_action
from marketplace.subscribers.payouts import rules
from marketplace.subscribers.payouts.actions import LOCK, recredit
from marketplace.subscribers.payouts.bank_file import list_files, record_files, write_files
from marketplace.subscribers.payouts.queries import get_run
from marketplace.subscribers.payouts.tables import Payout, PayoutRun
from marketplace.subscribers.payouts.verification import decide_names, list_left_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor
    from marketplace.subscribers.payouts.bank_file import FileRow
    from marketplace.subscribers.payouts.verification import LeftOut

UNDO: Final = """
    UPDATE payee_check SET decision = NULL, decided_by = NULL, decided_at = NULL
    FROM payout
    WHERE payout.id = payee_check.payout AND payout.run = $1 AND payout.state <> 'failed' AND decision = 'left_out'"""
PAID_ALL_THE_SAME: Final = """
    SELECT EXISTS (SELECT FROM payout JOIN payee_check ON payee_check.payout = payout.id
                   WHERE payout.run = $1 AND payout.state = 'settled' AND decision = 'left_out')"""
BANK_HAS_PAID: Final = "The bank has paid people of this file already: nobody is left out of it any more."


async def decide_about_names(run: uuid.UUID, actor: Actor, *, outcome: str, pay: bool) -> None:
    """Decide about all payees of a run whose name differs in one way: pay them, or leave them out."""
    async with transaction():
        await decide_names(run, actor, outcome=outcome, pay=pay)
        row = await get_run(run, locked=True)
        left_out = await list_left_out(run)
        if row.state != "sent" or not left_out:
            return
        await _files_of(run, left_out)
        await PayoutRun.update({PayoutRun.replace_asked_at: clock.now(), PayoutRun.send_problem: None}).where(
            PayoutRun.id == run
        )
    if row.people <= rules.PAYEES_A_PAGE:
        await _replace(run)


async def replace_asked() -> int:
    """Replace the files that wait for replacement, a part of a job; return the number of runs.

    A refusal is shown with the run.
    """
    waiting = await fetch_column(
        uuid.UUID, PayoutRun.select(PayoutRun.id).where(PayoutRun.replace_asked_at.is_not_null())
    )
    for run in waiting:
        try:
            await _replace(run)
        except Refusal as refusal:
            await PayoutRun.update({PayoutRun.send_problem: str(refusal)}).where(PayoutRun.id == run)
    return len(waiting)


async def _replace(run: uuid.UUID) -> None:
    """Replace the files of a run with payees who are left out; if that is refused, their decision is undone."""
    try:
        while not await _has_replaced(run):
            pass  # somebody decided, or the bank answered, while the files were written
    except Refusal:
        async with transaction():
            await lock(LOCK)
            undone = await execute(UNDO, run)
            await PayoutRun.update({PayoutRun.replace_asked_at: None}).where(PayoutRun.id == run)
            await note_action(None, "undo_payee_names", run, after={"people": undone})
        raise


async def _has_replaced(run: uuid.UUID) -> bool:
    """Write files without the payees who are left out, then record them and return the money.

    False if the payees have changed.
    """
    left_out, now = await list_left_out(run), clock.now()
    if await fetch_scalar(bool, PAID_ALL_THE_SAME, run):
        raise Conflict(BANK_HAS_PAID)
    former = await _files_of(run, left_out)
    execute_on = pain001.next_working_day(now.date())
    files = await write_files(
        run, [replace(file, sequence=file.sequence + 1, made_at=now, execute_on=execute_on) for file in former]
    )
    async with transaction():
        await lock(LOCK)
        row = await get_run(run, locked=True)
        if await list_left_out(run) != left_out or await _files_of(run, left_out) != former:
            return False
        if left_out:
            await recredit({one.id: one.reason for one in left_out}, now)
        if left_out and (await get_run(run)).state == "sent":
            await record_files(run, files)
            first = next((file.file_sha256 for file in await list_files(run) if file.file_sha256), None)
            await PayoutRun.update(
                {
                    PayoutRun.file_sequence: row.file_sequence + 1,
                    PayoutRun.file_sha256: first,
                    PayoutRun.execute_on: execute_on,
                }
            ).where(PayoutRun.id == run)
        await PayoutRun.update({PayoutRun.replace_asked_at: None}).where(PayoutRun.id == run)
    return True


async def _files_of(run: uuid.UUID, left_out: Sequence[LeftOut]) -> list[FileRow]:
    """Return the files with these payees; refuse if one has paid somebody, since its replacement pays them too."""
    batches = {one.batch for one in left_out}
    all_files = await list_files(run)
    files = [file for file in all_files if any(file.first_batch <= batch <= file.last_batch for batch in batches)]
    for file in files:
        its = (Payout.run == run) & (Payout.batch >= file.first_batch) & (Payout.batch <= file.last_batch)
        if await Payout.exists().where(its & (Payout.state == "settled")):
            raise Conflict(BANK_HAS_PAID)
    return files

"""Payees who are left out of a run because of a name: two people decide, and the files with them are written again.

If a run was already sent, their money returns to their balances, and each file with them is replaced by one under
another message id, without them. The replaced files, which the bank has not executed because of the names, must not be
authorised. The decision is recorded first, then files are written outside a transaction, by the job if a page would
wait too long; if a process dies in between, the job finishes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, Refusal
from marketplace.core.locks import lock
from marketplace.core.web.formats import paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.words import Words
from marketplace.money.sepa import pain001
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.rules import Decision, ProposalKind
from marketplace.subscribers.payouts import rules
from marketplace.subscribers.payouts.actions import LOCK, recredit
from marketplace.subscribers.payouts.bank_file import list_files, record_files, write_files
from marketplace.subscribers.payouts.queries import get_run
from marketplace.subscribers.payouts.tables import Payout, PayoutRun
from marketplace.subscribers.payouts.verification import (
    OUTCOMES,
    OUTCOMES_IN_WORDS,
    decide_checks,
    find_undecided,
    list_left_out,
)

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
MOST_PEOPLE: Final = 1_000_000_000
"""More than any run pays."""
BANK_HAS_PAID: Final = "The bank has paid people of this file already: nobody is left out of it any more."


class PayeeNames(Struct, frozen=True):
    """What becomes of the payees of a run whose names differ in one way; `amount_minor` in cents.

    day: when the run was drafted, in Paris.
    """

    run: uuid.UUID
    day: dt.date
    outcome: str
    decision: Literal["pay", "left_out"]
    people: int
    amount_minor: int


async def propose_names(run: uuid.UUID, actor: Actor, *, outcome: str, pay: bool, form_id: uuid.UUID) -> None:
    """Propose to pay all payees of a run whose name differs in one way, or to leave them out; once a form."""
    if outcome not in OUTCOMES:
        raise Invalid("There is no such group of payees.")
    row, group = await get_run(run), await find_undecided(run, outcome)
    decision: Literal["pay", "left_out"] = "pay" if pay else "left_out"
    day = paris_day(row.drafted_at)
    await propose(
        PAYEE_NAMES,
        PayeeNames(run, day, outcome, decision, group.people, group.amount_minor),
        actor,
        form_id=form_id,
    )


async def _check(document: PayeeNames) -> None:
    """Refuse what is about a run that is over, or about other payees by now; the run is locked."""
    await lock(LOCK)
    row = await get_run(document.run, locked=True)
    if row.state not in ("draft", "approved", "sent"):
        raise Conflict("This run is over: its names are decided about no more.")
    group = await find_undecided(document.run, document.outcome)
    if (group.people, group.amount_minor) != (document.people, document.amount_minor):
        raise Conflict("It is about another amount by now: refuse it, and propose it again.")


async def _decide(document: PayeeNames, decision: Decision) -> None:
    """Write the decision; files of a run that was sent are written again without those who are left out."""
    await decide_checks(document.run, document.outcome, document.decision, decision.actor.person, decision.at)
    left_out = await list_left_out(document.run)
    if (await get_run(document.run)).state != "sent" or not left_out:
        return
    await _files_of(document.run, left_out)
    await PayoutRun.update({PayoutRun.replace_asked_at: decision.at, PayoutRun.send_problem: None}).where(
        PayoutRun.id == document.run
    )


async def _replace_small() -> None:
    """Replace at once the files that a page can wait for; a job replaces the others."""
    await replace_asked(rules.PAYEES_A_PAGE)


def _facts(document: PayeeNames) -> list[tuple[str, str]]:
    decision = gettext("Pay anyway") if document.decision == "pay" else gettext("Leave out")
    return [
        (gettext("The bank says"), gettext(OUTCOMES_IN_WORDS[document.outcome])),
        (gettext("Decision"), decision),
        (gettext("People"), str(document.people)),
    ]


PAYEE_NAMES: Final = ProposalKind(
    code="payee_names",
    document=PayeeNames,
    words=Words("Names on accounts to decide"),
    path="/finance/payout-runs/{run}",
    refusal="A proposal about that waits already.",
    check=_check,
    apply=_decide,
    subject="{run} {outcome}",
    reference="{day}",
    about="{run}",
    facts=_facts,
    noted={"outcome": "outcome", "decision": "decision", "people": "people"},
    afterwards=_replace_small,
)


async def replace_asked(most_people: int = MOST_PEOPLE) -> int:
    """Replace the files that wait for replacement, of runs with at most so many people; return the number of runs.

    A refusal is shown with the run.
    """
    asked = PayoutRun.replace_asked_at.is_not_null() & (PayoutRun.people <= most_people)
    waiting = await fetch_column(uuid.UUID, PayoutRun.select(PayoutRun.id).where(asked))
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

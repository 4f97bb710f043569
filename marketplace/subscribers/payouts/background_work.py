"""Requests that take too long for a page: a page stores the request, a job carries it out.

For up to `rules.PAYEES_A_PAGE` payees it is done at once. For more, the request is stored with its person and time; the
job acts as that person, and a refusal is shown on the page.
"""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Refusal, existing
from marketplace.core.locks import exclusive, lock
from marketplace.core.progress import saved_progress
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.actors import Actor
from marketplace.subscribers.payouts import rules
from marketplace.subscribers.payouts.actions import draft, keep_shared_accounts, send
from marketplace.subscribers.payouts.bank_file import payer_iban
from marketplace.subscribers.payouts.exclusions import replace_asked
from marketplace.subscribers.payouts.queries import RunStateRow, find_unsent, get_run
from marketplace.subscribers.payouts.tables import DraftRequest, PayoutRun
from marketplace.subscribers.payouts.verification import check_decided

if TYPE_CHECKING:
    from marketplace.core.database import Values

NOBODY_DUE: Final = "Nobody is due a payout just now."
PAYABLE: Final = {
    "sepa": "SELECT count(*) FROM (SELECT FROM bank_details WHERE ended_at IS NULL LIMIT $1) AS payable",
    "stripe": "SELECT count(*) FROM (SELECT FROM payout_choice WHERE stripe_account IS NOT NULL LIMIT $1) AS payable",
}
"""Route → how many could be paid by it, due or not; at most $1 are counted."""


class DraftRequestRow(Struct, frozen=True):
    """A requested draft: its progress in millionths, or why it failed."""

    id: int
    route: str
    asked_by: uuid.UUID
    asked_at: dt.datetime
    share_micro: int
    problem: str
    ended_at: dt.datetime | None


async def is_long(route: str) -> bool:
    """Return whether finding everyone due by a route may take longer than a page may."""
    people = await fetch_scalar(int, PAYABLE[route], rules.PAYEES_A_PAGE + 1)
    return (people or 0) > rules.PAYEES_A_PAGE


async def ask_to_draft(actor: Actor, *, route: str) -> uuid.UUID | None:
    """Draft a run and return it or, if that takes longer than a page may, leave the draft to the next job.

    A second request changes nothing.
    """
    if route not in PAYABLE or not await is_long(route):
        return existing(await draft(actor, route=route), Conflict(NOBODY_DUE))
    if await find_unsent(route):
        raise Conflict("A run is already drafted; approve, send or cancel it first.")
    async with transaction():
        await lock("ask for payout drafts")
        if not await DraftRequest.exists().where(DraftRequest.route == route, DraftRequest.ended_at.is_null()):
            await DraftRequest.insert(DraftRequest(route=route, asked_by=actor.person, asked_at=clock.now()))
            await note_action(actor, "ask_to_draft_payout_run", route)
    return None


async def find_draft_request(route: str) -> DraftRequestRow | None:
    """Return the latest draft requested for a route, unless it made a run."""
    latest = select(DraftRequestRow, DraftRequest).where(DraftRequest.route == route, DraftRequest.run.is_null())
    return await fetch_row(DraftRequestRow, latest.order_by(DraftRequest.id, ascending=False).limit(1))


async def _draft_asked() -> int:
    """Make the requested drafts; return how many requests ended."""
    waiting = select(DraftRequestRow, DraftRequest).where(DraftRequest.ended_at.is_null()).order_by(DraftRequest.id)
    requests = await fetch_rows(DraftRequestRow, waiting)
    for request in requests:
        try:
            async with saved_progress(partial(_save_progress, request.id)) as report:
                by = Actor(name="", person=request.asked_by, role="finance")
                run = await draft(by, route=request.route, progress=report)
                if run:
                    await keep_shared_accounts(run)
            ended: Values = {DraftRequest.run: run, DraftRequest.problem: "" if run else NOBODY_DUE}
        except Refusal as refusal:
            ended = {DraftRequest.problem: str(refusal)}
        await DraftRequest.update(ended | {DraftRequest.ended_at: clock.now()}).where(DraftRequest.id == request.id)
    return len(requests)


async def _save_progress(request: int, _step: str, share: float) -> None:
    progress: Values = {DraftRequest.share_micro: round(share * 1_000_000)}
    await DraftRequest.update(progress).where(DraftRequest.id == request)


async def ask_to_send(run: uuid.UUID, actor: Actor) -> None:
    """Send a run, now or, if its files take longer than a page may, by the next job; a second click changes nothing."""
    row = await get_run(run)
    if row.people <= rules.PAYEES_A_PAGE or row.state != "approved":
        await send(run, actor)
        return
    if row.route == "sepa":
        payer_iban()
        await check_decided(run)
    async with transaction():
        row = await get_run(run, locked=True)
        if row.state == "approved" and row.send_asked_at is None:
            await PayoutRun.update(
                {
                    PayoutRun.send_asked_by: actor.person,
                    PayoutRun.send_asked_at: clock.now(),
                    PayoutRun.send_problem: None,
                }
            ).where(PayoutRun.id == run)
            await note_action(actor, "ask_to_send_payout_run", run)


async def do_asked() -> int:
    """Carry out the requests, a job; return how many were carried out.

    A refusal is shown on the page of the request.
    """
    return await _send_asked() + await replace_asked() + await _draft_asked()


async def _send_asked() -> int:
    """Send the requested runs, as the person who asked; return how many."""
    asked = select(RunStateRow, PayoutRun).where(PayoutRun.state == "approved", PayoutRun.send_asked_at.is_not_null())
    sent = 0
    for row in await fetch_rows(RunStateRow, asked):
        async with exclusive(f"send payout run {row.id}"):
            try:
                await send(row.id, Actor(name="", person=row.send_asked_by, role="finance"))
                sent += 1
            except Refusal as refusal:
                await PayoutRun.update(
                    {
                        PayoutRun.send_asked_by: None,
                        PayoutRun.send_asked_at: None,
                        PayoutRun.send_problem: str(refusal),
                    }
                ).where((PayoutRun.id == row.id) & (PayoutRun.state == "approved"))
    return sent

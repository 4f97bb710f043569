"""Finance's pages of payout runs: in this package, below finance, because only this package knows what they show."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated

from litestar import get, post
from litestar.datastructures import UploadFile  # noqa: TC002 (Litestar reads a form's annotations)
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Stream, Template
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.buttons import Explained  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import PageNumber, page, see
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text
from marketplace.money.payments.balance import read_available
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.identity.likeness import signs_of_one_human
from marketplace.people.proposals.queries import find_waiting, signs_of_proposers
from marketplace.subscribers.payouts import actions, background_work, exclusions, rules, verification
from marketplace.subscribers.payouts.bank_file import latest_answer, list_files, open_file
from marketplace.subscribers.payouts.exclusions import PAYEE_NAMES
from marketplace.subscribers.payouts.queries import (
    count_due,
    find_unsent,
    get_run,
    get_run_page,
    list_run_payouts,
    list_runs,
)
from marketplace.subscribers.payouts.rules import in_words, next_draft_after

Filled = Body(media_type=RequestEncodingType.URL_ENCODED)
LARGEST_ANSWER_BYTES = 20_000_000
DIFFERING_SHOWN = 50
ROUTES_OF_RUNS = ("sepa", "stripe")


class NamesForm(Struct):
    """What is proposed about payees whose name differs in one way: `pay`; anything else leaves them out."""

    outcome: str
    decision: str
    form_id: uuid.UUID


class RouteForm(Struct):
    """How a run pays: sepa or stripe."""

    route: str = "sepa"


@dataclass
class AnswerForm:
    """The bank's file about a run."""

    file: UploadFile


@get("/finance/payout-runs", guards=READERS, opt=expect("finance", "auditor"))
async def payout_runs(
    request: ActorRequest, page_number: PageNumber = 1, which: Text = "", sort: Text = ""
) -> Template:
    """Show what is due now and every payout run."""
    is_long = {route: await background_work.is_long(route) for route in ROUTES_OF_RUNS}
    return page(
        "payouts/payout_runs.html",
        due=None if any(is_long.values()) else await count_due(clock.now()),
        asked={route: await background_work.find_draft_request(route) for route in ROUTES_OF_RUNS},
        runs=await list_runs(page_number, which, sort),
        which=which,
        sort=sort,
        unsent={route: await find_unsent(route) for route in ROUTES_OF_RUNS},
        may_act=request.user.role == "finance",
        next_draft_at=next_draft_after(clock.now(), settings().payouts_every_seconds),
    )


@post("/finance/payout-runs", guards=CLERKS, opt=expect("finance"), status_code=303)
async def draft_payout_run(request: ActorRequest, data: Annotated[RouteForm, Filled]) -> Redirect:
    """Draft a run for everyone who is due, or leave it to a job."""
    run = await background_work.ask_to_draft(request.user, route=data.route)
    return see(f"/finance/payout-runs/{run}" if run else "/finance/payout-runs")


@get("/finance/payout-runs/{run:uuid}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def payout_run(
    request: ActorRequest,
    run: FromPath[uuid.UUID],
    shown: Annotated[str, QueryParameter(name="state", max_length=20)] = "",
    page_number: PageNumber = 1,
    sort: Text = "",
) -> Template:
    """Show one run by its sums, its payouts, the bank's answers, and what this person may do with it now."""
    found = await get_run_page(run)
    files = await list_files(run) if found.run.sent_at else []
    waiting = [await find_waiting("payee_names", f"{run} {outcome}") for outcome in verification.OUTCOMES]
    proposals = {outcome: row for outcome, row in zip(verification.OUTCOMES, waiting, strict=True) if row}
    is_at_stripe = found.run.route == "stripe" and found.run.state in ("draft", "approved", "sent")
    return page(
        "payouts/payout_run.html",
        found=found,
        run=found.run,
        spread=[(f"≥ {formats.money(bound)}", people) for bound, people in found.spread],
        payouts=await list_run_payouts(run, page_number, shown, sort),
        sort=sort,
        state=shown,
        may_act=request.user.role == "finance",
        me=request.user.person,
        signs=await signs_of_one_human(request.user.person, found.run.prepared_by),
        is_at_stripe=is_at_stripe,
        available=await read_available() if is_at_stripe else None,
        reason_in_words=in_words,
        groups=await verification.list_groups(run),
        outcomes=verification.OUTCOMES_IN_WORDS,
        proposals=proposals,
        facts_of=lambda row: PAYEE_NAMES.facts(PAYEE_NAMES.read(row.document)),
        signs_of=await signs_of_proposers(request.user.person, proposals.values()),
        differing=await verification.list_differing(run, DIFFERING_SHOWN, sort),
        may_verify=bool(settings().vop_url) and found.run.route == "sepa" and found.run.state in ("draft", "approved"),
        files=files,
        answered={file.number: latest_answer(file, found.answers) for file in files},
        is_sent_by_job=found.run.people > rules.PAYEES_A_PAGE,
    )


@post("/finance/payout-runs/{run:uuid}/prepare", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def prepare_payout_run(request: ActorRequest, run: FromPath[uuid.UUID]) -> Redirect:
    """Confirm the clock's draft as the first person."""
    await actions.prepare(run, request.user)
    return see(f"/finance/payout-runs/{run}")


@post(
    "/finance/payout-runs/{run:uuid}/approve",
    guards=[*CLERKS, recently_proved],
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def approve_payout_run(request: ActorRequest, run: FromPath[uuid.UUID], data: Explained) -> Redirect:
    """Approve a run as the second person."""
    await actions.approve(run, request.user, reason=data.reason)
    return see(f"/finance/payout-runs/{run}")


@post("/finance/payout-runs/{run:uuid}/cancel", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def cancel_payout_run(request: ActorRequest, run: FromPath[uuid.UUID], data: Explained) -> Redirect:
    """Cancel a run before it is sent."""
    await actions.cancel(run, request.user, reason=data.reason)
    return see(f"/finance/payout-runs/{run}")


@post(
    "/finance/payout-runs/{run:uuid}/send",
    guards=[*CLERKS, recently_proved],
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def send_payout_run(request: ActorRequest, run: FromPath[uuid.UUID]) -> Redirect:
    """Debit an approved run's money from the balances and release its files for download."""
    await background_work.ask_to_send(run, request.user)
    return see(f"/finance/payout-runs/{run}")


@get("/finance/payout-runs/{run:uuid}/download", guards=[*CLERKS, recently_proved], opt=expect("finance", stranger=200))
async def download_payout_run(
    request: ActorRequest,
    run: FromPath[uuid.UUID],
    number: Annotated[int, QueryParameter(name="file", ge=1, le=1_000_000)] = 1,
) -> Stream:
    """Return a sent run's file, the same bytes each time, and record who fetched it, because it names people."""
    pieces = await open_file(run, number)
    await note_action(request.user, "fetch_payout_file", run, after={"file": number})
    name = f"payouts-{formats.paris_day((await get_run(run)).send_asked_at or clock.now())}-{run.hex[:8]}-{number}.xml"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces, media_type="application/xml", headers=headers)


@post(
    "/finance/payout-runs/{run:uuid}/answer",
    guards=CLERKS,
    opt=expect("finance", stranger=200),
    status_code=303,
    request_max_body_size=LARGEST_ANSWER_BYTES,
)
async def record_payout_answer(
    request: ActorRequest,
    run: FromPath[uuid.UUID],
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> Redirect:
    """Record the bank's report on a run (pain.002)."""
    await actions.record_answer(run, await data.file.read(), request.user)
    return see(f"/finance/payout-runs/{run}")


@post("/finance/payout-runs/{run:uuid}/verify", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def verify_payees(request: ActorRequest, run: FromPath[uuid.UUID]) -> Redirect:
    """Ask our bank to verify the payees of a run."""
    await verification.verify(run, request.user)
    return see(f"/finance/payout-runs/{run}")


@post(
    "/finance/payout-runs/{run:uuid}/names",
    guards=[*CLERKS, recently_proved],
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def propose_names(
    request: ActorRequest, run: FromPath[uuid.UUID], data: Annotated[NamesForm, Filled]
) -> Redirect:
    """Propose to pay all payees whose name differs in one way, or to leave them out."""
    pay = data.decision == "pay"
    await exclusions.propose_names(run, request.user, outcome=data.outcome, pay=pay, form_id=data.form_id)
    return see(f"/finance/payout-runs/{run}")


ROUTES = [
    verify_payees,
    propose_names,
    payout_runs,
    draft_payout_run,
    payout_run,
    prepare_payout_run,
    approve_payout_run,
    cancel_payout_run,
    send_payout_run,
    download_payout_run,
    record_payout_answer,
]

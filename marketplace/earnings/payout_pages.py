"""Pages of being paid: the subscriber's payouts and bank details, and finance's payout runs.

Finance's pages are here, below finance, because they show what only this slice knows.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import UploadFile  # noqa: TC002 (Litestar reads a form's annotations)
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Stream, Template
from msgspec import Struct

from marketplace import clock
from marketplace.earnings import bank_details, payout_queries, payouts
from marketplace.earnings.payout_file import open_file
from marketplace.earnings.queries import get_balance
from marketplace.errors import Conflict, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.audit_trail import note_action
from marketplace.identity.guards import staff, subscriber
from marketplace.settings import settings
from marketplace.web import formats
from marketplace.web.i18n import gettext
from marketplace.web.pages import page, see, url

Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Asked = Request[Actor, Any, Any]
READERS = [staff("finance", "auditor")]
CLERKS = [staff("finance")]
LARGEST_ANSWER_BYTES = 20_000_000


class DetailsForm(Struct):
    """Where a subscriber wants their money."""

    holder: str
    iban: str
    form_id: uuid.UUID


class ThresholdForm(Struct):
    """From how many euros a subscriber wants to be paid."""

    euros: str


class ReasonForm(Struct):
    """Why a run is approved or given up."""

    reason: str


class RouteForm(Struct):
    """How a run pays: sepa or stripe."""

    route: str = "sepa"


@dataclass
class AnswerForm:
    """The bank's file about a run."""

    file: UploadFile


Filled = Body(media_type=RequestEncodingType.URL_ENCODED)


def _line(request: Asked) -> int:
    """Return the reference of the line behind the subscriber who asks."""
    reference = request.user.subscriber
    assert reference is not None, "the guard lets subscribers in only"
    return reference


# ------------------------------------------------------------------ being paid
@get("/earnings/payouts", guards=[subscriber])
async def my_payouts(request: Asked, page_number: Page = 1) -> Template:
    """Show a subscriber how far the next payout is, where it goes, and every one before."""
    return await _my_payouts(_line(request), page_number)


async def _my_payouts(line: int, page_number: int = 1, **again: Any) -> Template:  # noqa: ANN401 (whatever a template shows)
    balance = await get_balance(line, [])
    context: dict[str, Any] = {
        "error": "",
        "euros": "",
        "balance": balance,
        "outlook": await payout_queries.get_outlook(line, balance.payable_micro, clock.now()),
        "payouts": await payout_queries.list_payouts(line, page_number),
        "now": clock.now(),
    }
    return page("earnings/payouts.html", **context | again)


@post("/earnings/payouts/threshold", guards=[subscriber], status_code=303)
async def choose_threshold(request: Asked, data: Annotated[ThresholdForm, Filled]) -> Redirect | Template:
    """Have a subscriber paid from the amount they chose."""
    try:
        await bank_details.choose_threshold(_line(request), formats.read_cents(data.euros, field="euros"))
    except Refusal as refusal:
        return await _my_payouts(_line(request), **_wrong(refusal), euros=data.euros[:20])
    return see("/earnings/payouts")


def _wrong(refusal: Refusal) -> dict[str, Any]:
    """Return what a form shown again says of itself."""
    return {"status_code": refusal.status, "error": gettext(refusal.sentence).format(**refusal.fields)}


@get("/earnings/bank-details", guards=[subscriber])
async def my_bank_details(request: Asked) -> Template:
    """Show what is ever shown of a subscriber's bank details, and the form to write others."""
    return await _my_bank_details(_line(request))


async def _my_bank_details(line: int, **again: Any) -> Template:  # noqa: ANN401 (whatever a template shows)
    context: dict[str, Any] = {
        "error": "",
        "holder": "",
        "iban": "",
        "now": clock.now(),
        "in_words": payout_queries.in_words,
        "details": await payout_queries.list_details(line),
    }
    return page("earnings/bank_details.html", **context | again)


@post("/earnings/bank-details", guards=[subscriber], status_code=303)
async def write_bank_details(request: Asked, data: Annotated[DetailsForm, Filled]) -> Redirect | Template:
    """Have a subscriber's payouts go to another account."""
    line = _line(request)
    try:
        await bank_details.write_details(line, holder=data.holder, iban=data.iban, details=data.form_id)
    except Refusal as refusal:
        return await _my_bank_details(line, holder=data.holder[:100], iban=data.iban[:60], **_wrong(refusal))
    return see("/earnings/bank-details")


@post("/earnings/bank-details/remove", guards=[subscriber], status_code=303)
async def remove_bank_details(request: Asked) -> Redirect:
    """Take a subscriber's bank details away."""
    await bank_details.remove_details(_line(request))
    return see("/earnings/bank-details")


@post("/earnings/stripe", guards=[subscriber], status_code=200)
async def begin_at_stripe(request: Asked) -> Template:
    """Lead a subscriber to Stripe, which asks who they are; a link, for no form may lead off the site."""
    back = f"{settings().url}{url('/earnings/stripe')}"
    return page("earnings/stripe.html", address=await bank_details.begin_at_stripe(_line(request), return_url=back))


@get("/earnings/stripe", guards=[subscriber])
async def back_from_stripe(request: Asked) -> Redirect | Template:
    """Take a subscriber back from Stripe: paid there from now on, unless something is missing."""
    if await bank_details.choose_stripe(_line(request)):
        return see("/earnings/payouts")
    return page("earnings/stripe.html", address="")


@post("/earnings/stripe/leave", guards=[subscriber], status_code=303)
async def leave_stripe(request: Asked) -> Redirect:
    """Have a subscriber paid by bank transfer again."""
    await bank_details.leave_stripe(_line(request))
    return see("/earnings/payouts")


# ------------------------------------------------------------------ finance's payout runs
@get("/finance/payout-runs", guards=READERS)
async def payout_runs(request: Asked, page_number: Page = 1) -> Template:
    """Show what is due now and every payout run."""
    return page(
        "earnings/payout_runs.html",
        due=await payout_queries.count_due(clock.now()),
        runs=await payout_queries.list_runs(page_number),
        unsent={route: await payouts.find_unsent(route) for route in ("sepa", "stripe")},
        may_act=request.user.role == "finance",
        next_draft_at=payout_queries.next_draft_after(clock.now(), settings().payouts_every_seconds),
    )


@post("/finance/payout-runs", guards=CLERKS, status_code=303)
async def draft_payout_run(request: Asked, data: Annotated[RouteForm, Filled]) -> Redirect:
    """Draft a run for everyone who is due."""
    run = await payouts.draft(request.user, route=data.route)
    if run is None:
        raise Conflict("Nobody is due a payout just now.")
    return see(f"/finance/payout-runs/{run}")


@get("/finance/payout-runs/{run:uuid}", guards=READERS)
async def payout_run(
    request: Asked,
    run: FromPath[uuid.UUID],
    shown: Annotated[str, QueryParameter(name="state", max_length=20)] = "",
    page_number: Page = 1,
) -> Template:
    """Show one run by its sums, its payouts, what the bank said, and whatever this person may do with it now."""
    found = await payout_queries.get_run_page(run)
    return page(
        "earnings/payout_run.html",
        run=found,
        spread=[(f"≥ {formats.money(bound)}", people) for bound, people in found["spread"]],
        payouts=await payout_queries.list_run_payouts(run, page_number, shown),
        state=shown,
        may_act=request.user.role == "finance",
        me=request.user.person,
        in_words=payout_queries.in_words,
    )


@post("/finance/payout-runs/{run:uuid}/prepare", guards=CLERKS, status_code=303)
async def prepare_payout_run(request: Asked, run: FromPath[uuid.UUID]) -> Redirect:
    """Be the first pair of eyes on the clock's draft."""
    await payouts.prepare(run, request.user)
    return see(f"/finance/payout-runs/{run}")


@post("/finance/payout-runs/{run:uuid}/approve", guards=CLERKS, status_code=303)
async def approve_payout_run(request: Asked, run: FromPath[uuid.UUID], data: Annotated[ReasonForm, Filled]) -> Redirect:
    """Approve a run as the second person."""
    await payouts.approve(run, request.user, reason=data.reason)
    return see(f"/finance/payout-runs/{run}")


@post("/finance/payout-runs/{run:uuid}/cancel", guards=CLERKS, status_code=303)
async def cancel_payout_run(request: Asked, run: FromPath[uuid.UUID], data: Annotated[ReasonForm, Filled]) -> Redirect:
    """Give a run up before it is sent."""
    await payouts.cancel(run, request.user, reason=data.reason)
    return see(f"/finance/payout-runs/{run}")


@post("/finance/payout-runs/{run:uuid}/send", guards=CLERKS, status_code=303)
async def send_payout_run(request: Asked, run: FromPath[uuid.UUID]) -> Redirect:
    """Take an approved run's money out of the balances; its file can be fetched from then on."""
    await payouts.send(run, request.user)
    return see(f"/finance/payout-runs/{run}")


@get("/finance/payout-runs/{run:uuid}/download", guards=CLERKS)
async def download_payout_run(request: Asked, run: FromPath[uuid.UUID]) -> Stream:
    """Hand out a sent run's pain.001, the same bytes each time, and note who fetched it: it names people."""
    pieces = await open_file(run)
    await note_action(request.user, "fetch_payout_file", run)
    headers = {"content-disposition": f'attachment; filename="payout-run-{run}.xml"', "cache-control": "no-store"}
    return Stream(pieces, media_type="application/xml", headers=headers)


@post(
    "/finance/payout-runs/{run:uuid}/answer", guards=CLERKS, status_code=303, request_max_body_size=LARGEST_ANSWER_BYTES
)
async def take_payout_answer(
    request: Asked,
    run: FromPath[uuid.UUID],
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> Redirect:
    """Take what the bank says of a run (pain.002)."""
    await payouts.take_answer(run, await data.file.read(), request.user)
    return see(f"/finance/payout-runs/{run}")


ROUTES = [
    my_payouts, choose_threshold, my_bank_details, write_bank_details, remove_bank_details, begin_at_stripe,
    back_from_stripe, leave_stripe, payout_runs,
    draft_payout_run, payout_run, prepare_payout_run, approve_payout_run, cancel_payout_run, send_payout_run,
    download_payout_run, take_payout_answer,
]  # fmt: skip

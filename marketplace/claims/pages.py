"""Pages of claims: a partner files one and reads what became of it; staff propose and decide."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.claims import actions, queries, rules
from marketplace.errors import Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, staff
from marketplace.purchases.queries import get_order
from marketplace.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.formats import read_cents
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]
READERS, DECIDERS = [staff("finance", "steward", "auditor")], [staff("finance", "steward")]


class ClaimForm(Struct):
    """What a partner says is wrong."""

    form_id: uuid.UUID
    reason: str = ""
    evidence: str = ""


class ProposalForm(Struct):
    """How a person of the staff would decide a claim."""

    form_id: uuid.UUID
    claim: uuid.UUID | None = None
    proposal: str = ""
    amount: str = ""
    answer: str = ""


class DecisionForm(Struct):
    """Whether a second person agrees."""

    form_id: uuid.UUID
    claim: uuid.UUID | None = None
    decision: str = ""


@get("/orders/{order:uuid}/claim", guards=[partner], opt=expect("partner", stranger=404))
async def show(request: Asked, order: FromPath[uuid.UUID]) -> Template:
    """Show what was claimed about an order, and a form while there is time."""
    return page("claims/claim.html", form={}, error="", **await _shown(request, order))


@post("/orders/{order:uuid}/claim", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def file_claim(
    request: Asked,
    order: FromPath[uuid.UUID],
    data: Annotated[ClaimForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Claim that something is wrong with a purchase."""
    shown = await _shown(request, order)
    assert request.user.partner
    try:
        await actions.file_claim(request.user.partner, order, data.reason, data.evidence, claim=data.form_id)
    except Refusal as refusal:
        written = {"reason": data.reason[:40], "evidence": data.evidence[: rules.LONGEST_EVIDENCE]}
        return again("claims/claim.html", refusal, form=written, **shown)
    return see(f"/orders/{order}/claim")


@post("/orders/{order:uuid}/claim/withdraw", guards=[partner], opt=expect("partner", stranger=404))
async def withdraw(
    request: Asked,
    order: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Withdraw the open claim."""
    del data
    assert request.user.partner
    await actions.withdraw_claim(request.user.partner, order)
    return see(f"/orders/{order}/claim")


async def _shown(request: Asked, order: uuid.UUID) -> dict[str, Any]:
    assert request.user.partner
    row = await get_order(request.user.partner, order)
    claims, now = await queries.list_claims_of(order), clock.now()
    until = rules.claim_until(row.paid_at) if row.paid_at else None
    may_file = row.state == "paid" and not (row.cancelled_at or row.revoked_at) and until is not None and now < until
    is_open = any(not one.outcome for one in claims)
    return {"order": row, "claims": claims, "until": until, "may_file": may_file and not is_open, "is_open": is_open}


@get("/staff/claims", guards=READERS, opt=expect("finance", "steward", "auditor"))
async def list_claims(request: Asked, number: Page = 1) -> Template:
    """List all claims, the open ones first."""
    return page("claims/all.html", form={}, error="", **await _listed(request, number))


@post("/staff/claims/propose", guards=DECIDERS, opt=expect("finance", "steward"), status_code=200)
async def propose(
    request: Asked, data: Annotated[ProposalForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Propose how to decide a claim; what was wrong is said at its field, and nothing that was written is lost."""
    try:
        amount = read_cents(data.amount, field="amount") if data.proposal == "refund" else None
        claim = data.claim or uuid.UUID(int=0)
        await actions.propose(request.user, claim, data.proposal, data.answer, refund_minor=amount)
    except Refusal as refusal:
        written = {name: getattr(data, name)[: rules.LONGEST_ANSWER] for name in ("proposal", "amount", "answer")}
        shown = await _listed(request, 1)
        return again("claims/all.html", refusal, form=written | {"claim": data.claim}, **shown)
    return see("/staff/claims")


@post("/staff/claims/decide", guards=DECIDERS, opt=expect("finance", "steward"))
async def decide(
    request: Asked, data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Agree to what another person proposed, or send it back."""
    await actions.decide(request.user, data.claim or uuid.UUID(int=0), agree=data.decision == "agree")
    return see("/staff/claims")


async def _listed(request: Asked, number: int) -> dict[str, Any]:
    return {
        "claims": await queries.list_claims(number),
        "me": request.user.person,
        "may_act": request.user.role in {"finance", "steward"},
    }


ROUTES = [show, file_claim, withdraw, list_claims, propose, decide]

"""Pages of claims: a partner files one and reads the result; staff propose and decide."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import read_cents
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, partner, recently_proved, staff
from marketplace.sales.orders import claim_actions, claim_queries, claim_rules
from marketplace.sales.orders.queries import get_order

READERS, DECIDERS = [staff("finance", "steward", "auditor")], [staff("finance", "steward"), recently_proved]


class ClaimForm(Struct):
    """A partner's claim."""

    form_id: uuid.UUID
    reason: str = ""
    evidence: str = ""


class ProposalForm(Struct):
    """A proposed decision of a claim."""

    form_id: uuid.UUID
    claim: uuid.UUID | None = None
    proposal: str = ""
    amount: str = ""
    answer: str = ""


class DecisionForm(Struct):
    """Whether a second person agrees to the decision with that hash."""

    form_id: uuid.UUID
    claim: uuid.UUID | None = None
    decision: str = ""
    sha256: str = ""


@get("/orders/{order:uuid}/claim", guards=[partner], opt=expect("partner", stranger=404))
async def show(request: ActorRequest, order: FromPath[uuid.UUID]) -> Template:
    """Show the claims about an order, and a form while there is time."""
    return page("orders/claim.html", form={}, error="", **await _shown(request, order))


@post("/orders/{order:uuid}/claim", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def file_claim(
    request: ActorRequest,
    order: FromPath[uuid.UUID],
    data: Annotated[ClaimForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Claim that something is wrong with a purchase."""
    shown = await _shown(request, order)
    assert request.user.partner
    try:
        await claim_actions.file_claim(request.user.partner, order, data.reason, data.evidence, claim=data.form_id)
    except Refusal as refusal:
        written = {"reason": data.reason[:40], "evidence": data.evidence[: claim_rules.LONGEST_EVIDENCE]}
        return again("orders/claim.html", refusal, form=written, **shown)
    return see(f"/orders/{order}/claim")


@post("/orders/{order:uuid}/claim/withdraw", guards=[partner], opt=expect("partner", stranger=404))
async def withdraw(
    request: ActorRequest,
    order: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Withdraw the open claim."""
    del data
    assert request.user.partner
    await claim_actions.withdraw_claim(request.user.partner, order)
    return see(f"/orders/{order}/claim")


async def _shown(request: ActorRequest, order: uuid.UUID) -> dict[str, Any]:
    assert request.user.partner
    row = await get_order(request.user.partner, order)
    claims, now = await claim_queries.list_claims_of(order), clock.now()
    until = claim_rules.claim_until(row.paid_at) if row.paid_at else None
    may_file = row.state == "paid" and not (row.cancelled_at or row.revoked_at) and until is not None and now < until
    is_open = any(not one.outcome for one in claims)
    return {"order": row, "claims": claims, "until": until, "may_file": may_file and not is_open, "is_open": is_open}


@get("/staff/claims", guards=READERS, opt=expect("finance", "steward", "auditor"))
async def list_claims(request: ActorRequest, number: PageNumber = 1) -> Template:
    """List all claims, the open ones first."""
    return page("orders/claims.html", form={}, error="", **await _listed(request, number))


@post("/staff/claims/propose", guards=DECIDERS, opt=expect("finance", "steward"), status_code=200)
async def propose(
    request: ActorRequest, data: Annotated[ProposalForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Propose a decision of a claim; a mistake is shown at its field, and the typed values stay."""
    try:
        amount = read_cents(data.amount, field="amount") if data.proposal == "refund" else None
        claim = data.claim or uuid.UUID(int=0)
        await claim_actions.propose(request.user, claim, data.proposal, data.answer, refund_minor=amount)
    except Refusal as refusal:
        written = {name: getattr(data, name)[: claim_rules.LONGEST_ANSWER] for name in ("proposal", "amount", "answer")}
        shown = await _listed(request, 1)
        return again("orders/claims.html", refusal, form=written | {"claim": data.claim}, **shown)
    return see("/staff/claims")


@post("/staff/claims/decide", guards=DECIDERS, opt=expect("finance", "steward"))
async def decide(
    request: ActorRequest, data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Agree to another person's proposal, or send it back."""
    claim, agree = data.claim or uuid.UUID(int=0), data.decision == "agree"
    await claim_actions.decide(request.user, claim, sha256=data.sha256, agree=agree)
    return see("/staff/claims")


async def _listed(request: ActorRequest, number: int) -> dict[str, Any]:
    return {
        "claims": await claim_queries.list_claims(number),
        "me": request.user.person,
        "may_act": request.user.role in {"finance", "steward"},
    }


ROUTES = [show, file_claim, withdraw, list_claims, propose, decide]

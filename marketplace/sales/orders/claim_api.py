"""Claims for a partner's programs: report that something is wrong with a purchase, read the result, withdraw it."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Literal

from litestar import get, post
from litestar.params import FromPath, JSONBody  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.sales.orders import claim_actions, claim_queries, claim_rules
from marketplace.sales.orders.api import IdempotencyKey, once
from marketplace.sales.orders.claim_queries import ClaimOfOrder
from marketplace.sales.orders.queries import get_order


class ClaimRequest(Struct, forbid_unknown_fields=True):
    """What is wrong, and the evidence."""

    reason: Literal["not_as_described", "incomplete", "wrong_figures", "unreadable"]
    evidence: Annotated[str, Meta(min_length=claim_rules.SHORTEST, max_length=claim_rules.LONGEST_EVIDENCE)]


class Claims(Struct):
    """What was claimed about an order, the latest first; the outcome is empty while it is looked at."""

    claims: list[ClaimOfOrder]


@get(
    "/api/v1/orders/{order:uuid}/claims",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def list_claims(request: ActorRequest, order: FromPath[uuid.UUID]) -> Claims:
    """List what was claimed about one of the partner's orders, and what became of it."""
    return await _claims(request, order)


@post(
    "/api/v1/orders/{order:uuid}/claims",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def file_claim(
    request: ActorRequest,
    order: FromPath[uuid.UUID],
    data: JSONBody[ClaimRequest],
    idempotency_key: IdempotencyKey = "",
) -> Claims:
    """Claim within thirty days that something is wrong with a purchase; the same Idempotency-Key claims once."""
    assert request.user.partner
    claim = once(request.user.partner, f"claim {order}", idempotency_key)
    await claim_actions.file_claim(request.user.partner, order, data.reason, data.evidence, claim=claim)
    return await _claims(request, order)


@post(
    "/api/v1/orders/{order:uuid}/claims/withdraw",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
    status_code=200,
)
async def withdraw_claim(request: ActorRequest, order: FromPath[uuid.UUID]) -> Claims:
    """Withdraw the open claim about an order; where there is none, nothing changes."""
    assert request.user.partner
    await claim_actions.withdraw_claim(request.user.partner, order)
    return await _claims(request, order)


async def _claims(request: ActorRequest, order: uuid.UUID) -> Claims:
    assert request.user.partner
    await get_order(request.user.partner, order)
    return Claims(await claim_queries.list_claims_of(order))


ROUTES = [list_claims, file_claim, withdraw_claim]

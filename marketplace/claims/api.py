"""Claims for a partner's programs: say that something is wrong with a purchase, read what became of it, withdraw it."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any, Literal

from litestar import Request, get, post
from litestar.params import FromPath, JSONBody  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.claims import actions, queries, rules
from marketplace.claims.queries import ClaimOfOrder
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.purchases.api import IdempotencyKey, once
from marketplace.purchases.queries import get_order

Asked = Request[Actor, Any, Any]


class ClaimRequest(Struct, forbid_unknown_fields=True):
    """What is wrong, and what shows it."""

    reason: Literal["not_as_described", "incomplete", "wrong_figures", "unreadable"]
    evidence: Annotated[str, Meta(min_length=rules.SHORTEST, max_length=rules.LONGEST_EVIDENCE)]


class Claims(Struct):
    """What was claimed about an order, the latest first; the outcome is empty while it is looked at."""

    claims: list[ClaimOfOrder]


@get(
    "/api/v1/orders/{order:uuid}/claims",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def list_claims(request: Asked, order: FromPath[uuid.UUID]) -> Claims:
    """List what was claimed about one of the partner's orders, and what became of it."""
    return await _claims(request, order)


@post(
    "/api/v1/orders/{order:uuid}/claims",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def file_claim(
    request: Asked, order: FromPath[uuid.UUID], data: JSONBody[ClaimRequest], idempotency_key: IdempotencyKey = ""
) -> Claims:
    """Claim within thirty days that something is wrong with a purchase; the same Idempotency-Key claims once."""
    assert request.user.partner
    claim = once(request.user.partner, f"claim {order}", idempotency_key)
    await actions.file_claim(request.user.partner, order, data.reason, data.evidence, claim=claim)
    return await _claims(request, order)


@post(
    "/api/v1/orders/{order:uuid}/claims/withdraw",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
    status_code=200,
)
async def withdraw_claim(request: Asked, order: FromPath[uuid.UUID]) -> Claims:
    """Withdraw the open claim about an order; where there is none, nothing changes."""
    assert request.user.partner
    await actions.withdraw_claim(request.user.partner, order)
    return await _claims(request, order)


async def _claims(request: Asked, order: uuid.UUID) -> Claims:
    assert request.user.partner
    await get_order(request.user.partner, order)
    return Claims(await queries.list_claims_of(order))


ROUTES = [list_claims, file_claim, withdraw_claim]

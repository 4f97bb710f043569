"""Pages of a steward: the companies that signed up, and the decision about each; an auditor reads them."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.errors import Refusal
from marketplace.identity import actions, queries
from marketplace.identity.guards import expect, staff
from marketplace.identity.pages import FORM, Asked, Page, Token
from marketplace.identity.vat_checks import confirm_vat
from marketplace.web.pages import again, page, see

reader = staff("steward", "auditor")


class Reason(Token):
    """Why a steward says no."""

    reason: str


async def _about(partner: uuid.UUID, number: int = 1) -> dict[str, Any]:
    return {
        "company": await queries.get_partner(partner),
        "people": await queries.list_people(partner, number),
        "decisions": await queries.list_decisions(partner),
    }


@get("/partners", guards=[reader], opt=expect("steward", "auditor"))
async def partners_page(number: Page = 1) -> Template:
    """List partners, those waiting first."""
    return page("access/partners.html", partners=await queries.list_partners(number))


@get("/partners/{partner_id:uuid}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def partner_page(partner_id: FromPath[uuid.UUID], number: Page = 1) -> Template:
    """Show a partner and ask for the decision."""
    return page(
        "access/partner.html",
        error="",
        **await _about(partner_id, number),
    )


@post(
    "/partners/{partner_id:uuid}/vet", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=200
)
async def vet(request: Asked, partner_id: FromPath[uuid.UUID]) -> Redirect:
    """Let a partner buy."""
    assert request.user
    await actions.vet_partner(partner_id, request.user.person)
    return see(f"/partners/{partner_id}")


@post(
    "/partners/{partner_id:uuid}/refuse",
    guards=[staff("steward")],
    opt=expect("steward", stranger=200),
    status_code=200,
)
async def refuse(
    request: Asked, partner_id: FromPath[uuid.UUID], data: Annotated[Reason, Body(media_type=FORM)]
) -> Redirect | Template:
    """Say no to a partner, with a reason."""
    about = await _about(partner_id)
    try:
        assert request.user
        await actions.refuse_partner(partner_id, data.reason, request.user.person)
    except Refusal as refusal:
        return again("access/partner.html", refusal, **about)
    return see(f"/partners/{partner_id}")


@post(
    "/partners/{partner_id:uuid}/vat", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=200
)
async def check_vat(partner_id: FromPath[uuid.UUID]) -> Redirect:
    """Ask VIES about a partner's number now."""
    await queries.get_partner(partner_id)
    await confirm_vat(partner_id)
    return see(f"/partners/{partner_id}")


ROUTES = [partners_page, partner_page, vet, refuse, check_vat]

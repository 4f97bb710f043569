"""Pages of a steward: the companies that signed up, and the decision about each; an auditor may read them."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Refusal
from marketplace.core.web.buttons import ButtonForm
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.people.identity import actions, queries
from marketplace.people.identity.guards import VisitorRequest, expect, staff
from marketplace.people.identity.pages import FORM
from marketplace.people.identity.vat_checks import confirm_vat

reader = staff("steward", "auditor")


class Reason(ButtonForm):
    """A steward's reason for a refusal."""

    reason: str


async def _about(partner: uuid.UUID, number: int = 1) -> dict[str, Any]:
    return {
        "company": await queries.get_partner(partner),
        "people": await queries.list_people(partner, number),
        "decisions": await queries.list_decisions(partner),
    }


@get("/partners", guards=[reader], opt=expect("steward", "auditor"))
async def partners_page(number: PageNumber = 1) -> Template:
    """List partners, those waiting first."""
    return page("sign_in/partners.html", partners=await queries.list_partners(number))


@get("/partners/{partner_id:uuid}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def partner_page(partner_id: FromPath[uuid.UUID], number: PageNumber = 1) -> Template:
    """Show a partner and ask for the decision."""
    return page(
        "sign_in/partner.html",
        error="",
        **await _about(partner_id, number),
    )


@post(
    "/partners/{partner_id:uuid}/vet", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=200
)
async def vet(request: VisitorRequest, partner_id: FromPath[uuid.UUID]) -> Redirect:
    """Allow a partner to buy."""
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
    request: VisitorRequest, partner_id: FromPath[uuid.UUID], data: Annotated[Reason, Body(media_type=FORM)]
) -> Redirect | Template:
    """Refuse a partner, with a reason."""
    about = await _about(partner_id)
    try:
        assert request.user
        await actions.refuse_partner(partner_id, data.reason, request.user.person)
    except Refusal as refusal:
        return again("sign_in/partner.html", refusal, **about)
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

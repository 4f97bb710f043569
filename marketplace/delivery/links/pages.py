"""Personal links: make and end them on an order's page, and open their files."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.errors import NotFound, existing
from marketplace.core.settings import settings
from marketplace.core.web.buttons import ButtonForm, Pressed
from marketplace.core.web.pages import see
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.contract import contract
from marketplace.delivery.downloads.croissant import described
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.delivery.downloads.pages import deliver, file_of_dictionary
from marketplace.delivery.downloads.queries import EntitlementRow, get_entitlement
from marketplace.delivery.downloads.rules import file_name
from marketplace.delivery.links import actions, rules
from marketplace.delivery.links.queries import LinkRow, OpenedLink, list_links
from marketplace.delivery.links.snippets import SNIPPETS
from marketplace.people.identity.guards import VisitorRequest, expect, partner
from marketplace.people.identity.pages import FORM

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

Signature = Annotated[str, QueryParameter(name="sig", max_length=100)]
PRIVATE = {"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store"}


class NewLink(ButtonForm):
    """A link's label, and for how many days it works."""

    label: str = ""
    days: int = 0


@post("/entitlements/{entitlement:uuid}/links", guards=[partner], opt=expect("partner", stranger=404))
async def make_link(
    request: VisitorRequest, entitlement: FromPath[uuid.UUID], data: Annotated[NewLink, Body(media_type=FORM)]
) -> Redirect:
    """Make a link and show it on the order's page."""
    assert request.user
    assert request.user.partner
    await actions.make_link(request.user, entitlement, link_id=data.form_id, label=data.label, days=data.days)
    return await _order_page(request.user.partner, entitlement)


@post("/links/{link:uuid}/revoke", guards=[partner], opt=expect("partner", stranger=404))
async def revoke_link(request: VisitorRequest, link: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """End a link at once."""
    del data
    assert request.user
    assert request.user.partner
    return await _order_page(request.user.partner, await actions.revoke_link(request.user, link))


async def _order_page(partner_: uuid.UUID, entitlement: uuid.UUID) -> Redirect:
    return see(f"/orders/{(await get_entitlement(partner_, entitlement)).purchase_order}#links")


@get("/files/{link:uuid}/{name:str}", opt=expect("anyone", stranger=200))
async def open_link(
    request: Request[Any, Any, Any], link: FromPath[uuid.UUID], name: FromPath[str], sig: Signature = ""
) -> Response[Any]:
    """Give a file to anyone who brings its link; how its name ends says in which format."""
    opened = await actions.open_link(link, sig)
    if name == rules.DICTIONARY:
        answer: Response[Any] = file_of_dictionary(await delivery.read_dictionary(opened.partner, opened.id))
    elif name in (rules.CROISSANT, rules.CONTRACT):
        answer = await _described(opened, name, sig)
    else:
        file_format = existing(rules.format_of(name), NotFound("There is no such download."))
        file = await delivery.open_entitled(opened, file_format)
        answer = await deliver(request, file, lambda: actions.check_is_open(link))
    answer.headers.update(PRIVATE)
    return answer


async def _described(opened: OpenedLink, name: str, signed: str) -> Response[bytes]:
    """Send the file's description for programs: Croissant, or the contract for tests."""
    file = await delivery.open_entitled(opened, "parquet")
    given, seller = await delivery.get_given(opened, file.key), settings().seller_name
    if name == rules.CROISSANT:
        address = rules.address(settings().url, opened.link, file.name, signed)
        document = described(opened, given, address=address, byte_count=file.byte_count, seller=seller)
    else:
        document = contract(opened, given, name=file.name, seller=seller)
    media_type = "application/ld+json" if name == rules.CROISSANT else "application/yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(document, media_type=media_type, headers=headers)


async def links_of(who: Actor, entitlement: uuid.UUID) -> dict[str, Any]:
    """Return an order's links for its page, and the person's newest one with its address in each program."""
    assert who.partner
    row = await get_entitlement(who.partner, entitlement)
    links = await list_links(who.partner, entitlement, clock.now())
    newest = next((link for link in links if link.is_open and link.owner == who.person), None)
    addresses = _addresses(row, newest) if newest else {}
    return {
        "links": links,
        "newest": newest,
        "addresses": addresses,
        "snippets": [(each, each.filled(addresses)) for each in SNIPPETS] if newest else [],
        "days": [(str(days), days) for days in rules.DAYS],
    }


def _addresses(row: EntitlementRow, link: LinkRow) -> dict[str, str]:
    """Return the address of the file in each format, and of its dictionary."""
    signed = actions.signed(link.id, link.entitlement, link.ends_at)
    names = {
        code: file_name(row.dataset, row.period_from, row.period_to, row.level, each.suffix, time_zone=row.time_zone)
        for code, each in FORMATS.items()
    } | {"dictionary": rules.DICTIONARY, "croissant": rules.CROISSANT, "contract": rules.CONTRACT}
    return {code: rules.address(settings().url, link.id, name, signed) for code, name in names.items()}


ROUTES = [make_link, revoke_link, open_link]

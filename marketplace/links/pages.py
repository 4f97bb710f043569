"""Personal links: making and ending them on an order's page, and the files that they open."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace import clock
from marketplace.delivery import actions as delivery
from marketplace.delivery.contract import contract
from marketplace.delivery.croissant import described
from marketplace.delivery.formats.registry import FORMATS
from marketplace.delivery.pages import deliver, file_of_dictionary
from marketplace.delivery.queries import EntitlementRow, get_entitlement
from marketplace.delivery.rules import file_name
from marketplace.errors import NotFound
from marketplace.identity.guards import expect, partner
from marketplace.identity.pages import FORM, Asked, Token
from marketplace.links import actions, rules
from marketplace.links.queries import LinkRow, OpenedLink, list_links
from marketplace.links.snippets import SNIPPETS
from marketplace.settings import settings
from marketplace.web.pages import see

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

Signature = Annotated[str, QueryParameter(name="sig", max_length=100)]
PRIVATE = {"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store"}


class NewLink(Token):
    """What a link is for, and for how many days it is made."""

    label: str = ""
    days: int = 0


@post("/entitlements/{entitlement:uuid}/links", guards=[partner], opt=expect("partner", stranger=404))
async def make_link(
    request: Asked, entitlement: FromPath[uuid.UUID], data: Annotated[NewLink, Body(media_type=FORM)]
) -> Redirect:
    """Make a link and show it on the order's page."""
    assert request.user
    assert request.user.partner
    await actions.make_link(request.user, entitlement, link_id=data.form_id, label=data.label, days=data.days)
    return await _order_page(request.user.partner, entitlement)


@post("/links/{link:uuid}/revoke", guards=[partner], opt=expect("partner", stranger=404))
async def revoke_link(
    request: Asked, link: FromPath[uuid.UUID], data: Annotated[Token, Body(media_type=FORM)]
) -> Redirect:
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
    """Give a file to who brings its link; how its name ends says in which format."""
    opened = await actions.open_link(link, sig)
    if name == rules.DICTIONARY:
        answer: Response[Any] = file_of_dictionary(await delivery.read_dictionary(opened.partner, opened.id))
    elif name in (rules.CROISSANT, rules.CONTRACT):
        answer = await _described(opened, name, sig)
    else:
        file_format = rules.format_of(name)
        if file_format is None:
            raise NotFound("There is no such download.")
        file = await delivery.open_entitled(opened, file_format)
        answer = await deliver(request, file, lambda: actions.check_is_open(link))
    answer.headers.update(PRIVATE)
    return answer


async def _described(opened: OpenedLink, name: str, signed: str) -> Response[bytes]:
    """Give the file's description for programs: what loads it, or the contract that it is tested by."""
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
    """Return what the order's page shows of links: all of them, and the newest of one's own with its address in each program."""
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

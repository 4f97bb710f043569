"""The receipt's link: who has it sees that receipt and can withdraw that consent, without signing in, and nothing else."""

from __future__ import annotations

import hmac
import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.queries import get_receipt, list_choices
from marketplace.consent.receipt_formats import key_set
from marketplace.errors import NotFound
from marketplace.identity.guards import expect
from marketplace.messages.links import link_token
from marketplace.my_data.actions import withdraw_by_link as withdraw
from marketplace.settings import settings
from marketplace.web.pages import page


class LinkForm(Struct):
    """A form that is one button."""

    form_id: uuid.UUID


async def _shown(receipt: uuid.UUID, token: str) -> Template:
    if not hmac.compare_digest(link_token("consent receipt", receipt).encode(), token.encode()):
        raise NotFound("There is no such consent receipt.")
    row = await get_receipt(receipt)
    await get_receipt(receipt, row.subscriber)  # a former holder's link ended with them
    given = {choice.code: choice.given for choice in await list_choices(row.subscriber)}
    return page("my_data/link.html", receipt=row, token=token, is_given=given.get(row.purpose, False))


@get("/receipts/{number:uuid}/{token:str}", opt=expect("anyone", stranger=200))
async def linked_receipt(number: FromPath[uuid.UUID], token: FromPath[str]) -> Template:
    """Show a receipt to who has its link, with the one button."""
    return await _shown(number, token)


@post("/receipts/{number:uuid}/{token:str}", opt=expect("anyone", stranger=200), status_code=200)
async def withdraw_by_link(
    number: FromPath[uuid.UUID],
    token: FromPath[str],
    data: Annotated[LinkForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template:
    """Withdraw from the purpose of a receipt, once a form."""
    await _shown(number, token)
    row = await get_receipt(number)
    await withdraw(row.subscriber, row.purpose, data.form_id)
    return await _shown(number, token)


@get("/.well-known/gpc.json", opt=expect("anyone"), sync_to_thread=False)
def privacy_control() -> dict[str, Any]:
    """Say that Global Privacy Control is honoured. Source: the GPC specification's support resource."""
    return {"gpc": True, "lastUpdate": "2026-11-27"}


@get("/.well-known/jwks.json", opt=expect("anyone"), sync_to_thread=False)
def public_keys() -> dict[str, Any]:
    """Hand out the public key that verifies receipts."""
    return key_set(settings().signing_key)


ROUTES = [linked_receipt, withdraw_by_link, privacy_control, public_keys]

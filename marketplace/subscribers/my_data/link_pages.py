"""The receipt's link: it shows that receipt and withdraws that consent without signing in, and nothing else."""

from __future__ import annotations

import hmac
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Any

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.consent.purposes.queries import get_receipt, list_choices
from marketplace.consent.purposes.receipt_formats import key_set
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import page
from marketplace.people.identity.guards import expect
from marketplace.people.messages.links import link_token
from marketplace.subscribers.my_data.actions import withdraw_by_link as withdraw


async def _shown(receipt: uuid.UUID, token: str) -> Template:
    if not hmac.compare_digest(link_token("consent receipt", receipt).encode(), token.encode()):
        raise NotFound("There is no such consent receipt.")
    row = await get_receipt(receipt)
    await get_receipt(receipt, row.subscriber)  # the link of an earlier holder ended with them
    given = {choice.code: choice.given for choice in await list_choices(row.subscriber)}
    return page("my_data/link.html", receipt=row, token=token, is_given=given.get(row.purpose, False))


@get("/receipts/{number:uuid}/{token:str}", opt=expect("anyone", stranger=200))
async def linked_receipt(number: FromPath[uuid.UUID], token: FromPath[str]) -> Template:
    """Show a receipt to a person with its link, and the button that withdraws."""
    return await _shown(number, token)


@post("/receipts/{number:uuid}/{token:str}", opt=expect("anyone", stranger=200), status_code=200)
async def withdraw_by_link(
    number: FromPath[uuid.UUID],
    token: FromPath[str],
    data: Pressed,
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

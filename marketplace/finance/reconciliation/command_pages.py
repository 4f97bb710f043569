"""What is stuck between us and Stripe: commands that failed or take too long, and webhooks that were lost."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.web.pages import see
from marketplace.finance.reconciliation.actions import give_up, try_again
from marketplace.finance.reconciliation.base_pages import finance_page
from marketplace.finance.reconciliation.queries import list_stuck
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text
from marketplace.money.payments.queries import list_lost_events
from marketplace.people.identity.guards import ActorRequest, expect


class StuckForm(Struct):
    """What is decided about a stuck command: `retry`, or `give_up` with the reason."""

    decision: str
    form_id: uuid.UUID
    reason: str = ""


@get("/finance/commands", guards=READERS, opt=expect("finance", "auditor"))
async def commands(request: ActorRequest, which: Text = "", sort: Text = "") -> Template:
    """Show what Stripe was asked and has not done, and what no webhook brought."""
    return finance_page(
        "commands.html",
        commands=await list_stuck(which, sort),
        lost=await list_lost_events(sort=sort),
        which=which,
        sort=sort,
        now=clock.now(),
        may_act=request.user.role == "finance",
    )


@post("/finance/commands/{command_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def decide(
    request: ActorRequest,
    command_id: FromPath[uuid.UUID],
    data: Annotated[StuckForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Try a stuck command again, or give it up."""
    if data.decision == "give_up":
        await give_up(command_id, request.user, reason=data.reason)
    else:
        await try_again(command_id, request.user)
    return see("/finance/commands")


ROUTES = [commands, decide]

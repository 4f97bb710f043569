"""Pages of the subscribers' auction: a subscriber answers a call, privately; a steward opens one and sees rough numbers."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.auctions import calls, contributors, rules
from marketplace.auctions.contributors import Stratum
from marketplace.identity.actors import Actor
from marketplace.identity.guards import staff, subscriber
from marketplace.web.formats import read_cents
from marketplace.web.pages import page, see

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
MICRO_PER_MINOR = 10_000
GROUPS_A_FORM = 6


class AskForm(Struct):
    """The least a subscriber would accept, in euros, for one group of a call."""

    form_id: uuid.UUID
    stratum: uuid.UUID
    amount: str


class CallForm(Struct):
    """What a steward opens; instants are UTC. The groups are fields apart, numbered from 0."""

    form_id: uuid.UUID
    dataset: str
    opens_at: str
    closes_at: str
    promise_from: str
    promise_to: str


@get("/calls", guards=[subscriber])
async def calls_page(request: Asked, page_number: Page = 1) -> Template:
    """Show a subscriber the operator's calls and where they stand in each."""
    assert request.user.subscriber is not None
    return page("auctions/calls.html", calls=await calls.list_calls(request.user.subscriber, page_number))


@get("/calls/{call:uuid}", guards=[subscriber])
async def call_page(request: Asked, call: FromPath[uuid.UUID]) -> Template:
    """Show one call: its rule, what the subscriber stated, and how many others did, roughly."""
    assert request.user.subscriber is not None
    return page("auctions/call.html", call_=await calls.get_call(request.user.subscriber, call))


@post("/calls/{call:uuid}/asks", guards=[subscriber], status_code=303)
async def ask_form(
    request: Asked,
    call: FromPath[uuid.UUID],
    data: Annotated[AskForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """State, privately, the least the subscriber would accept."""
    assert request.user.subscriber is not None
    least_micro = read_cents(data.amount) * MICRO_PER_MINOR
    await contributors.ask(request.user.subscriber, call, data.stratum, least_micro=least_micro)
    return see(f"/calls/{call}")


@post("/calls/{call:uuid}/withdraw", guards=[subscriber], status_code=303)
async def withdraw_form(request: Asked, call: FromPath[uuid.UUID]) -> Redirect:
    """Take back what was stated, without a reason or a consequence."""
    assert request.user.subscriber is not None
    await contributors.withdraw(request.user.subscriber, call)
    return see(f"/calls/{call}")


# ------------------------------------------------------------------ the steward
@get("/steward/calls", guards=[staff("steward")])
async def all_calls_page(page_number: Page = 1) -> Template:
    """Show a steward every call, in rough numbers: no ask, no name, no small count."""
    return page("auctions/all_calls.html", calls=await calls.list_all_calls(page_number))


@get("/steward/calls/new", guards=[staff("steward")])
async def new_call_page() -> Template:
    """Ask a steward whom to call for."""
    return page("auctions/new_call.html", datasets=await calls.list_datasets(), groups=GROUPS_A_FORM)


@post("/steward/calls/new", guards=[staff("steward")], status_code=303)
async def announce_call_form(
    request: Asked, data: Annotated[CallForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Open a call, once a form; groups left empty are skipped."""
    fields = await request.form()
    await contributors.announce_call(
        data.dataset, typed_groups(fields), opens_at=rules.typed_instant(data.opens_at),
        closes_at=rules.typed_instant(data.closes_at), promise_from=rules.typed_instant(data.promise_from),
        promise_to=rules.typed_instant(data.promise_to), by=request.user.name, call=data.form_id,
    )  # fmt: skip
    return see("/steward/calls")


def typed_groups(fields: rules.Row) -> list[Stratum]:
    """Return the groups a steward typed: fields `title_fr-N`, `title_en-N`, `wanted-N`, `budget-N`, `most-N`, `bands-N`."""
    typed = []
    for number in range(GROUPS_A_FORM):
        names = ("title_fr", "title_en", "wanted", "budget", "most", "bands")
        french, english, wanted, budget, most, bands = (
            str(fields.get(f"{name}-{number}", "")).strip() for name in names
        )
        if any((french, english, wanted, budget, most)):
            budget_micro, most_micro = (read_cents(text) * MICRO_PER_MINOR for text in (budget, most))
            count = int(wanted) if wanted.isdecimal() else 0
            checked = tuple(band.strip() for band in bands.split(",") if band.strip())
            typed.append(Stratum(french, english, count, budget_micro, most_micro, checked))
    return typed


ROUTES = [
    calls_page, call_page, ask_form, withdraw_form, all_calls_page, new_call_page, announce_call_form,
]  # fmt: skip

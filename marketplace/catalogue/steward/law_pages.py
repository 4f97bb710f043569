"""The steward's page of the laws of volume: what an order costs of what it is worth, by currency."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.sheets.queries import StatedLawRow, list_laws, list_sheets
from marketplace.catalogue.sheets.rules import promises_covered
from marketplace.catalogue.steward import queries, sheet_actions, sheet_forms
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.settings import settings
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff
from pricing.money import EUR

if TYPE_CHECKING:
    import datetime as dt

reader, steward = staff("steward", "auditor"), staff("steward")
OfCurrency = Annotated[str, QueryParameter(name="currency", max_length=3)]
FIRST_STEPS = ((0, 10_000),)
"""Of a currency without a law: an order costs what it is worth."""


class LawForm(Struct):
    """A law of volume as a steward writes it: lines `from; percent`, and the least charge."""

    form_id: uuid.UUID
    currency: str = EUR
    steps: str = ""
    least: str = ""
    starts_at: str = ""
    seen: str = ""
    """The law that was stated last when the page was shown."""


class CurrencyLaws(Struct, frozen=True):
    """A currency's law in force (None before the first starts), the later ones, and what promises the least charge covers."""

    currency: str
    in_force: StatedLawRow | None
    later: list[StatedLawRow]
    past: list[StatedLawRow]
    covered_minor: int
    seen: str


@get("/steward/volume", guards=[reader], opt=expect("steward", "auditor"))
async def show(currency: OfCurrency = EUR) -> Template:
    """Show the law of volume of each currency, and let a steward state another in one of them."""
    shown = await _shown()
    typed = next((_typed(one) for one in shown["currencies"] if one.currency == currency), {})
    return page("steward/volume.html", error="", form=typed, **shown)


@post("/steward/volume", guards=[steward], opt=expect("steward"))
async def state(
    data: Annotated[LawForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: ActorRequest
) -> Redirect | Template:
    """State a law of volume; the same form again changes nothing."""
    try:
        if data.currency not in await _currencies():
            raise Invalid("No market is in {currency}.", currency=data.currency, field="currency")
        law = sheet_forms.read_law(data.currency, data.steps, data.least)
        starts_at = sheet_forms.read_start(data.starts_at)
        await sheet_actions.state_law(request.user, law, law_id=data.form_id, starts_at=starts_at, seen=data.seen)
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("steward/volume.html", refusal, form=form, **await _shown())
    return see("/steward/volume")


async def _currencies() -> list[str]:
    """Return the currencies of markets and laws, the euro first."""
    used = {one.currency for one in await list_sheets()} | {one.currency for one in await list_laws()}
    return [EUR, *sorted(used - {EUR})]


async def _shown() -> dict[str, Any]:
    now, laws = clock.now(), await list_laws()
    currencies = [_of(currency, laws, now) for currency in await _currencies()]
    return {
        "currencies": currencies,
        "promised_minor": await queries.get_most_promised(now),
    }


def _of(currency: str, laws: list[StatedLawRow], now: dt.datetime) -> CurrencyLaws:
    own = [one for one in laws if one.currency == currency]
    started = [one for one in own if one.starts_at <= now]
    in_force = started[0] if started else None
    share = settings().operator_basis_points
    return CurrencyLaws(
        currency,
        in_force,
        [one for one in own if one.starts_at > now],
        started[1:],
        promises_covered(in_force.least_minor, share) if in_force else 0,
        sheet_actions.last_stated(own),
    )


def _typed(laws: CurrencyLaws) -> dict[str, str]:
    """Return the form of a currency's next law: as the last one says."""
    last = laws.later[0] if laws.later else laws.in_force
    typed = sheet_forms.law_typed(last.steps if last else FIRST_STEPS, last.least_minor if last else 100)
    return typed | {"currency": laws.currency, "starts_at": "", "seen": laws.seen}


ROUTES = [show, state]

"""Pages of a company's spending limits: who may spend what, writing and revoking a limit, what was spent by month."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import PARIS, read_cents, typed_amount
from marketplace.core.web.pages import again, page, see
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.people.identity.guards import ActorRequest, accountant, administrator, expect, recently_proved
from marketplace.people.spending import actions, queries
from marketplace.people.spending.rules import Terms

if TYPE_CHECKING:
    from marketplace.people.spending.queries import Holder, SpentInMonth

PATH: Final = "/company/spending"
LONGEST: Final = 2_000
SHOWN_DAYS: Final = 365
FIELDS: Final = ("order", "month", "datasets", "purposes", "until", "approval")
COLUMNS: Final[Columns[SpentInMonth]] = {
    "Month": lambda row: f"{row.month:%Y-%m}",
    "Name": lambda row: row.name,
    "Orders": lambda row: row.orders,
    "Ordered before VAT": lambda row: euros(row.ordered_minor),
    "Open bids before VAT": lambda row: euros(row.bid_minor),
}


class LimitForm(Struct):
    """What one colleague or key may spend; codes of datasets and purposes with commas between, empty for any."""

    form_id: uuid.UUID
    order: str = ""
    month: str = ""
    datasets: str = ""
    purposes: str = ""
    until: str = ""
    approval: str = ""

    def read(self) -> Terms:
        """Return the terms; refuses what is no amount, no code or no day, and names the field."""
        return Terms(
            read_cents(self.order, field="order"),
            read_cents(self.month, field="month"),
            _codes(self.datasets, "datasets"),
            _codes(self.purposes, "purposes"),
            _end_of(self.until),
            read_cents(self.approval, field="approval") if self.approval.strip() else None,
        )


def _codes(text: str, field: str) -> list[str]:
    codes = re.split(r"[\s,;]+", text.strip()) if text.strip() else []
    if len(text) > LONGEST or not all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", code) for code in codes):
        raise Invalid("Write codes as the catalogue shows them, with commas between.", field=field)
    return list(dict.fromkeys(codes))


def _end_of(day: str) -> dt.datetime:
    """Return the end of a typed day in Paris."""
    try:
        return dt.datetime.combine(dt.date.fromisoformat(day) + dt.timedelta(days=1), dt.time.min, PARIS)
    except (ValueError, OverflowError):
        raise Invalid("Write a day, such as 2027-06-30.", field="until") from None


def _company(request: ActorRequest) -> uuid.UUID:
    assert request.user.partner
    return request.user.partner


@get(PATH, guards=[accountant], opt=expect("accountant"))
async def overview(request: ActorRequest) -> Template:
    """Show each colleague and key with its limit, and what they spent by month."""
    of, now = _company(request), clock.now()
    holders, spent = await queries.list_holders(of, now), await queries.list_spent(of)
    return page("spending/overview.html", path=PATH, holders=holders, spent=spent, now=now)


@get(f"{PATH}.csv", guards=[accountant], opt=expect("accountant"))
async def spent_file(request: ActorRequest) -> Response[bytes]:
    """Give what the company spent by month and by colleague or key as a CSV file."""
    return list_file("spending.csv", COLUMNS, await queries.list_spent(_company(request)))


@get(f"{PATH}/{{holder:uuid}}", guards=[administrator], opt=expect("administrator", stranger=404))
async def show_limit(request: ActorRequest, holder: FromPath[uuid.UUID]) -> Template:
    """Show the form of one colleague's or key's limit."""
    context = await _limit(_company(request), holder)
    return page("spending/limit.html", error="", form=_typed(context["row"]), **context)


async def _limit(of: uuid.UUID, holder: uuid.UUID) -> dict[str, Any]:
    named = await queries.get_holder(of, holder)
    rows = [row for row in await queries.list_holders(of, clock.now()) if row.id == holder]
    return {"path": PATH, "holder": named, "row": rows[0] if rows else None}


def _typed(row: Holder | None) -> dict[str, str]:
    """Return a limit as it is typed; without one, a year."""
    if row is None or row.ends_at is None:
        year_on = (clock.now() + dt.timedelta(days=SHOWN_DAYS)).astimezone(PARIS).date()
        return dict.fromkeys(FIELDS, "") | {"until": year_on.isoformat()}
    last_day = (row.ends_at - dt.timedelta(microseconds=1)).astimezone(PARIS).date()
    return {
        "order": typed_amount(row.order_minor or 0),
        "month": typed_amount(row.month_minor or 0),
        "datasets": ", ".join(row.datasets),
        "purposes": ", ".join(row.purposes),
        "until": last_day.isoformat(),
        "approval": "" if row.approval_minor is None else typed_amount(row.approval_minor),
    }


@post(
    f"{PATH}/{{holder:uuid}}",
    guards=[administrator, recently_proved],
    opt=expect("administrator", stranger=404),
    status_code=303,
)
async def write_limit(
    request: ActorRequest,
    holder: FromPath[uuid.UUID],
    data: Annotated[LimitForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Write the limit; a refusal shows the form again as it was typed."""
    context = await _limit(_company(request), holder)
    try:
        await actions.write_limit(request.user, holder, data.read())
    except Refusal as refusal:
        typed = {one: getattr(data, one)[:LONGEST] for one in FIELDS}
        return again("spending/limit.html", refusal, form=typed, **context)
    return see(PATH)


@post(
    f"{PATH}/{{holder:uuid}}/revoke",
    guards=[administrator],
    opt=expect("administrator", stranger=404),
    status_code=303,
)
async def revoke_limit(request: ActorRequest, holder: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Revoke the limit: no proof is asked to stop somebody's spending."""
    del data
    await actions.revoke_limit(request.user, holder)
    return see(PATH)


ROUTES = [overview, spent_file, show_limit, write_limit, revoke_limit]

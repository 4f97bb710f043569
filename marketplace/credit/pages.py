"""Pages of credit: finance sees what is owed by when, and two people decide; a partner sees what it has to pay."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.credit import actions, queries, rules
from marketplace.errors import Invalid, Refusal
from marketplace.identity.guards import expect, partner
from marketplace.ledger import chart
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Text, books_page
from marketplace.ledger.queries import balance
from marketplace.ledger.two_people import signs_of_proposers
from marketplace.settings import settings
from marketplace.web.formats import read_cents
from marketplace.web.i18n import gettext
from marketplace.web.pages import filled, page, see
from marketplace.web.sorting import as_file, euros, in_order

if TYPE_CHECKING:
    from collections.abc import Callable

PATH: Final = "/finance/credit"
SORTS: Final[dict[str, Callable[[queries.SaleRow], Any]]] = {
    "partner": lambda row: (row.company.lower(), row.due_at),
    "due": lambda row: row.due_at,
    "owed": lambda row: -row.owed_minor,
    "provision": lambda row: -row.provision_minor,
}
STATES: Final = {
    "": "All",
    "overdue": "Overdue",
    "suspended": "Suspended",
    "lost": "Written off",
    "back": "To transfer back",
}
"""What the table can be narrowed to, in words."""
HEADINGS: Final = ("Order", "Partner", "Total", "Returned", "Paid", "Owed", "Due", "Reminders", "Provision", "Bad debt")
KINDS: Final = {"limit": "Limit", "provision": "Provision", "loss": "Bad debt"}
LONGEST: Final = 2000


class LimitForm(Struct):
    """Up to what amount a partner, by its name or VAT number, may buy on invoice, and why."""

    form_id: uuid.UUID
    partner: str = ""
    amount: str = ""
    reason: str = ""


class WriteDownForm(Struct):
    """A provision of an amount for what an order owes, or all of it as a bad debt, and why."""

    form_id: uuid.UUID
    kind: Literal["provision", "loss"]
    amount: str = ""
    reason: str = ""


class DecisionForm(Struct):
    """Whether someone else's proposal is approved."""

    form_id: uuid.UUID
    decision: str


@get(PATH, guards=READERS, opt=expect("finance", "auditor"))
async def credit(request: Asked, which: Text = "", sort: Text = "") -> Template:
    """Show limits, what is owed on credit by age and by order, and what waits for a second person."""
    return books_page("credit/credit.html", form={}, error="", **await _shown(request, which, sort))


@get(f"{PATH}.csv", guards=READERS, opt=expect("finance", "auditor"))
async def credit_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out what is owed on credit as a file for a spreadsheet."""
    rows = [
        (
            row.number,
            row.company,
            *map(euros, (row.total_minor, row.returned_minor, row.paid_minor, row.owed_minor)),
            row.due_at.date().isoformat(),
            row.reminders,
            *map(euros, (row.provision_minor, row.written_off_minor)),
        )
        for row in _chosen(await queries.list_sales(), which, sort)
    ]
    return as_file("credit.csv", HEADINGS, rows)


@post(PATH + "/limits", guards=CLERKS, opt=expect("finance"), status_code=200)
async def propose_limit(
    request: Asked, data: Annotated[LimitForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Propose a partner's limit; what was wrong is said at its field, and nothing that was written is lost."""
    try:
        of, amount = await queries.get_debtor(data.partner[:200]), read_cents(data.amount)
        await actions.propose_limit(of, amount, request.user, reason=data.reason, form_id=data.form_id)
    except Refusal as refusal:
        written = {name: getattr(data, name)[:LONGEST] for name in ("partner", "amount", "reason")}
        error, shown = filled(refusal), await _shown(request, "", "")
        wrong = {"status_code": refusal.status, "error": error, "mistakes": {refusal.fields.get("field"): error}}
        return books_page("credit/credit.html", form=written, **wrong, **shown)
    return see(PATH)


@post(PATH + "/orders/{order:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def propose_write_down(
    request: Asked,
    order: FromPath[uuid.UUID],
    data: Annotated[WriteDownForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Propose a provision or a bad debt."""
    amount = read_cents(data.amount) if data.kind == "provision" else 0
    await actions.propose_write_down(data.kind, order, amount, request.user, reason=data.reason, form_id=data.form_id)
    return see(PATH)


@post(PATH + "/{proposal:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def decide(
    request: Asked,
    proposal: FromPath[uuid.UUID],
    data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Approve or refuse what someone else proposed."""
    await actions.decide(proposal, request.user, approve=data.decision == "approve")
    return see(PATH)


@get("/to-pay", guards=[partner], opt=expect("partner"))
async def to_pay(request: Asked) -> Template:
    """Show a partner what it has to pay on invoice, by when and where, and what is left of its limit."""
    assert request.user.partner
    seller = settings()
    return page(
        "credit/to_pay.html",
        available=await queries.get_available(request.user.partner),
        sales=await queries.list_sales(request.user.partner),
        now=clock.now(),
        iban=seller.payout_iban,
        name=seller.seller_name,
        suspended_after=rules.SUSPENDED_AFTER_DAYS,
    )


def _chosen(rows: list[queries.SaleRow], which: str, sort: str) -> list[queries.SaleRow]:
    now = clock.now()
    if which not in STATES:
        raise Invalid("Sales on credit are not narrowed to that.")
    keep: dict[str, Callable[[queries.SaleRow], bool]] = {
        "overdue": lambda row: row.owed_minor > 0 and row.overdue_days(now) > 0,
        "suspended": lambda row: row.suspended_at is not None,
        "lost": lambda row: row.written_off_minor > 0,
        "back": lambda row: row.owed_minor < 0,
    }
    return in_order([row for row in rows if which not in keep or keep[which](row)], sort, SORTS)


async def _shown(request: Asked, which: str, sort: str) -> dict[str, Any]:
    sales, now = await queries.list_sales(), clock.now()
    proposals = await queries.list_proposals()
    return {
        "path": PATH,
        "sales": _chosen(sales, which, sort),
        "which": which,
        "sort": sort,
        "states": [(key, gettext(text)) for key, text in STATES.items()],
        "limits": await queries.list_limits(),
        "ages": rules.AGES,
        "owed": rules.by_age([(row.overdue_days(now), row.owed_minor) for row in sales if row.owed_minor > 0]),
        "back_minor": -sum(min(row.owed_minor, 0) for row in sales),
        "written_off_minor": sum(row.written_off_minor for row in sales),
        "provided_minor": sum(row.provision_minor for row in sales),
        "booked_minor": await balance(chart.ON_CREDIT),
        "booked_provisions_minor": -await balance(chart.PROVISIONS),
        "account": chart.ON_CREDIT,
        "provisions_account": chart.PROVISIONS,
        "proposals": proposals,
        "kinds": KINDS,
        "now": now,
        "me": request.user.person,
        "signs": await signs_of_proposers(request.user.person, proposals),
        "may_act": request.user.role == "finance",
    }


ROUTES = [credit, credit_file, propose_limit, propose_write_down, decide, to_pay]

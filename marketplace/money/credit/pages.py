"""Pages of credit: finance sees what is owed by when, and two people decide; a partner sees what it has to pay."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.settings import settings
from marketplace.core.web.formats import read_cents
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, filled, page, see
from marketplace.core.web.sorting import Columns, euros
from marketplace.money.credit import proposals, queries, rules
from marketplace.money.ledger import chart
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_file, books_page
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.guards import ActorRequest, expect, partner, recently_proved
from marketplace.people.proposals.queries import list_proposals

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH: Final = "/finance/credit"
STATES: Final = {
    "": "All",
    "overdue": "Overdue",
    "suspended": "Suspended",
    "lost": "Written off",
    "back": "To transfer back",
}
LIMIT_STATES: Final = {"": "All", "overdue": "Overdue", "used": "Used up"}
"""What each table can be narrowed to, in words."""
COLUMNS: Final[Columns[queries.SaleRow]] = {
    "Order": lambda row: row.number,
    "Partner": lambda row: row.company,
    "Total": lambda row: euros(row.total_minor),
    "Returned": lambda row: euros(row.returned_minor),
    "Paid": lambda row: euros(row.paid_minor),
    "Owed": lambda row: euros(row.owed_minor),
    "Due": lambda row: row.due_at.date().isoformat(),
    "Reminders": lambda row: row.reminders,
    "Provision": lambda row: euros(row.provision_minor),
    "Bad debt": lambda row: euros(row.written_off_minor),
}
LIMIT_COLUMNS: Final[Columns[queries.LimitRow]] = {
    "Partner": lambda row: row.company,
    "Limit": lambda row: euros(row.limit_minor),
    "Owed": lambda row: euros(row.owed_minor),
    "Overdue": lambda row: euros(row.overdue_minor),
    "Left": lambda row: euros(row.left_minor),
}
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


# ------------------------------------------------------------------ what is owed
@get(PATH, guards=READERS, opt=expect("finance", "auditor"))
async def credit(request: ActorRequest, which: Text = "", sort: Text = "", page_number: PageNumber = 1) -> Template:
    """Show what waits for a second person, and what is owed on credit by age and by order."""
    return books_page(
        "credit/credit.html",
        path=PATH,
        sales=await queries.list_sales(page_number, _known(which, STATES), sort),
        which=which,
        sort=sort,
        states=_words(STATES),
        ages=rules.AGES,
        owed=rules.by_age([(row.days, row.owed_minor) for row in await queries.list_ages()]),
        totals=await queries.get_totals(),
        booked_minor=await balance(chart.ON_CREDIT),
        booked_provisions_minor=-await balance(chart.PROVISIONS),
        account=chart.ON_CREDIT,
        provisions_account=chart.PROVISIONS,
        waiting=await list_proposals("waiting", proposals.CREDIT.code),
        now=clock.now(),
        may_act=request.user.role == "finance",
    )


# ------------------------------------------------------------------ limits
@get(f"{PATH}/limits", guards=READERS, opt=expect("finance", "auditor"))
async def limits(request: ActorRequest, which: Text = "", sort: Text = "", page_number: PageNumber = 1) -> Template:
    """Show who may buy on invoice, up to what, and what of it is used."""
    return books_page("credit/limits.html", form={}, error="", **await _limits(request, which, sort, page_number))


async def _limits(request: ActorRequest, which: str, sort: str, page_number: int) -> dict[str, Any]:
    return {
        "path": PATH,
        "limits": await queries.list_limits(page_number, _known(which, LIMIT_STATES), sort),
        "which": which,
        "sort": sort,
        "states": _words(LIMIT_STATES),
        "may_act": request.user.role == "finance",
    }


@post(PATH + "/limits", guards=[*CLERKS, recently_proved], opt=expect("finance"), status_code=200)
async def propose_limit(
    request: ActorRequest, data: Annotated[LimitForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Propose a partner's limit; what was wrong is said at its field, and nothing that was written is lost."""
    try:
        of, amount = await queries.get_debtor(data.partner[:200]), read_cents(data.amount)
        await proposals.propose_limit(of, amount, request.user, reason=data.reason, form_id=data.form_id)
    except Refusal as refusal:
        written = {name: getattr(data, name)[:LONGEST] for name in ("partner", "amount", "reason")}
        error, shown = filled(refusal), await _limits(request, "", "", 1)
        wrong = {"status_code": refusal.status, "error": error, "mistakes": {refusal.fields.get("field"): error}}
        return books_page("credit/limits.html", form=written, **wrong, **shown)
    return see(proposals.CREDIT.path)


# ------------------------------------------------------------------ provisions and bad debts
@post(
    PATH + "/orders/{order:uuid}",
    guards=[*CLERKS, recently_proved],
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def propose_write_down(
    request: ActorRequest,
    order: FromPath[uuid.UUID],
    data: Annotated[WriteDownForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Propose a provision or a bad debt."""
    amount = read_cents(data.amount) if data.kind == "provision" else 0
    await proposals.propose_write_down(data.kind, order, amount, request.user, reason=data.reason, form_id=data.form_id)
    return see(proposals.CREDIT.path)


@get("/to-pay", guards=[partner], opt=expect("partner"))
async def to_pay(request: ActorRequest) -> Template:
    """Show a partner what it has to pay on invoice, by when and where, and what is left of its limit."""
    assert request.user.partner
    seller = settings()
    return page(
        "credit/to_pay.html",
        available=await queries.get_available(request.user.partner),
        sales=await queries.list_all_sales(request.user.partner),
        now=clock.now(),
        iban=seller.payout_iban,
        name=seller.seller_name,
        suspended_after=rules.SUSPENDED_AFTER_DAYS,
    )


def _known(which: str, states: Mapping[str, str]) -> str:
    if which not in states:
        raise Invalid("Sales on credit are not narrowed to that.")
    return which


def _words(states: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(key, gettext(text)) for key, text in states.items()]


ROUTES = [
    credit,
    books_file(
        f"{PATH}.csv",
        "credit.csv",
        COLUMNS,
        lambda which, sort: queries.list_all_sales(which=_known(which, STATES), sort=sort),
    ),
    limits,
    books_file(
        f"{PATH}/limits.csv",
        "limits.csv",
        LIMIT_COLUMNS,
        lambda which, sort: queries.list_all_limits(_known(which, LIMIT_STATES), sort),
    ),
    propose_limit,
    propose_write_down,
    to_pay,
]

"""Finance's pages: figures, what is unmatched and why, the books with drill-down both ways, refunds."""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.errors import Conflict, Invalid
from marketplace.finance import queries
from marketplace.finance.actions import reconcile, refund_order
from marketplace.finance.rules import HEADINGS, SENTENCES, source_path
from marketplace.identity.actors import Actor, staff
from marketplace.ledger.queries import balance, get_account, get_entry, list_entries, list_kinds, trial_balance
from marketplace.payments.stripe_port import SilentError
from marketplace.web.formats import PARIS
from marketplace.web.i18n import gettext
from marketplace.web.pages import page, see

READERS = [staff("finance", "auditor")]
CLERKS = [staff("finance")]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Text = Annotated[str, QueryParameter(max_length=100)]
Asked = Request[Actor, Any, Any]


class RefundForm(Struct):
    """Why an order's money is given back."""

    reason: str
    form_id: uuid.UUID


def _midnight(day: str, *, after: int = 0) -> dt.datetime | None:
    """Return when a day begins in Paris, `after` days later; None when no day is named."""
    if not day:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(day) + dt.timedelta(days=after), dt.time(), PARIS)
    except (ValueError, OverflowError):
        raise Invalid("That is not a day: {day}.", day=day) from None


def _why(row: Any) -> str:  # noqa: ANN401 (a row)
    return gettext(SENTENCES[row["why"]]) % {"detail": row["detail"]}


def _named(name: str) -> str:
    """Return how finance reads what the books or Stripe call something."""
    return gettext(HEADINGS.get(name, name.replace("_", " ")))


def _page(template: str, **context: Any) -> Template:  # noqa: ANN401 (whatever a template shows)
    """Answer with a page of finance's, which knows the words of the trade."""
    return page(f"finance/{template}", named=_named, why=_why, **context)


@get("/finance", guards=READERS)
async def overview() -> Template:
    """Show where the money stands."""
    return _page(
        "overview.html",
        figures=await queries.get_figures(),
        last=await queries.last_run(),
        unmatched=await queries.count_exceptions(),
        exceptions=(await queries.list_exceptions()).rows[:5],
    )


@get("/finance/reconciliation", guards=READERS)
async def reconciliation(request: Asked, show: Text = "unmatched", page_number: Page = 1) -> Template:
    """Show what is unmatched and why, Stripe's transactions with their entries, or past comparisons."""
    lists = {
        "unmatched": queries.list_exceptions,
        "transactions": queries.list_movements,
        "runs": queries.list_runs,
    }
    if show not in lists:
        raise Invalid("There is no such list: {show}.", show=show)
    return _page(
        "reconciliation.html",
        show=show,
        rows=await lists[show](page_number),
        last=await queries.last_run(),
        may_run=request.user.role == "finance",
    )


@post("/finance/reconciliation", guards=CLERKS)
async def reconcile_now() -> Redirect:
    """Compare with Stripe now."""
    try:
        await reconcile()
    except SilentError:
        raise Conflict("Stripe does not answer just now; try again in a minute.") from None
    return see("/finance/reconciliation")


@get("/finance/trial-balance", guards=READERS)
async def trial_balance_page(at: Text = "") -> Template:
    """Show every account's debits, credits and balance, at the end of a day or now."""
    end = _midnight(at, after=1)
    rows = await trial_balance(end - dt.timedelta(microseconds=1) if end else None)
    return _page("trial_balance.html", at=at, rows=rows, now=clock.now())


@get("/finance/journal", guards=READERS)
async def journal(
    account: Text = "", kind: Text = "", since: Text = "", until: Text = "", page_number: Page = 1
) -> Template:
    """Show the journal, newest first, narrowed by account, kind and days."""
    if account:
        await get_account(account)
    entries = await list_entries(
        page_number, account=account or None, kind=kind or None,
        since=_midnight(since), until=_midnight(until, after=1),
    )  # fmt: skip
    return _page(
        "journal.html", entries=entries, kinds=await list_kinds(), accounts=await trial_balance(),
        chosen={"account": account, "kind": kind, "since": since, "until": until},
    )  # fmt: skip


@get("/finance/journal/{entry_id:int}", guards=READERS)
async def journal_entry(entry_id: FromPath[int]) -> Template:
    """Show one entry, its postings and what it records."""
    entry = await get_entry(entry_id)
    return _page("entry.html", entry=entry, source=source_path(entry["kind"], entry["source_id"]))


@get("/finance/accounts/{code:str}", guards=READERS)
async def account_page(code: FromPath[str], page_number: Page = 1) -> Template:
    """Show one account: its balance and its entries."""
    account = await get_account(code)
    entries = await list_entries(page_number, account=code)
    return _page("account.html", account=account, balance_minor=await balance(code), entries=entries)


@get("/finance/orders", guards=READERS)
async def orders(number: Text = "", page_number: Page = 1) -> Template:
    """List every partner's orders."""
    found = await queries.list_orders(page_number, number.strip())
    return _page("orders.html", orders=found, number=number)


@get("/finance/orders/{order_id:uuid}", guards=READERS)
async def order_page(request: Asked, order_id: FromPath[uuid.UUID]) -> Template:
    """Show everything money did for one order, and let a finance clerk give it back."""
    is_clerk = request.user.role == "finance"
    return _page("order.html", order=await queries.get_order(order_id), may_refund=is_clerk, now=clock.now())


@post("/finance/orders/{order_id:uuid}/refund", guards=CLERKS)
async def refund(
    request: Asked,
    order_id: FromPath[uuid.UUID],
    data: Annotated[RefundForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Give an order's money back."""
    await refund_order(order_id, request.user, reason=data.reason, form_id=data.form_id)
    return see(f"/finance/orders/{order_id}")


@get("/finance/licences/{licence_id:uuid}", guards=READERS)
async def licence(licence_id: FromPath[uuid.UUID]) -> Redirect:
    """Lead to the order that sold a licence."""
    return see(f"/finance/orders/{await queries.find_order_of(licence_id)}")


@get("/finance/transactions/{movement_id:str}", guards=READERS)
async def transaction_page(movement_id: FromPath[str]) -> Template:
    """Show one of Stripe's balance transactions, its entry and its order."""
    return _page("transaction.html", movement=await queries.get_movement(movement_id))


ROUTES = [
    overview, reconciliation, reconcile_now, trial_balance_page, journal, journal_entry, account_page, orders,
    order_page, refund, licence, transaction_page,
]  # fmt: skip

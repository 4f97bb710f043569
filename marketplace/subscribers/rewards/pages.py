"""Pages of rewards: where a subscriber's money goes and what they received; the clerk's runs and files of billing."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes.queries import get_kind
from marketplace.core import clock
from marketplace.core.errors import NotFound, Refusal
from marketplace.core.web.formats import paris_day, read_cents
from marketplace.core.web.pages import PageNumber, again, download, page, see
from marketplace.money.ledger.base_pages import CLERKS, READERS
from marketplace.money.ledger.periods import month_of
from marketplace.people.identity.guards import ActorRequest, expect, subscriber
from marketplace.subscribers.earnings.pages import line_of
from marketplace.subscribers.rewards import actions, farms, gift_files, queries

Filled = Body(media_type=RequestEncodingType.URL_ENCODED)


class WayForm(Struct):
    """Where a subscriber wants their money."""

    way: str
    form_id: uuid.UUID
    gift_to: str = ""


class BuyForm(Struct):
    """A benefit that is bought."""

    benefit: str
    form_id: uuid.UUID


class RunForm(Struct):
    """The way of the money to move."""

    way: str
    form_id: uuid.UUID


class MonthForm(Struct):
    """The month of the gifts to pay, by its first day."""

    month: dt.date
    form_id: uuid.UUID


class ListedForm(Struct):
    """An association, or a benefit if it has a price."""

    code: str
    form_id: uuid.UUID
    name: str = ""
    iban: str = ""
    title_fr: str = ""
    title_en: str = ""
    price: str = ""


class FarmForm(Struct):
    """The decision about a farm, and its reason."""

    kind: str
    key: str
    decision: str
    reason: str
    form_id: uuid.UUID


# The subscriber -------------------------------------------------------------------------------------------------------


async def _mine(line: int, number: int = 1) -> dict[str, Any]:
    year = paris_day(clock.now()).year
    return {
        "spendable_micro": await queries.get_spendable(line),
        "way": await queries.get_way(line),
        "associations": [(one.code, one.name) for one in await queries.list_associations()],
        "benefits": await queries.list_benefits(),
        "rewards": await queries.list_rewards(line, number),
        "bill_is_others": await get_kind(line) in {"business", "shared"},
        "years": [(one, gifts) for one in (year, year - 1) if (gifts := await queries.list_gifts_of_year(line, one))],
    }


@get("/earnings/rewards", guards=[subscriber], opt=expect("subscriber"))
async def rewards(request: ActorRequest, number: PageNumber = 1) -> Template:
    """Show where a subscriber's money goes, what it buys and what they received."""
    return page("rewards/rewards.html", error="", **await _mine(line_of(request), number))


@post("/earnings/rewards", guards=[subscriber], opt=expect("subscriber"), status_code=200)
async def choose_way(request: ActorRequest, data: Annotated[WayForm, Filled]) -> Redirect | Template:
    """Choose where money goes from the next run on."""
    line = line_of(request)
    try:
        await actions.choose(line, data.way, data.gift_to)
    except Refusal as refusal:
        return again("rewards/rewards.html", refusal, **await _mine(line))
    return see("/earnings/rewards")


@post("/earnings/rewards/buy", guards=[subscriber], opt=expect("subscriber"), status_code=200)
async def buy(request: ActorRequest, data: Annotated[BuyForm, Filled]) -> Redirect | Template:
    """Buy a benefit, once a form."""
    line = line_of(request)
    try:
        await actions.buy(line, data.benefit, data.form_id)
    except Refusal as refusal:
        return again("rewards/rewards.html", refusal, **await _mine(line))
    return see("/earnings/rewards")


@get("/earnings/rewards/gifts/{year:int}", guards=[subscriber], opt=expect("subscriber", stranger=404))
async def gift_receipt(request: ActorRequest, year: FromPath[int]) -> Response[bytes]:
    """Hand out the receipt of a year's gifts as a file."""
    line, day = line_of(request), paris_day(clock.now())
    gifts = await queries.list_gifts_of_year(line, year)
    return download(f"gifts-{year}.pdf", await asyncio.to_thread(gift_files.draw_receipt, line, year, gifts, day))


# Finance --------------------------------------------------------------------------------------------------------------


async def _books(number: int = 1) -> dict[str, Any]:
    runs = await queries.list_runs(number)
    return {
        "due": [(way, await queries.get_due(way)) for way in ("bill", "gift")],
        "runs": runs,
        "months": [(month, await queries.list_payments(month.month)) for month in await queries.list_gift_months()],
        "this_month": month_of(clock.now()),
        "farms": [(kind, await farms.list_farms(kind)) for kind in farms.KINDS],
    }


@get("/finance/rewards", guards=READERS, opt=expect("finance", "auditor"))
async def books(request: ActorRequest, number: PageNumber = 1) -> Template:
    """Show the amounts due by bill and gift, the runs, and accounts that many lines share."""
    return page("rewards/books.html", error="", may_act=request.user.role == "finance", **await _books(number))


@post("/finance/rewards/runs", guards=CLERKS, opt=expect("finance"), status_code=303)
async def make_run(request: ActorRequest, data: Annotated[RunForm, Filled]) -> Redirect:
    """Move everyone's money that is due by bill, or by gift."""
    await actions.make_run(data.way, data.form_id, request.user)
    return see("/finance/rewards")


@post("/finance/rewards/gifts", guards=CLERKS, opt=expect("finance"), status_code=200)
async def pay_gifts(request: ActorRequest, data: Annotated[MonthForm, Filled]) -> Redirect | Template:
    """Make the payments of a month's gifts, one per association."""
    try:
        await actions.pay_gifts(data.month, request.user)
    except Refusal as refusal:
        return again("rewards/books.html", refusal, may_act=True, **await _books())
    return see("/finance/rewards")


@get("/finance/rewards/gifts/{month:str}", guards=READERS, opt=expect("finance", "auditor", stranger=404))
async def gift_transfers(month: FromPath[str]) -> Response[bytes]:
    """Return the file that asks the bank to pay a month's gifts; `month` is its first day."""
    try:
        first = dt.date.fromisoformat(month)
    except ValueError:
        raise NotFound("No payment of that month’s gifts was made.") from None
    file = gift_files.write_transfers(first, await queries.list_payments(first))
    return download(f"gifts-{first:%Y-%m}.xml", file, "application/xml")


@get("/finance/rewards/billing.csv", guards=READERS, opt=expect("finance", "auditor"))
async def billing_file() -> Response[bytes]:
    """Return the file of credits for billing: every line it has not answered."""
    return download("billing.csv", await queries.write_billing_file(), "text/csv")


@post("/finance/rewards/answers", guards=CLERKS, opt=expect("finance"), status_code=200)
async def record_answer(request: ActorRequest) -> Redirect | Template:
    """Record billing's answer, all of it or nothing."""
    form: Any = await request.form()
    try:
        await actions.record_answer(str(form.get("answer", "")).replace("\r\n", "\n").encode(), request.user)
    except Refusal as refusal:
        return again("rewards/books.html", refusal, may_act=True, **await _books())
    return see("/finance/rewards")


@post("/finance/rewards/farms", guards=CLERKS, opt=expect("finance"), status_code=200)
async def decide_farm(request: ActorRequest, data: Annotated[FarmForm, Filled]) -> Redirect | Template:
    """Record a decision about many lines that share an account or a browser."""
    try:
        await farms.decide(
            data.kind, data.key, data.decision, reason=data.reason, actor=request.user, form=data.form_id
        )
    except Refusal as refusal:
        return again("rewards/books.html", refusal, may_act=True, **await _books())
    return see("/finance/rewards")


@post("/finance/rewards/{what:str}", guards=CLERKS, opt=expect("finance", stranger=200), status_code=200)
async def list_one(
    request: ActorRequest, what: FromPath[str], data: Annotated[ListedForm, Filled]
) -> Redirect | Template:
    """List an association or a benefit."""
    try:
        if what == "associations":
            await actions.list_association(data.code, name=data.name, iban=data.iban, actor=request.user)
        else:
            await actions.list_benefit(
                data.code,
                title_fr=data.title_fr,
                title_en=data.title_en,
                price_minor=read_cents(data.price, field="price"),
                actor=request.user,
            )
    except Refusal as refusal:
        return again("rewards/books.html", refusal, may_act=True, **await _books())
    return see("/finance/rewards")


ROUTES = [
    rewards,
    choose_way,
    buy,
    gift_receipt,
    books,
    make_run,
    pay_gifts,
    gift_transfers,
    billing_file,
    record_answer,
    decide_farm,
    list_one,
]

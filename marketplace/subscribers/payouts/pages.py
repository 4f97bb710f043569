"""The subscriber's pages of money: what they have earned, their payouts, and their bank details."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes.queries import list_choices
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import SECTORS
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.buttons import ButtonForm
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, page, see, url
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved, subscriber
from marketplace.subscribers.earnings.movements import find_mine
from marketplace.subscribers.earnings.pages import asks_not_to, line_of
from marketplace.subscribers.earnings.promises import LONG_AGO, held_since, list_promises
from marketplace.subscribers.earnings.queries import (
    get_balance,
    latest_use,
    list_buyers,
    list_months,
    list_shares,
    list_years,
)
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from marketplace.subscribers.payouts import bank_details
from marketplace.subscribers.payouts.queries import get_outlook, list_details, list_payouts
from marketplace.subscribers.payouts.rules import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.subscribers.earnings.queries import MonthRow

Filled = Body(media_type=RequestEncodingType.URL_ENCODED)
COUNTED = {"pause": switches.pause, "resume": switches.resume}


class CountedForm(ButtonForm):
    """One click on the switch of the subscriber's screen."""

    word: str


class DetailsForm(Struct):
    """Where a subscriber wants their money."""

    holder: str
    iban: str
    form_id: uuid.UUID


class ThresholdForm(Struct):
    """From how many euros a subscriber wants to be paid."""

    euros: str


@get("/earnings", guards=[subscriber], opt=expect("subscriber"))
async def earnings(request: ActorRequest) -> Template:
    """Show a subscriber one screen: what they earned last, one switch, one chart, the next payout."""
    line = line_of(request)
    mine = await find_mine(line)
    months = await list_months(line, mine=mine)
    balance = await get_balance(line, mine)
    choices = await list_choices(line)
    this_month = formats.paris_day(clock.now()).replace(day=1)
    given = sum(choice.given for choice in choices)
    earned = [month for month in months if month.earned_micro - month.cancelled_micro >= MICRO_PER_MINOR]
    return page(
        "payouts/earnings.html",
        balance=balance,
        outlook=await get_outlook(line, balance.payable_micro, clock.now()),
        paid=next((one for one in (await list_payouts(line)).rows if one.state == "settled"), None),
        months=months,
        latest=next((month for month in earned if month.month < this_month), next(iter(earned or months), None)),
        bars=_bars(months) if earned else [],
        given=given,
        offered=len(choices),
        is_counted=given > 0,
        pause=await find_pause(line),
        asks_not_to=asks_not_to(request),
    )


def _bars(months: Sequence[MonthRow]) -> list[tuple[str, float]]:
    """Return what each of the last twelve months earned, in cents."""
    this = formats.paris_day(clock.now())
    last = [dt.date(this.year - (this.month <= ago), (this.month - ago - 1) % 12 + 1, 1) for ago in range(11, -1, -1)]
    earned = {month.month: month.earned_micro for month in months}
    return [(formats.month(month), earned.get(month, 0) / MICRO_PER_MINOR) for month in last]


@post("/earnings/counted", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def switch_counted(request: ActorRequest, data: Annotated[CountedForm, Filled]) -> Redirect:
    """Withdraw from everything until the subscriber resumes, or resume, by the one switch of their screen."""
    if data.word not in COUNTED:
        raise Invalid("Consent is given or withdrawn, nothing else.")
    await COUNTED[data.word](line_of(request), data.form_id)
    return see("/earnings")


@get("/earnings/shares", guards=[subscriber], opt=expect("subscriber"))
async def my_shares(request: ActorRequest, page_number: PageNumber = 1) -> Template:
    """Show a subscriber every month and every share, to the millionth, and their statements."""
    line = line_of(request)
    mine = await find_mine(line)
    shares = await list_shares(line, page_number, mine)
    return page(
        "payouts/shares.html",
        balance=await get_balance(line, mine),
        months=await list_months(line, mine=mine),
        years=await list_years(line, mine),
        shares=shares,
        latest=latest_use(shares.rows, mine),
        buyers=await list_buyers([share.id for share in shares.rows]),
        sectors=SECTORS,
        had_other_holder=await held_since(line) > LONG_AGO,
        promises=await list_promises(line),
    )


@get("/earnings/payouts", guards=[subscriber], opt=expect("subscriber"))
async def my_payouts(request: ActorRequest, page_number: PageNumber = 1) -> Template:
    """Show a subscriber how close the next payout is, where it goes, and every earlier one."""
    return await _my_payouts(line_of(request), page_number)


async def _my_payouts(line: int, page_number: int = 1, **again: Any) -> Template:  # noqa: ANN401 (what a template shows, of any type)
    balance = await get_balance(line)
    context: dict[str, Any] = {
        "error": "",
        "euros": "",
        "balance": balance,
        "outlook": await get_outlook(line, balance.payable_micro, clock.now()),
        "payouts": await list_payouts(line, page_number),
        "now": clock.now(),
    }
    return page("payouts/payouts.html", **context | again)


@post("/earnings/payouts/threshold", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def choose_threshold(request: ActorRequest, data: Annotated[ThresholdForm, Filled]) -> Redirect | Template:
    """Set the amount from which a subscriber is paid."""
    try:
        await bank_details.choose_threshold(line_of(request), formats.read_cents(data.euros, field="euros"))
    except Refusal as refusal:
        return await _my_payouts(line_of(request), **_wrong(refusal), euros=data.euros[:20])
    return see("/earnings/payouts")


def _wrong(refusal: Refusal) -> dict[str, Any]:
    """Return the state of a form that is shown again."""
    return {"status_code": refusal.status, "error": gettext(refusal.sentence).format(**refusal.fields)}


@get("/earnings/bank-details", guards=[subscriber], opt=expect("subscriber"))
async def my_bank_details(request: ActorRequest) -> Template:
    """Show the visible part of a subscriber's bank details, and the form for others."""
    return await _my_bank_details(line_of(request))


async def _my_bank_details(line: int, **again: Any) -> Template:  # noqa: ANN401 (what a template shows, of any type)
    context: dict[str, Any] = {
        "error": "",
        "holder": "",
        "iban": "",
        "now": clock.now(),
        "reason_in_words": in_words,
        "details": await list_details(line),
        "under_way": (await get_outlook(line, 0, clock.now())).under_way,
    }
    return page("payouts/bank_details.html", **context | again)


@post("/earnings/bank-details", guards=[subscriber, recently_proved], opt=expect("subscriber"), status_code=303)
async def write_bank_details(request: ActorRequest, data: Annotated[DetailsForm, Filled]) -> Redirect | Template:
    """Send a subscriber's payouts to another account."""
    line = line_of(request)
    try:
        await bank_details.write_details(line, holder=data.holder, iban=data.iban, details=data.form_id)
    except Refusal as refusal:
        return await _my_bank_details(line, holder=data.holder[:100], iban=data.iban[:60], **_wrong(refusal))
    return see("/earnings/bank-details")


@post("/earnings/bank-details/remove", guards=[subscriber, recently_proved], opt=expect("subscriber"), status_code=303)
async def remove_bank_details(request: ActorRequest) -> Redirect:
    """Remove a subscriber's bank details."""
    await bank_details.remove_details(line_of(request))
    return see("/earnings/bank-details")


@post("/earnings/stripe", guards=[subscriber, recently_proved], opt=expect("subscriber"), status_code=200)
async def begin_at_stripe(request: ActorRequest) -> Template:
    """Redirect a subscriber to Stripe, which identifies them; a link, because no form may lead off the site."""
    return_url = f"{settings().url}{url('/earnings/stripe')}"
    return page(
        "payouts/stripe.html", address=await bank_details.begin_at_stripe(line_of(request), return_url=return_url)
    )


@get("/earnings/stripe", guards=[subscriber], opt=expect("subscriber"))
async def return_from_stripe(request: ActorRequest) -> Redirect | Template:
    """Welcome a subscriber back from Stripe: paid there from now on, unless something is missing."""
    if await bank_details.choose_stripe(line_of(request)):
        return see("/earnings/payouts")
    return page("payouts/stripe.html", address="")


@post("/earnings/stripe/leave", guards=[subscriber, recently_proved], opt=expect("subscriber"), status_code=303)
async def leave_stripe(request: ActorRequest) -> Redirect:
    """Return a subscriber to bank transfer."""
    await bank_details.leave_stripe(line_of(request))
    return see("/earnings/payouts")


ROUTES = [
    earnings,
    switch_counted,
    my_shares,
    my_payouts,
    choose_threshold,
    my_bank_details,
    write_bank_details,
    remove_bank_details,
    begin_at_stripe,
    return_from_stripe,
    leave_stripe,
]

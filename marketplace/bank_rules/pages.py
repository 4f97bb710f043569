"""Rules for bank lines: made from a line and shown on past ones first, decided by a second person, ended by anyone."""

from __future__ import annotations

import uuid
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.bank.matching import FEE_ACCOUNTS
from marketplace.bank.queries import get_line
from marketplace.bank_rules import actions
from marketplace.bank_rules.queries import LINES_SHOWN, RuleRow, list_alike, list_rules
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Decided, Text, books_page
from marketplace.ledger.chart import TITLES
from marketplace.ledger.two_people import signs_of_proposers
from marketplace.web.formats import paris_day, read_cents
from marketplace.web.i18n import gettext, language
from marketplace.web.pages import see
from marketplace.web.sorting import as_file, euros
from pricing.money import decimal

Line = Annotated[int, QueryParameter(name="line", ge=1, le=2**63 - 1)]
CENTS_A_EURO, TWICE = 100, 2
FILE_HEADINGS: Final = (
    "Words",
    "Books",
    "Account",
    "Up to",
    "Lines booked",
    "Reason",
    "Proposed by",
    "Proposed",
    "Decided by",
    "Decided",
    "State",
)


class RuleForm(Struct):
    """A rule as proposed; `comes_in` is yes for money that came in."""

    words: str
    account: str
    most: str
    reason: str
    form_id: uuid.UUID
    comes_in: str = ""


class EndForm(Struct):
    """The end of a rule needs no more than its form."""

    form_id: uuid.UUID


@get("/finance/bank/rules", guards=READERS, opt=expect("finance", "auditor"))
async def rules(request: Asked, which: Text = "", sort: Text = "") -> Template:
    """Show every rule, with those that wait for a second person first."""
    found = await list_rules()
    return books_page(
        "bank_rules/rules.html",
        rules=found,
        decided=[row for row in await list_rules(which, sort) if row.approved is not None],
        which=which,
        sort=sort,
        title_of=_title,
        me=request.user.person,
        may_act=request.user.role == "finance",
        signs=await signs_of_proposers(request.user.person, found),
    )


@get("/finance/bank/rules.csv", guards=READERS, opt=expect("finance", "auditor"))
async def rules_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out the rules as a file for a spreadsheet, narrowed and sorted as their page is."""
    cells = [
        (
            row.words,
            gettext("money that came in" if row.comes_in else "money that went out"),
            row.account,
            euros(row.most_minor),
            row.booked,
            row.reason,
            row.proposer,
            paris_day(row.proposed_at),
            row.decider or "",
            paris_day(row.decided_at) if row.decided_at else "",
            _state(row),
        )
        for row in await list_rules(which, sort)
    ]
    return as_file("bank-rules.csv", FILE_HEADINGS, cells)


def _state(row: RuleRow) -> str:
    """Return in words whether a rule books; nothing while it waits."""
    if row.approved is None:
        return ""
    return gettext("ended" if row.ended_at else "current" if row.approved else "refused")


@get("/finance/bank/rules/new", guards=CLERKS, opt=expect("finance"))
async def new_rule(line: Line = 0, words: Text = "", account: Text = "", most: Text = "") -> Template:
    """Show what a rule like this line would be for, before anybody proposes it; every field can be tried out."""
    row = (await get_line(line)).line
    words = words or row.counterparty or " ".join(row.remittance.split()[:3])
    most_minor = read_cents(most) if most.strip() else -(-abs(row.amount_minor) * TWICE // CENTS_A_EURO) * CENTS_A_EURO
    found = await list_alike(" ".join(words.split()), comes_in=row.amount_minor > 0, most_minor=most_minor)
    return books_page(
        "bank_rules/new.html",
        line=row,
        words=words,
        account=account,
        most=decimal(most_minor),
        lines=found,
        others=[alike for alike in found if alike.accounts and account and alike.accounts != account],
        in_all=found[0].in_all if found else 0,
        shown=LINES_SHOWN,
        accounts=[(code, f"{code} · {_title(code)}") for code in FEE_ACCOUNTS],
    )


@post("/finance/bank/rules", guards=CLERKS, opt=expect("finance"), status_code=303)
async def propose(
    request: Asked, data: Annotated[RuleForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose a rule."""
    await actions.propose_rule(
        data.words,
        data.account,
        request.user,
        comes_in=data.comes_in == "yes",
        most_minor=read_cents(data.most),
        reason=data.reason,
        form_id=data.form_id,
    )
    return see("/finance/bank/rules")


@post("/finance/bank/rules/{rule_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def decide(
    request: Asked,
    rule_id: FromPath[uuid.UUID],
    data: Decided,
) -> Redirect:
    """Approve or refuse a rule that someone else proposed; approved, it books what waits for it."""
    await actions.decide_rule(rule_id, request.user, approve=data.approves)
    return see("/finance/bank/rules")


@post("/finance/bank/rules/{rule_id:uuid}/end", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def end(
    request: Asked,
    rule_id: FromPath[uuid.UUID],
    data: Annotated[EndForm, Body(media_type=RequestEncodingType.URL_ENCODED)],  # noqa: ARG001 (the form's token)
) -> Redirect:
    """End a rule."""
    await actions.end_rule(rule_id, request.user)
    return see("/finance/bank/rules")


def _title(code: str) -> str:
    french, english = TITLES[code]
    return french if language.get() == "fr" else english


ROUTES = [rules, rules_file, new_rule, propose, decide, end]

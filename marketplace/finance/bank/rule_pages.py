"""Rules for bank lines: made from a line and shown on past ones first, decided by a second person, ended by anyone."""

from __future__ import annotations

import uuid
from typing import Annotated, Final

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day, read_cents
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import see
from marketplace.core.web.sorting import Columns, euros
from marketplace.finance.bank import rule_actions
from marketplace.finance.bank.matching import FEE_ACCOUNTS
from marketplace.finance.bank.queries import get_line
from marketplace.finance.bank.rule_proposals import BANK_RULE, propose_rule
from marketplace.finance.bank.rule_queries import LINES_SHOWN, RuleRow, list_alike, list_rules
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_file, books_page
from marketplace.money.ledger.words import title_of
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import list_proposals
from pricing.money import decimal

Line = Annotated[int, QueryParameter(name="line", ge=1, le=2**63 - 1)]
CENTS_A_EURO, TWICE = 100, 2
FILE_COLUMNS: Final[Columns[RuleRow]] = {
    "Words": lambda row: row.words,
    "Books": lambda row: gettext("money that came in" if row.comes_in else "money that went out"),
    "Account": lambda row: row.account,
    "Up to": lambda row: euros(row.most_minor),
    "Lines booked": lambda row: row.booked,
    "Reason": lambda row: row.reason,
    "Proposed by": lambda row: row.proposer,
    "Proposed": lambda row: paris_day(row.proposed_at),
    "Decided by": lambda row: row.decider,
    "Decided": lambda row: paris_day(row.decided_at),
    "State": lambda row: gettext("ended" if row.ended_at else "current"),
}


class RuleForm(Struct):
    """A rule as proposed; `comes_in` is yes for money that came in."""

    words: str
    account: str
    most: str
    reason: str
    form_id: uuid.UUID
    comes_in: str = ""


@get("/finance/bank/rules", guards=READERS, opt=expect("finance", "auditor"))
async def rules(request: ActorRequest, which: Text = "", sort: Text = "") -> Template:
    """Show every rule, and whether others wait for a second person."""
    return books_page(
        "bank/rules.html",
        rules=await list_rules(which, sort),
        waiting=await list_proposals("waiting", BANK_RULE.code),
        which=which,
        sort=sort,
        title_of=title_of,
        may_act=request.user.role == "finance",
    )


@get("/finance/bank/rules/new", guards=CLERKS, opt=expect("finance"))
async def new_rule(line: Line = 0, words: Text = "", account: Text = "", most: Text = "") -> Template:
    """Show what a rule like this line would be for, before anybody proposes it; every field can be tried out."""
    row = (await get_line(line)).line
    words = words or row.counterparty or " ".join(row.remittance.split()[:3])
    most_minor = read_cents(most) if most.strip() else -(-abs(row.amount_minor) * TWICE // CENTS_A_EURO) * CENTS_A_EURO
    found = await list_alike(" ".join(words.split()), comes_in=row.amount_minor > 0, most_minor=most_minor)
    return books_page(
        "bank/rule_new.html",
        line=row,
        words=words,
        account=account,
        most=decimal(most_minor),
        lines=found,
        others=[alike for alike in found if alike.accounts and account and alike.accounts != account],
        in_all=found[0].in_all if found else 0,
        shown=LINES_SHOWN,
        accounts=[(code, f"{code} · {title_of(code)}") for code in FEE_ACCOUNTS],
    )


@post("/finance/bank/rules", guards=[*CLERKS, recently_proved], opt=expect("finance"), status_code=303)
async def propose(
    request: ActorRequest, data: Annotated[RuleForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose a rule."""
    await propose_rule(
        data.words,
        data.account,
        request.user,
        comes_in=data.comes_in == "yes",
        most_minor=read_cents(data.most),
        reason=data.reason,
        form_id=data.form_id,
    )
    return see("/finance/bank/rules")


@post("/finance/bank/rules/{rule_id:uuid}/end", guards=CLERKS, opt=expect("finance", stranger=200), status_code=303)
async def end(
    request: ActorRequest,
    rule_id: FromPath[uuid.UUID],
    data: Pressed,  # noqa: ARG001 (the form's token)
) -> Redirect:
    """End a rule."""
    await rule_actions.end_rule(rule_id, request.user)
    return see("/finance/bank/rules")


ROUTES = [
    rules,
    books_file("/finance/bank/rules.csv", "bank-rules.csv", FILE_COLUMNS, list_rules),
    new_rule,
    propose,
    end,
]

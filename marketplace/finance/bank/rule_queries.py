"""What pages and the job read of rules: each with the people behind it, the lines it is for, the open ones that it books."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__, "rule_queries.sql")
LINES_SHOWN: Final = 50
RULES_BY: Final = {
    "": "bank_rule.ended_at IS NOT NULL, proposed_at DESC",
    "words": "lower(words), proposed_at",
    "account": "bank_rule.account, proposed_at",
    "most": "most_minor DESC, proposed_at",
    "booked": "booked DESC, proposed_at",
    "proposed": "proposed_at",
    "decided": "decided_at",
}
"""What rules are sorted by → SQL."""


class RuleRow(Struct, frozen=True):
    """A rule; `most_minor` in cents, `booked` how many lines it explains now."""

    id: uuid.UUID
    words: str
    comes_in: bool
    most_minor: int
    account: str
    reason: str
    proposed_at: dt.datetime
    decided_at: dt.datetime
    ended_at: dt.datetime | None
    proposer: str
    decider: str
    ender: str | None
    booked: int


class AlikeLine(Struct, frozen=True):
    """A line that a rule would be for, with the accounts that it is booked on now; signed cents, `in_all` such lines."""

    id: int
    reference: str
    booked_on: dt.date
    amount_minor: int
    counterparty: str
    remittance: str
    accounts: str
    in_all: int


class LineToBook(Struct, frozen=True):
    """An open line that a rule books on an account; signed cents."""

    line: int
    amount_minor: int
    account: str
    rule: str


async def list_rules(which: str = "", sort: str = "") -> list[RuleRow]:
    """Return every rule, or those that are `which`, current or ended, in an order of RULES_BY: what books first."""
    order = RULES_BY.get(sort, RULES_BY[""])
    return await fetch_rows(RuleRow, f"{SQL['list_rules']} ORDER BY {order}, bank_rule.id", which)


async def list_alike(words: str, *, comes_in: bool, most_minor: int) -> list[AlikeLine]:
    """Return the latest lines that a rule with these words would be for, open or not."""
    return await fetch_rows(AlikeLine, SQL["list_alike"], words, comes_in, most_minor, LINES_SHOWN)

"""What pages and the job read of rules: each with the people behind it, the lines it is for, the open ones that it books."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
LINES_SHOWN: Final = 50


class RuleRow(Struct, frozen=True):
    """A rule; `most_minor` in cents, `booked` how many lines it explains now, `approved` None until somebody decides."""

    id: uuid.UUID
    words: str
    comes_in: bool
    most_minor: int
    account: str
    reason: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    ended_at: dt.datetime | None
    proposer: str
    decider: str | None
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


async def list_rules() -> list[RuleRow]:
    """Return every rule: what waits for a decision first, then what books, then what was refused or ended."""
    return await fetch_rows(RuleRow, SQL["list_rules"])


async def list_alike(words: str, *, comes_in: bool, most_minor: int) -> list[AlikeLine]:
    """Return the latest lines that a rule with these words would be for, open or not."""
    return await fetch_rows(AlikeLine, SQL["list_alike"], words, comes_in, most_minor, LINES_SHOWN)

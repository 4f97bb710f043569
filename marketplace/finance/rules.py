"""What finance decides without asking: scores of candidates, what a write-off posts, where an entry's source is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from marketplace.ledger import chart

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

MATCHED_WITH_LINES: Final = ("line_unexplained", "payout_without_line", "payout_kept", "sale_without_charge")
"""Reasons that a bank line may settle."""
HANGS_ON: Final = {
    "charge_without_payment": (chart.PARTNERS, 1),
    "charge_without_order": (chart.PARTNERS, 1),
    "charge_differs": (chart.PARTNERS, 1),
    "sale_without_charge": (chart.PARTNERS, -1),
    "refund_without_entry": (chart.PARTNERS, 1),
    "refund_without_movement": (chart.PARTNERS, 1),
    "dispute_open": (chart.DISPUTES, 1),
    "dispute_differs": (chart.DISPUTES, 1),
    "payout_without_line": (chart.TRANSFERS, -1),
    "payout_kept": (chart.SUBSCRIBERS_IN_TRANSIT, -1),
    "transfer_unasked": (chart.SUBSCRIBERS_IN_TRANSIT, 1),
}
"""Reason → the account its amount hangs on, and the sign that makes the amount a credit there."""
ACKNOWLEDGED: Final = (
    "refund_failed", "event_amiss", "command_failed", "statement_gap", "entitlement_without_money",
    "money_without_entitlement", "download_without_money",
)  # fmt: skip
"""Reasons that two people may let go without any entry: nothing in the books hangs on them."""
LOST_TO: Final = {chart.PARTNERS: chart.LOSSES, chart.DISPUTES: chart.LOSSES}


def may_write_off(why: str, amount_minor: int | None = None) -> bool:
    """Tell whether two people may let an exception go; what must be mended at its source may not.

    Nor may what was taken back from a subscriber's account: it is theirs, and no gain of ours.
    """
    if why == "transfer_unasked" and (amount_minor or 0) > 0:
        return False
    return why in HANGS_ON or why in ACKNOWLEDGED or why == "line_unexplained"


def write_off_postings(why: str, amount_minor: int | None) -> list[tuple[str, str, int]]:
    """Return what clears an exception's amount: a credit left over is gained, a debit is lost; nothing hangs: nothing."""
    if why not in HANGS_ON or not amount_minor:
        return []
    account, sign = HANGS_ON[why]
    credit = sign * amount_minor
    if credit > 0:
        return [(account, chart.DIFFERENCES_GAINED, credit)]
    return [(LOST_TO.get(account, chart.DIFFERENCES_LOST), account, -credit)]


@dataclass(frozen=True, slots=True)
class Clue:
    """What is known of one side of a possible match."""

    amount_minor: int
    day: dt.date
    references: Sequence[str] = ()
    """What names it: numbers and ids."""
    words: str = ""
    """Everything written on it, where a reference of the other side may be found."""
    name: str = ""


EQUAL, CLOSE, NAMED, SOON, LATER, ALIKE = 50, 20, 30, 10, 5, 10
CLOSE_BY, SOON_DAYS, LATER_DAYS, LIKENESS = 50, 3, 10, 0.75
SHORTEST_REFERENCE: Final = 4


def score(one: Clue, other: Clue) -> tuple[int, list[str]]:
    """Return how likely two things are the same money, from 0 to 100, and why."""
    points, reasons = 0, []
    difference = abs(one.amount_minor - other.amount_minor)
    if not difference:
        points, reasons = EQUAL, ["amount_equal"]
    elif difference * CLOSE_BY <= abs(one.amount_minor):
        points, reasons = CLOSE, ["amount_close"]
    if _names(one, other) or _names(other, one):
        points, reasons = points + NAMED, [*reasons, "reference_found"]
    days = abs((one.day - other.day).days)
    if days <= LATER_DAYS:
        points += SOON if days <= SOON_DAYS else LATER
        reasons.append("same_days" if days <= SOON_DAYS else "near_days")
    if one.name and other.name and likeness(one.name, other.name) >= LIKENESS:
        points, reasons = points + ALIKE, [*reasons, "name_alike"]
    return points, reasons


def _names(one: Clue, other: Clue) -> bool:
    words = _plain(other.words)
    return any(len(_plain(name)) >= SHORTEST_REFERENCE and _plain(name) in words for name in one.references)


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, from 0 to 1, whatever their case, marks and legal form."""
    first, second = _name(one), _name(other)
    if first and second and (first in second or second in first):
        return 1.0
    return SequenceMatcher(None, first, second).ratio()


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _name(text: str) -> str:
    return " ".join(
        word
        for word in re.sub(r"[^\w ]", " ", text.lower()).split()
        if word not in {"sas", "sa", "sarl", "ltd", "gmbh", "inc"}
    )


SOURCES: Final = {
    "sale": "/finance/orders",
    "shares_": "/finance/licences",
    "stripe_": "/finance/transactions",
    "bank_line": "/finance/bank/lines",
    "payout_sent": "/finance/payout-runs",
    "reversal": "/finance/journal",
}
"""How an entry's kind begins → where what it records is shown."""


def source_path(kind: str, source_id: str) -> str | None:
    """Return the page of what an entry records."""
    for start, page in SOURCES.items():
        if kind.startswith(start):
            return f"{page}/{source_id.partition('/')[0]}"
    return None
